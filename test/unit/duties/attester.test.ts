import assert from "node:assert/strict";
import { test } from "node:test";
import type { AttesterDefinition, UnsignedData } from "../../../src/domain/data.ts";
import { FaultError } from "../../../src/domain/errors.ts";
import type { PubKey, Root } from "../../../src/domain/keys.ts";
import type { Epoch } from "../../../src/domain/units.ts";
import { attester } from "../../../src/duties/attester.ts";
import type { JudgeContext, OwnView } from "../../../src/duties/kind.ts";
import { DUTY_KINDS } from "../../../src/duties/table.ts";
import { attestationDataRoot, encodeAttestationData } from "../../../src/eth2/attestationData.ts";
import { attesterDomain, computeSigningRoot } from "../../../src/eth2/signing.ts";
import type { AttestationData, SignedAttestation } from "../../../src/eth2/types.ts";
import type { BeaconNode } from "../../../src/ports/beaconNode.ts";
import { loadMutant } from "../../support/mutant.ts";
import { EPOCH_OF, ladderChain } from "../../support/rawSpec.ts";

const chain = ladderChain();
const root = (byte: string): Root => `0x${byte.repeat(32)}` as Root;
type Context = JudgeContext<AttesterDefinition>;
const SIGNATURE = new Uint8Array(96).fill(9);
const ROUND_1: Context = {
  round: 1,
  ownViewRounds: 1,
  certified: false,
  definitions: [],
  chain,
};
const ROUND_2: Context = { ...ROUND_1, round: 2 };
const CERTIFIED: Context = { ...ROUND_2, certified: true };

/** An honest value for the second slot of `epoch`. */
function honest(epoch: Epoch, changes: Partial<AttestationData> = {}): AttestationData {
  return {
    slot: chain.firstSlot(epoch) + 1,
    index: 0,
    beaconBlockRoot: root("aa"),
    source: { epoch: Math.max(0, epoch - 1), root: root("bb") },
    target: { epoch, root: root("cc") },
    ...changes,
  };
}

function proposed(data: AttestationData, slot = data.slot): UnsignedData {
  return { duty: { slot, type: "attester" }, value: encodeAttestationData(data), root: root("00") };
}

function definition(validator: number, committeeIndex: number): AttesterDefinition {
  return {
    validator,
    pubKey: `0x${String(validator).padStart(96, "0")}` as PubKey,
    validatorIndex: 1000 + validator,
    committeeIndex,
    committeeLength: 8,
    committeesAtSlot: 4,
    validatorCommitteeIndex: validator,
  };
}

function verdict(data: UnsignedData): string {
  const checked = attester.check(data, [], chain);
  return checked.ok ? "ok" : `${checked.error.code}: ${checked.error.detail}`;
}

function view(own: AttestationData | null, headSlot: OwnView["headSlot"]): OwnView {
  return { own: own === null ? null : encodeAttestationData(own), headSlot };
}

function beaconWith(answers: Partial<BeaconNode>): BeaconNode {
  return answers as BeaconNode;
}

test("the table has the attester's row", () => {
  assert.equal(DUTY_KINDS.attester.type, "attester");
});

test("ATT-8: is due at its fork's share of the slot", () => {
  const offset = (epoch: Epoch): number => {
    const slot = chain.firstSlot(epoch);
    return attester.dueAt(chain, slot) - chain.slotStart(slot);
  };
  assert.equal(offset(EPOCH_OF.fulu), 3_999);
  assert.equal(offset(EPOCH_OF.gloas), 3_000);
});

test("ATT-8: expires an epoch and a slot after its slot", () => {
  assert.equal(attester.expiresAt(chain, 100), chain.slotStart(133));
});

for (const [fork, epoch] of Object.entries(EPOCH_OF)) {
  test(`accepts an honest value on ${fork}`, () => {
    assert.equal(verdict(proposed(honest(epoch))), "ok");
  });
}

test("ATT-1: refuses bytes that are no attestation data", () => {
  const { duty, value } = proposed(honest(6));
  for (const bytes of [value.subarray(1), new Uint8Array(), new Uint8Array(128).fill(0xff)]) {
    assert.match(
      verdict({ duty, value: bytes, root: root("00") }),
      /^malformed: expected 128 bytes/,
    );
  }
});

