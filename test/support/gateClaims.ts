/** What the safety gate promises, each promise with the danger present; see safetyClaims.ts. */
import assert from "node:assert/strict";
import { openFreezes } from "../../src/safety/freezes.ts";
import type { AdmitResult } from "../../src/safety/gate.ts";
import { MemoryDisk } from "./memoryStore.ts";
import type { SafetyCode } from "./safetyClaims.ts";
import {
  block,
  CHAIN,
  HELD,
  NONE_FROZEN,
  pubKey,
  root,
  sign,
  signedSet,
  task,
  vote,
} from "./slashing.ts";

export const GATE_CLAIMS = {
  "GATE-1: nothing is admitted before its record is on disk": async (code) => {
    const disk = new MemoryDisk();
    const slashing = await code.openSlashingStore(disk.open(), CHAIN);
    const gate = code.createSafetyGate({ slashing, lock: HELD, freezes: NONE_FROZEN });
    let release = (): void => undefined;
    disk.beforeWrite = () =>
      new Promise((resolve) => {
        release = resolve;
      });
    const tasks = [task(1, vote(1, 2)), task(2, block(64))];
    let result: AdmitResult | null = null;
    const admission = gate.admit({ tasks, set: signedSet(tasks) }).then((admitted) => {
      result = admitted;
    });
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(result, null, "the write has not ended");
    release();
    await admission;
    const restarted = await code.openSlashingStore(disk.open(), CHAIN);
    for (const { pubKey: key, slashing: message } of tasks) {
      assert(message !== null);
      const other = restarted.check(key, { slashing: message, signingRoot: root(8) });
      assert.equal(other.isApproved, false);
    }
  },

  "GATE-2: a signature over anything but the decided message is refused": async (code) => {
    const disk = new MemoryDisk();
    const slashing = await code.openSlashingStore(disk.open(), CHAIN);
    const gate = code.createSafetyGate({ slashing, lock: HELD, freezes: NONE_FROZEN });
    const writes = disk.writes;
    const decided = [task(1, vote(1, 2)), task(2, vote(1, 2), root(2))];
    const signed = [task(1, vote(1, 2), root(3)), task(5, vote(1, 2))];
    const { admitted, refused } = await gate.admit({ tasks: decided, set: signedSet(signed) });
    assert.equal(admitted, null);
    assert.deepEqual(
      refused.map(({ validator, reason }) => [validator, reason.code]),
      [
        [1, "not_decided"],
        [5, "not_decided"],
      ],
    );
    assert.equal(disk.writes, writes);
  },

  "GATE-3: a refused validator is left out and its siblings go, in one write": async (code) => {
    const disk = new MemoryDisk();
    const slashing = await code.openSlashingStore(disk.open(), CHAIN);
    const gate = code.createSafetyGate({ slashing, lock: HELD, freezes: NONE_FROZEN });
    await sign(slashing, vote(3, 4), { key: pubKey(2), signingRoot: root(9) });
    const writes = disk.writes;
    const tasks = [1, 2, 3].map((validator) => task(validator, vote(3, 4)));
    const { admitted, refused } = await gate.admit({ tasks, set: signedSet(tasks, 4) });
    assert.deepEqual(
      admitted?.signatures.map(({ validator }) => validator),
      [1, 3],
    );
    assert.equal(admitted?.shareIndex, 4);
    assert.deepEqual(
      refused.map(({ validator, reason }) => [validator, reason.code]),
      [[2, "slashable_double_vote"]],
    );
    assert.equal(disk.writes, writes + 1);
  },

  "FREEZE-2: a frozen validator's share signs nothing, its siblings do": async (code) => {
    const disk = new MemoryDisk();
    const slashing = await code.openSlashingStore(disk.open(), CHAIN);
    await (await openFreezes(disk.open())).freeze(pubKey(2), "its whole key was used");
    // FREEZE-1: what was frozen before a restart is frozen after it.
    const freezes = await openFreezes(disk.open());
    const gate = code.createSafetyGate({ slashing, lock: HELD, freezes });
    const tasks = [1, 2].map((validator) => task(validator, vote(3, 4)));
    const { admitted, refused } = await gate.admit({ tasks, set: signedSet(tasks) });
    assert.deepEqual(
      admitted?.signatures.map(({ validator }) => validator),
      [1],
    );
    assert.deepEqual(
      refused.map(({ validator, reason }) => [validator, reason.code]),
      [[2, "frozen"]],
    );
    assert.match(refused[0]?.reason.detail ?? "", /its whole key was used/);
    assert.deepEqual(await gate.checkAggregate(tasks), [null, null], "others' signatures go on");
  },

  "GATE-4: a failed write admits nothing, and the same set goes once the disk is back": async (
    code,
  ) => {
    for (const lands of [true, false]) {
      const disk = new MemoryDisk();
      const slashing = await code.openSlashingStore(disk.open(), CHAIN);
      const gate = code.createSafetyGate({ slashing, lock: HELD, freezes: NONE_FROZEN });
      disk.fault = { write: disk.writes + 1, lands };
      const tasks = [1, 2].map((validator) => task(validator, vote(1, 2)));
      const failed = await gate.admit({ tasks, set: signedSet(tasks) });
      assert.equal(failed.admitted, null);
      assert.deepEqual(
        failed.refused.map(({ reason }) => reason.code),
        ["store_failed", "store_failed"],
      );
      const retried = await gate.admit({ tasks, set: signedSet(tasks) });
      assert.equal(retried.admitted?.signatures.length, 2);
    }
  },

  "GATE-4: whatever throws within the gate, nothing is admitted": async (code) => {
    const slashing = await code.openSlashingStore(new MemoryDisk().open(), CHAIN);
    const tasks = [task(1, vote(1, 2))];
    for (const failing of [1, 2]) {
      let calls = 0;
      const lock = {
        isHeld: () => {
          calls++;
          if (calls === failing) throw new Error("the lock cannot be asked");
          return true;
        },
      };
      const gate = code.createSafetyGate({ slashing, lock, freezes: NONE_FROZEN });
      await assert.rejects(gate.admit({ tasks, set: signedSet(tasks) }), /cannot be asked/);
    }
  },

  "GATE-5: of two contradicting requests in one batch one is admitted": async (code) => {
    const disk = new MemoryDisk();
    const slashing = await code.openSlashingStore(disk.open(), CHAIN);
    const gate = code.createSafetyGate({ slashing, lock: HELD, freezes: NONE_FROZEN });
    const results = await Promise.all(
      [root(1), root(2), root(1)].map((signingRoot) => {
        const tasks = [task(1, vote(1, 2), signingRoot)];
        return gate.admit({ tasks, set: signedSet(tasks) });
      }),
    );
    assert.deepEqual(
      results.map(({ admitted }) => admitted !== null),
      [true, false, true],
    );
    assert.equal(results[1]?.refused[0]?.reason.code, "slashable_double_vote");
    assert.equal(disk.writes, 2, "the head, then one batch for all three");
  },

  "GATE-6: a process without the lock writes and admits nothing": async (code) => {
    const disk = new MemoryDisk();
    const slashing = await code.openSlashingStore(disk.open(), CHAIN);
    const gate = code.createSafetyGate({
      slashing,
      lock: { isHeld: () => false },
      freezes: NONE_FROZEN,
    });
    const writes = disk.writes;
    const tasks = [task(1, vote(1, 2)), task(2, null)];
    const { admitted, refused } = await gate.admit({ tasks, set: signedSet(tasks) });
    assert.equal(admitted, null);
    assert.deepEqual(
      refused.map(({ reason }) => reason.code),
      ["lock_lost", "lock_lost"],
    );
    assert.equal(disk.writes, writes);
  },

  "GATE-6: a process that loses the lock during the write admits nothing": async (code) => {
    const disk = new MemoryDisk();
    const slashing = await code.openSlashingStore(disk.open(), CHAIN);
    let isHeld = true;
    const gate = code.createSafetyGate({
      slashing,
      lock: { isHeld: () => isHeld },
      freezes: NONE_FROZEN,
    });
    disk.beforeWrite = () => {
      isHeld = false;
    };
    const tasks = [task(1, vote(1, 2))];
    const { admitted, refused } = await gate.admit({ tasks, set: signedSet(tasks) });
    assert.equal(admitted, null);
    assert.equal(refused[0]?.reason.code, "lock_lost");
  },

  "GATE-7: the proposed value is judged without a trace, the aggregate is recorded": async (
    code,
  ) => {
    const disk = new MemoryDisk();
    const slashing = await code.openSlashingStore(disk.open(), CHAIN);
    const gate = code.createSafetyGate({ slashing, lock: HELD, freezes: NONE_FROZEN });
    const writes = disk.writes;
    const tasks = [task(1, vote(1, 2)), task(2, null)];
    assert.deepEqual(gate.checkValue(tasks), [null, null]);
    assert.equal(disk.writes, writes);
    assert.deepEqual(gate.checkValue([task(1, vote(1, 2), root(2))]), [null], "no trace");

    // Our own share was silent; the others' signatures were combined, so we are bound by them.
    assert.deepEqual(await gate.checkAggregate(tasks), [null, null]);
    for (const opened of [slashing, await code.openSlashingStore(disk.open(), CHAIN)]) {
      const later = code.createSafetyGate({ slashing: opened, lock: HELD, freezes: NONE_FROZEN });
      const contradicting = [task(1, vote(1, 2), root(2))];
      assert.equal(later.checkValue(contradicting)[0]?.code, "slashable_double_vote");
      const own = await later.admit({ tasks: contradicting, set: signedSet(contradicting) });
      assert.equal(own.admitted, null);
      const [aggregate] = await later.checkAggregate(contradicting);
      assert.equal(aggregate?.code, "slashable_double_vote");
    }
  },
} satisfies Readonly<Record<string, (code: SafetyCode) => Promise<void>>>;
