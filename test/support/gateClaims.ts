/** What the safety gate promises, each promise with the danger present; see safetyClaims.ts. */
import assert from "node:assert/strict";
import { VirtualDisk } from "../../sim/virtualStore.ts";
import type { RefusalCode } from "../../src/domain/errors.ts";
import { openFreezes } from "../../src/safety/freezes.ts";
import type { AdmitResult } from "../../src/safety/gate.ts";
import type { SafetyCode } from "./safetyClaims.ts";
import {
  block,
  CHAIN,
  HELD,
  OPEN,
  pubKey,
  request,
  root,
  sign,
  signedSet,
  task,
  vote,
} from "./slashing.ts";

export const GATE_CLAIMS = {
  "GATE-1: nothing is admitted before its record is on disk": async (code) => {
    const disk = new VirtualDisk();
    const slashing = await code.openSlashingStore(disk.open(), CHAIN);
    const gate = code.createSafetyGate({ ...OPEN, slashing });
    let release = (): void => undefined;
    disk.beforeWrite = () =>
      new Promise((resolve) => {
        release = resolve;
      });
    const tasks = [task(1, vote(1, 2)), task(2, block(64))];
    let result: AdmitResult | null = null;
    const admission = gate.admit(request(tasks)).then((admitted) => {
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
    const disk = new VirtualDisk();
    const slashing = await code.openSlashingStore(disk.open(), CHAIN);
    const gate = code.createSafetyGate({ ...OPEN, slashing });
    const writes = disk.writes;
    const decided = [task(1, vote(1, 2)), task(2, vote(1, 2), root(2))];
    const signed = [task(1, vote(1, 2), root(3)), task(5, vote(1, 2))];
    const { admitted, refused } = await gate.admit({ ...request(decided), set: signedSet(signed) });
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
    const disk = new VirtualDisk();
    const slashing = await code.openSlashingStore(disk.open(), CHAIN);
    const gate = code.createSafetyGate({ ...OPEN, slashing });
    await sign(slashing, vote(3, 4), { key: pubKey(2), signingRoot: root(9) });
    const writes = disk.writes;
    const tasks = [1, 2, 3].map((validator) => task(validator, vote(3, 4)));
    const { admitted, refused } = await gate.admit(request(tasks, 4));
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
    const disk = new VirtualDisk();
    const slashing = await code.openSlashingStore(disk.open(), CHAIN);
    await (await openFreezes(disk.open())).freeze({
      scope: "all",
      validator: pubKey(2),
      reason: "its whole key was used",
      by: "test",
    });
    // FREEZE-1: what was frozen before a restart is frozen after it.
    const freezes = await openFreezes(disk.open());
    const gate = code.createSafetyGate({ ...OPEN, slashing, freezes });
    const tasks = [1, 2].map((validator) => task(validator, vote(3, 4)));
    const { admitted, refused } = await gate.admit(request(tasks));
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
      const disk = new VirtualDisk();
      const slashing = await code.openSlashingStore(disk.open(), CHAIN);
      const gate = code.createSafetyGate({ ...OPEN, slashing });
      disk.fault = { write: disk.writes + 1, lands };
      const tasks = [1, 2].map((validator) => task(validator, vote(1, 2)));
      const failed = await gate.admit(request(tasks));
      assert.equal(failed.admitted, null);
      assert.deepEqual(
        failed.refused.map(({ reason }) => reason.code),
        ["store_failed", "store_failed"],
      );
      const retried = await gate.admit(request(tasks));
      assert.equal(retried.admitted?.signatures.length, 2);
    }
  },

  "GATE-4: whatever throws within the gate, nothing is admitted": async (code) => {
    const slashing = await code.openSlashingStore(new VirtualDisk().open(), CHAIN);
    const tasks = [task(1, vote(1, 2))];
    for (const failing of [1, 2]) {
      let calls = 0;
      const lock = {
        ...HELD,
        isHeld: () => {
          calls++;
          if (calls === failing) throw new Error("the lock cannot be asked");
          return true;
        },
      };
      const gate = code.createSafetyGate({ ...OPEN, slashing, lock });
      await assert.rejects(gate.admit(request(tasks)), /cannot be asked/);
    }
  },

  "GATE-5: of two contradicting requests in one batch one is admitted": async (code) => {
    const disk = new VirtualDisk();
    const slashing = await code.openSlashingStore(disk.open(), CHAIN);
    const gate = code.createSafetyGate({
      ...OPEN,
      slashing,
      // Both would be within the duty's limit: the rules have to see the contradiction.
      safetyOf: () => ({ scope: "attest", messagesPerValidator: 2 }),
    });
    const results = await Promise.all(
      [root(1), root(2), root(1)].map((signingRoot) => {
        const tasks = [task(1, vote(1, 2), signingRoot)];
        return gate.admit(request(tasks));
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
    const disk = new VirtualDisk();
    const slashing = await code.openSlashingStore(disk.open(), CHAIN);
    const gate = code.createSafetyGate({
      ...OPEN,
      slashing,
      lock: { isHeld: () => false, isFresh: () => true },
    });
    const writes = disk.writes;
    const tasks = [task(1, vote(1, 2)), task(2, null)];
    const { admitted, refused } = await gate.admit(request(tasks));
    assert.equal(admitted, null);
    assert.deepEqual(
      refused.map(({ reason }) => reason.code),
      ["lock_lost", "lock_lost"],
    );
    assert.equal(disk.writes, writes);
  },

  "GATE-6: a process that loses the lock during the write admits nothing": async (code) => {
    const disk = new VirtualDisk();
    const slashing = await code.openSlashingStore(disk.open(), CHAIN);
    let isHeld = true;
    const gate = code.createSafetyGate({
      ...OPEN,
      slashing,
      lock: { isHeld: () => isHeld, isFresh: () => true },
    });
    disk.beforeWrite = () => {
      isHeld = false;
    };
    const tasks = [task(1, vote(1, 2))];
    const { admitted, refused } = await gate.admit(request(tasks));
    assert.equal(admitted, null);
    assert.equal(refused[0]?.reason.code, "lock_lost");
  },

  "GATE-6: a machine that stood still for ten seconds at the write sends nothing": async (code) => {
    const disk = new VirtualDisk();
    const slashing = await code.openSlashingStore(disk.open(), CHAIN);
    let isFresh = true;
    const lock = { isHeld: () => true, isFresh: () => isFresh };
    const gate = code.createSafetyGate({ ...OPEN, slashing, lock });
    const tasks = [task(1, vote(1, 2))];
    disk.beforeWrite = () => {
      isFresh = false;
    };
    const paused = await gate.admit(request(tasks));
    assert.equal(paused.admitted, null);
    assert.equal(paused.refused[0]?.reason.code, "lock_stale");
    const writes = disk.writes;
    const other = [task(2, vote(1, 2))];
    assert.equal((await gate.admit(request(other))).refused[0]?.reason.code, "lock_stale");
    assert.equal(disk.writes, writes, "nothing is recorded either");
    isFresh = true;
    disk.beforeWrite = () => undefined;
    assert.notEqual((await gate.admit(request(tasks))).admitted, null, "after its next heartbeat");
  },

  "GATE-8: the checks come in their order, and each guard refuses alone": async (code) => {
    const disk = new VirtualDisk();
    const slashing = await code.openSlashingStore(disk.open(), CHAIN);
    await sign(slashing, vote(1, 2), { key: pubKey(1), signingRoot: root(9) });
    const closed = new Set(["freeze", "lock", "age", "first", "second", "decided"]);
    const refusal = (name: string, code: RefusalCode) =>
      closed.has(name) ? { code, detail: name } : null;
    const gate = code.createSafetyGate({
      ...OPEN,
      slashing,
      lock: { isHeld: () => !closed.has("lock"), isFresh: () => !closed.has("age") },
      freezes: { refusalOf: () => refusal("freeze", "frozen") },
      guards: [
        { refusalOf: () => refusal("first", "below_watermark") },
        { refusalOf: () => refusal("second", "slashing_unrecordable") },
      ],
    });
    const tasks = [task(1, vote(1, 2))];
    const asked = { ...request(tasks), set: signedSet([task(1, vote(1, 2), root(7))]) };
    const codeNow = async () => {
      const set = closed.has("decided") ? asked : request(tasks);
      return (await gate.admit(set)).refused[0]?.reason.code;
    };
    for (const [name, expected] of [
      ["freeze", "frozen"],
      ["lock", "lock_lost"],
      ["age", "lock_stale"],
      ["first", "below_watermark"],
      ["second", "slashing_unrecordable"],
      ["decided", "not_decided"],
      ["", "slashable_double_vote"],
    ] as const) {
      assert.equal(await codeNow(), expected);
      closed.delete(name);
    }
  },

  "GATE-8: a guard that throws lets nothing through": async (code) => {
    const slashing = await code.openSlashingStore(new VirtualDisk().open(), CHAIN);
    const failing = {
      refusalOf: () => {
        throw new Error("the guard is broken");
      },
    };
    const gate = code.createSafetyGate({ ...OPEN, slashing, guards: [failing] });
    await assert.rejects(gate.admit(request([task(1, vote(1, 2))])), /the guard is broken/);
  },

  "FREEZE-2: a freeze that comes during the write holds": async (code) => {
    const disk = new VirtualDisk();
    const slashing = await code.openSlashingStore(disk.open(), CHAIN);
    const freezes = await openFreezes(new VirtualDisk().open());
    const gate = code.createSafetyGate({ ...OPEN, slashing, freezes });
    disk.beforeWrite = () =>
      freezes.freeze({ scope: "attest", validator: null, reason: "drill", by: "test" });
    const { admitted, refused } = await gate.admit(request([task(1, vote(1, 2))]));
    assert.equal(admitted, null);
    assert.equal(refused[0]?.reason.code, "frozen");
  },

  "LIMIT-1: a second message of one duty is refused, a retry never": async (code) => {
    const slashing = await code.openSlashingStore(new VirtualDisk().open(), CHAIN);
    const counted: string[] = [];
    const gate = code.createSafetyGate({
      ...OPEN,
      slashing,
      precursors: { count: (kind) => void counted.push(kind) },
    });
    const reveal = [task(1, null, root(1))];
    for (let retry = 0; retry < 5; retry++) {
      assert.notEqual((await gate.admit(request(reveal))).admitted, null, `retry ${retry}`);
    }
    const other = [task(1, null, root(2))];
    const { admitted, refused } = await gate.admit(request(other));
    assert.equal(admitted, null);
    assert.equal(refused[0]?.reason.code, "rate_limited");
    assert.match(refused[0]?.reason.detail ?? "", /its limit is 1.*second validator client/);
    // PRECURSOR-1: both are worth a page.
    assert.deepEqual(counted, ["rate_limit", "conflicting_digest"]);
    assert.notEqual((await gate.admit(request([task(2, null, root(2))]))).admitted, null);
  },

  "LIMIT-1: what was never decided does not use up the limit": async (code) => {
    const slashing = await code.openSlashingStore(new VirtualDisk().open(), CHAIN);
    const gate = code.createSafetyGate({ ...OPEN, slashing });
    const tasks = [task(1, null, root(1))];
    const wrong = { ...request(tasks), set: signedSet([task(1, null, root(2))]) };
    assert.equal((await gate.admit(wrong)).refused[0]?.reason.code, "not_decided");
    assert.notEqual((await gate.admit(request(tasks))).admitted, null);
  },

  "GATE-7: the proposed value is judged without a trace, the aggregate is recorded": async (
    code,
  ) => {
    const disk = new VirtualDisk();
    const slashing = await code.openSlashingStore(disk.open(), CHAIN);
    const gate = code.createSafetyGate({ ...OPEN, slashing });
    const writes = disk.writes;
    const tasks = [task(1, vote(1, 2)), task(2, null)];
    assert.deepEqual(gate.checkValue(tasks), [null, null]);
    assert.equal(disk.writes, writes);
    assert.deepEqual(gate.checkValue([task(1, vote(1, 2), root(2))]), [null], "no trace");

    // Our own share was silent; the others' signatures were combined, so we are bound by them.
    assert.deepEqual(await gate.checkAggregate(tasks), [null, null]);
    for (const opened of [slashing, await code.openSlashingStore(disk.open(), CHAIN)]) {
      const later = code.createSafetyGate({ ...OPEN, slashing: opened });
      const contradicting = [task(1, vote(1, 2), root(2))];
      assert.equal(later.checkValue(contradicting)[0]?.code, "slashable_double_vote");
      const own = await later.admit(request(contradicting));
      assert.equal(own.admitted, null);
      const [aggregate] = await later.checkAggregate(contradicting);
      assert.equal(aggregate?.code, "slashable_double_vote");
    }
  },
} satisfies Readonly<Record<string, (code: SafetyCode) => Promise<void>>>;