test("ATT-2: refuses another slot than the duty's", () => {
  const data = honest(6);
  assert.match(verdict(proposed(data, data.slot + 1)), /slot 193 is not the duty's slot 194/);
  assert.match(verdict(proposed(data, data.slot - 1)), /is not the duty's slot/);
});

test("ATT-2: refuses a target that is not the slot's epoch", () => {
  for (const target of [5, 7, 2 ** 53 - 1]) {
    const data = honest(6, { source: { epoch: 0, root: root("bb") } });
    const moved = { ...data, target: { epoch: target, root: root("cc") } };
    assert.match(verdict(proposed(moved)), /target epoch \d+ is not the slot's, 6/);
  }
});

test("ATT-2: refuses a source that is not before the target", () => {
  for (const source of [6, 7, 2 ** 53 - 1]) {
    const data = honest(6, { source: { epoch: source, root: root("bb") } });
    assert.match(verdict(proposed(data)), /source epoch \d+ is not before target epoch 6/);
  }
  assert.equal(verdict(proposed(honest(6, { source: { epoch: 0, root: root("bb") } }))), "ok");
});

test("ATT-2: in epoch 0 source and target are both 0", () => {
  assert.equal(verdict(proposed(honest(0))), "ok");
  const data = honest(0, { source: { epoch: 1, root: root("bb") } });
  assert.match(verdict(proposed(data)), /source epoch 1 is not before target epoch 0/);
});

const ALLOWED_INDICES: readonly (readonly [keyof typeof EPOCH_OF, readonly number[]])[] = [
  ["deneb", [0]],
  ["electra", [0]],
  ["fulu", [0]],
  ["gloas", [0, 1]],
];
for (const [fork, allowed] of ALLOWED_INDICES) {
  test(`ATT-3: agrees on index ${allowed.join(" or ")} on ${fork}`, () => {
    const ok = [0, 1, 2, 63].filter(
      (index) => verdict(proposed(honest(EPOCH_OF[fork], { index }))) === "ok",
    );
    assert.deepEqual(ok, allowed);
  });
}

test("ETH-6: refuses every value of a fork that has no row", () => {
  const later = ladderChain({ HEZE_FORK_EPOCH: "8" });
  const check = (epoch: Epoch) => attester.check(proposed(honest(epoch)), [], later);
  assert.equal(check(7).ok, true);
  const refused = check(8);
  assert.match(refused.ok ? "" : String(refused.error.detail), /does not know; update Coterie/);
});

test("names the attested head", () => {
  assert.equal(attester.attestedHead(proposed(honest(6)), chain), root("aa"));
});

const own = honest(6);
const headSlot = own.slot;

test("accepts what our own beacon node would attest", () => {
  assert.deepEqual(attester.judge(proposed(own), view(own, headSlot), ROUND_1), { kind: "accept" });
});

for (const context of [ROUND_1, ROUND_2]) {
  test(`ATT-4: does not accept a source above our justified one, round ${context.round}`, () => {
    const behind = { ...own, source: { epoch: 4, root: root("bb") } };
    const judged = attester.judge(proposed(own), view(behind, headSlot), context);
    assert.equal(judged.kind, "ask-again");
  });
}

test("ATT-4: a PREPARE certificate vouches for a source above ours", () => {
  const behind = { ...own, source: { epoch: 4, root: root("bb") } };
  const judged = attester.judge(proposed(own), view(behind, null), CERTIFIED);
  assert.deepEqual(judged, { kind: "accept" });
});

test("ATT-4: without data of our own, no round above 1 is accepted unless certified", () => {
  const silent = view(null, undefined);
  assert.equal(attester.judge(proposed(own), silent, ROUND_1).kind, "accept");
  assert.equal(attester.judge(proposed(own), silent, ROUND_2).kind, "ask-again");
  assert.equal(attester.judge(proposed(own), silent, CERTIFIED).kind, "accept");
});

test("ATT-5: early rounds compare both checkpoints, later ones only the source epoch", () => {
  const judged = (theirs: Partial<AttestationData>, context: Context): string =>
    attester.judge(proposed({ ...own, ...theirs }), view(own, headSlot), context).kind;
  const otherSource = { source: { epoch: 5, root: root("dd") } };
  const olderSource = { source: { epoch: 4, root: root("bb") } };
  const otherTarget = { target: { epoch: 6, root: root("dd") } };
  assert.equal(judged(otherSource, ROUND_1), "refuse");
  assert.equal(judged(olderSource, ROUND_1), "refuse");
  assert.equal(judged(otherTarget, ROUND_1), "ask-again");
  for (const theirs of [otherSource, olderSource, otherTarget]) {
    assert.equal(judged(theirs, ROUND_2), "accept");
    assert.notEqual(judged(theirs, { ...ROUND_2, ownViewRounds: 2 }), "accept");
  }
});

test("ATT-5: early rounds want a known head that is not later than the slot", () => {
  const judged = (head: OwnView["headSlot"], context = ROUND_1): string =>
    attester.judge(proposed(own), view(own, head), context).kind;
  assert.equal(judged(null), "ask-again");
  assert.equal(judged(headSlot + 1), "refuse");
  assert.equal(judged(headSlot), "accept");
  assert.equal(judged(headSlot - 5), "accept");
  assert.equal(judged(undefined), "accept", "no data is not a disagreement");
  assert.equal(judged(null, ROUND_2), "accept");
});

test("ATT-7: from EIP-7549 on all validators sign the agreed data", () => {
  for (const epoch of [EPOCH_OF.electra, EPOCH_OF.gloas]) {
    const data = honest(epoch, { index: epoch === EPOCH_OF.gloas ? 1 : 0 });
    const tasks = attester.tasks(proposed(data), [definition(0, 2), definition(1, 3)], chain);
    const messageRoot = attestationDataRoot(data);
    const signingRoot = computeSigningRoot(messageRoot, attesterDomain(chain, epoch));
    const slashing = { kind: "attestation", source: epoch - 1, target: epoch };
    assert.deepEqual(
      tasks,
      [definition(0, 2), definition(1, 3)].map(({ validator, pubKey }) => {
        return { validator, pubKey, messageRoot, signingRoot, slashing };
      }),
    );
  }
});

test("ATT-7: before EIP-7549 each validator signs its own committee's index", () => {
  const data = honest(EPOCH_OF.deneb);
  const definitions = [definition(0, 2), definition(1, 3), definition(2, 2)];
  const tasks = attester.tasks(proposed(data), definitions, chain);
  assert.deepEqual(
    tasks.map(({ messageRoot }) => messageRoot),
    definitions.map(({ committeeIndex }) => {
      return attestationDataRoot({ ...data, index: committeeIndex });
    }),
  );
  assert.equal(tasks[0]?.signingRoot, tasks[2]?.signingRoot);
  assert.notEqual(tasks[0]?.signingRoot, tasks[1]?.signingRoot);
});

async function fetched(data: AttestationData, slot = data.slot): Promise<Uint8Array> {
  return attester.fetch({
    duty: { slot, type: "attester" },
    definitions: [],
    chain,
    beacon: beaconWith({ attestationData: async () => data }),
    awaitSignature: async () => assert.fail("an attestation builds on no other signature"),
    signal: new AbortController().signal,
  });
}

test("ATT-3: fetches canonical bytes: one index for all committees", async () => {
  for (const epoch of [EPOCH_OF.deneb, EPOCH_OF.fulu]) {
    const bytes = await fetched(honest(epoch, { index: 3 }));
    assert.deepEqual(bytes, encodeAttestationData(honest(epoch)));
  }
  const gloas = honest(EPOCH_OF.gloas, { index: 1 });
  assert.deepEqual(await fetched(gloas), encodeAttestationData(gloas), "1 is a statement there");
});

test("ATT-6: does not propose what every peer would refuse", async () => {
  const lies = [
    honest(6, { target: { epoch: 7, root: root("cc") } }),
    honest(6, { source: { epoch: 6, root: root("bb") } }),
    honest(EPOCH_OF.gloas, { index: 2 }),
  ];
  for (const lie of lies) {
    await assert.rejects(
      fetched(lie),
      (error) => error instanceof FaultError && error.code === "beacon_bad_response",
    );
  }
  await assert.rejects(fetched(honest(6), honest(6).slot + 1), FaultError);
});

/** Hands over one signature for each of `validators`; the beacon node refuses the one at `late`. */
async function submitted({
  data,
  validators,
  definitions,
  late,
}: {
  readonly data: AttestationData;
  readonly validators: readonly number[];
  readonly definitions: readonly AttesterDefinition[];
  readonly late: number;
}) {
  const attestations: SignedAttestation[] = [];
  const failures = await attester.submit({
    data: proposed(data),
    signatures: validators.map((validator) => ({
      validator,
      messageRoot: root("ee"),
      signature: SIGNATURE,
    })),
    definitions,
    chain,
    beacon: beaconWith({
      submitAttestations: async (handedOver) => {
        attestations.push(...handedOver);
        return [{ index: late, message: "late" }];
      },
    }),
    signal: new AbortController().signal,
  });
  return { attestations, failures };
}

test("ATT-7: submits what was signed, with each validator's seat", async () => {
  const data = honest(EPOCH_OF.deneb);
  const definitions = [definition(0, 2), definition(1, 3)];
  const { attestations, failures } = await submitted({
    data,
    validators: [1],
    definitions,
    late: 0,
  });
  assert.deepEqual(failures, [{ index: 0, message: "late" }]);
  const { pubKey: _, validator: __, committeesAtSlot: ___, ...seat } = definition(1, 3);
  const expected = { ...seat, fork: "deneb", data: { ...data, index: 3 }, signature: SIGNATURE };
  assert.deepEqual(attestations, [expected]);
});

test("ATT-9: a validator that lost its seat since it signed holds up nobody", async () => {
  const { attestations, failures } = await submitted({
    data: honest(EPOCH_OF.deneb),
    validators: [0, 1, 2],
    definitions: [definition(0, 2), definition(2, 3)],
    late: 1,
  });
  assert.deepEqual(
    attestations.map(({ validatorIndex }) => validatorIndex),
    [1000, 1002],
  );
  assert.deepEqual(failures, [
    { index: 1, message: "validator 1 has lost its seat in the slot" },
    { index: 2, message: "late" },
  ]);
});

/** Each guard with the text it stands on and a value that only it refuses. */
const MUTANTS: readonly {
  readonly guard: string;
  readonly find: string;
  readonly replace: string;
  /** True when the module refuses the danger. */
  readonly isRefused: (module: typeof attester) => boolean;
}[] = [
  {
    guard: "ATT-2 slot",
    find: "slot !== duty.slot",
    replace: "false",
    isRefused: (row) => !row.check(proposed(honest(6), honest(6).slot + 1), [], chain).ok,
  },
  {
    guard: "ATT-2 target epoch",
    find: "target.epoch !== epoch",
    replace: "false",
    isRefused: (row) => {
      const far = honest(6, { target: { epoch: 9, root: root("cc") } });
      return !row.check(proposed(far), [], chain).ok;
    },
  },
  {
    guard: "ATT-2 source before target",
    find: "source.epoch >= target.epoch && !isGenesis",
    replace: "false",
    isRefused: (row) => {
      const same = honest(6, { source: { epoch: 6, root: root("bb") } });
      return !row.check(proposed(same), [], chain).ok;
    },
  },
  {
    guard: "ATT-3 index",
    find: "agreed.includes(index)",
    replace: "true",
    isRefused: (row) => !row.check(proposed(honest(6, { index: 1 })), [], chain).ok,
  },
  {
    guard: "ATT-4 source epoch",
    find: "data.source.epoch <= own.source.epoch",
    replace: "true",
    isRefused: (row) => {
      const behind = { ...own, source: { epoch: 4, root: root("bb") } };
      return row.judge(proposed(own), view(behind, headSlot), ROUND_2).kind !== "accept";
    },
  },
  {
    guard: "ATT-4 silent beacon node",
    find: "round === 1 ? ACCEPT",
    replace: "round > 0 ? ACCEPT",
    isRefused: (row) => row.judge(proposed(own), view(null, undefined), ROUND_2).kind !== "accept",
  },
];
for (const { guard, find, replace, isRefused } of MUTANTS) {
  test(`mutant: without the guard ${guard} the danger passes`, async () => {
    assert.equal(isRefused(attester), true);
    const mutant = await loadMutant<typeof import("../../../src/duties/attester.ts")>(
      "src/duties/attester.ts",
      [{ find, replace }],
    );
    assert.equal(isRefused(mutant.attester), false);
  });
}
