/** What the gate promises beyond the own signature's way through it; see safetyClaims.ts. */
import assert from "node:assert/strict";
import { VirtualDisk } from "../../sim/virtualStore.ts";
import type { Admitted, PartialSignatureSet } from "../../src/domain/data.ts";
import type { PubKey } from "../../src/domain/keys.ts";
import type { SafetyCode } from "./safetyClaims.ts";
import { CHAIN, HELD, OPEN, pubKey, request, root, sign, task, vote } from "./slashing.ts";

export const SENDER_CLAIMS = {
  "GATE-9: of what was admitted only what nothing has stopped since may leave": async (code) => {
    const slashing = await code.openSlashingStore(new VirtualDisk().open(), CHAIN);
    let isFresh = true;
    const [frozen, guarded] = [new Set<PubKey>(), new Set<PubKey>()];
    const gate = code.createSafetyGate({
      ...OPEN,
      slashing,
      lock: { isHeld: () => true, isFresh: () => isFresh },
      freezes: {
        refusalOf: (key) => (frozen.has(key) ? { code: "frozen", detail: "drill" } : null),
      },
      guards: [
        {
          refusalOf: ({ pubKey: key }) =>
            guarded.has(key) ? { code: "waiting", detail: "set back" } : null,
        },
      ],
    });
    const { admitted } = await gate.admit(request([1, 2, 3].map((v) => task(v, vote(1, 2)))));
    assert(admitted !== null);
    const left = (set: Admitted<PartialSignatureSet> | null) =>
      set?.signatures.map(({ validator }) => validator) ?? [];
    assert.equal(gate.stillAdmitted(admitted), admitted, "as it is, where nothing came up");
    frozen.add(pubKey(1));
    assert.deepEqual(left(gate.stillAdmitted(admitted)), [2, 3]);
    guarded.add(pubKey(3));
    assert.deepEqual(left(gate.stillAdmitted(admitted)), [2]);
    isFresh = false;
    assert.equal(gate.stillAdmitted(admitted), null);
    isFresh = true;
    assert.deepEqual(left(gate.stillAdmitted(admitted)), [2]);
    guarded.add(pubKey(2));
    assert.equal(gate.stillAdmitted(admitted), null);
  },

  "GATE-7: no process without the lock submits an aggregate or records one": async (code) => {
    const disk = new VirtualDisk();
    const slashing = await code.openSlashingStore(disk.open(), CHAIN);
    const lock = { ...HELD, isHeld: () => false };
    const gate = code.createSafetyGate({ ...OPEN, slashing, lock });
    const writes = disk.writes;
    const [refusal] = await gate.checkAggregate([task(1, vote(1, 2))]);
    assert.equal(refusal?.code, "lock_lost");
    assert.equal(disk.writes, writes);
  },

  "SLASH-13: an aggregate that is refused binds all the same": async (code) => {
    const disk = new VirtualDisk();
    const slashing = await code.openSlashingStore(disk.open(), CHAIN);
    // Away from the first message, which is the low watermark.
    await sign(slashing, vote(1, 2));
    await sign(slashing, vote(4, 5));
    const gate = code.createSafetyGate({ ...OPEN, slashing });
    // Surrounds our own: the others' signatures made it exist, whatever we think of it.
    const surrounding = task(1, vote(3, 8), root(7));
    const [refusal] = await gate.checkAggregate([surrounding]);
    assert.equal(refusal?.code, "slashable_surrounding");
    for (const opened of [slashing, await code.openSlashingStore(disk.open(), CHAIN)]) {
      const verdict = opened.check(pubKey(1), { slashing: vote(5, 8), signingRoot: root(1) });
      assert.equal(verdict.isApproved, false, "a second vote for its target");
    }
  },

  "PRECURSOR-1: a second message and a slashable one are counted by kind": async (code) => {
    const slashing = await code.openSlashingStore(new VirtualDisk().open(), CHAIN);
    const kinds: string[] = [];
    const precursors = { count: (kind: string) => void kinds.push(kind) };
    const gate = code.createSafetyGate({ ...OPEN, slashing, precursors });
    await gate.admit(request([task(1, vote(1, 2))]));
    await gate.admit(request([task(1, vote(1, 2), root(2))]));
    assert.deepEqual(kinds.splice(0).sort(), ["conflicting_digest", "rate_limit"]);
    await gate.admit(request([task(1, vote(3, 4))]));
    await gate.admit(request([task(1, vote(2, 5), root(2))]));
    assert.deepEqual(kinds, ["conflicting_digest"]);
  },
} satisfies Readonly<Record<string, (code: SafetyCode) => Promise<void>>>;
