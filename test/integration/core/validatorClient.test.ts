// A validator client's signatures on their way through real nodes, in virtual time (VC-1 to VC-6).
import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";
import { createBuiltinSigner } from "../../../src/crypto/builtinSigner.ts";
import { Cancelled } from "../../../src/domain/errors.ts";
import type { LockIndex, PeerIndex, Root } from "../../../src/domain/keys.ts";
import type { SubmittedBlock } from "../../../src/eth2/blocks.ts";
import {
  computeSigningRoot,
  epochRoot,
  proposerDomain,
  randaoDomain,
} from "../../../src/eth2/signing.ts";
import type { AttestationData, SubmittedAttestation } from "../../../src/eth2/types.ts";

import type { ValidatorApi } from "../../../src/ports/validatorApi.ts";
import { openFreezes } from "../../../src/safety/freezes.ts";
import { verifySubmitted } from "../../support/attestations.ts";
import { verifyPublished } from "../../support/blockSignatures.ts";
import { attestationBy, signRoot } from "../../support/clientKeys.ts";
import { type ClusterKeys, createClusterKeys } from "../../support/clusterKeys.ts";
import { FakeBeacon, FIRST_INDEX } from "../../support/fakeBeacon.ts";
import { loadMutant, type Patch } from "../../support/mutant.ts";
import { NodeCluster } from "../../support/nodeCluster.ts";

let cluster: NodeCluster;
let keys: ClusterKeys;
afterEach(() => cluster.stop());

/** Validators 0, 8, 16, … attest in slot 9, the second of epoch 1. */
const SLOT = FakeBeacon.slotOf(1, 0);
const never = new AbortController().signal;
const NOWHERE = `0x${"ee".repeat(32)}` as Root;

type CreateNode = typeof import("../../../src/node/node.ts");
type Options = {
  readonly validators?: number;
  /** Nodes that hold their shares themselves. */
  readonly builtin?: readonly PeerIndex[];
  readonly patches?: readonly Patch[];
  /** Whether validator 0 proposes in the slot too. */
  readonly isProposer?: boolean;
};

async function start({
  validators = 1,
  builtin = [],
  patches = [],
  isProposer = false,
}: Options = {}): Promise<void> {
  const mutant =
    patches.length > 0 ? await loadMutant<CreateNode>("src/node/node.ts", patches) : null;
  keys = createClusterKeys({ nodes: 4, threshold: 3, validators });
  cluster = new NodeCluster({
    validators,
    adapt: (ports, self) =>
      builtin.includes(self) ? ports : { ...ports, signer: createBuiltinSigner([]) },
    ...(mutant !== null && { createNode: mutant.createNode }),
  });
  if (isProposer) cluster.proposeIn(SLOT);
  await cluster.start();
  for (let slot = 0; slot < SLOT; slot++) await cluster.runSlot(slot);
}

/** To the moment when the slot's value is decided and nobody has signed it. */
async function decide(): Promise<void> {
  await cluster.clock.runUntil(cluster.chain.slotStart(SLOT) + 500);
  for (const { beacon } of cluster.members) beacon.emitHead(SLOT);
  await cluster.clock.runUntil(cluster.chain.slotStart(SLOT) + 6_000);
}

function apiOf(self: PeerIndex): ValidatorApi {
  const { node } = cluster.member(self);
  assert.ok(node !== null);
  return node.validatorApi;
}

async function decidedData(self: PeerIndex): Promise<AttestationData> {
  const answer = await apiOf(self).attestationData(SLOT, 0, never);
  assert.ok(answer.ok, JSON.stringify(answer));
  return answer.value;
}

/** Signed with operator `owner`'s share of the validator. */
function byShare(
  owner: PeerIndex,
  data: AttestationData,
  validator: LockIndex = 0,
): SubmittedAttestation {
  const share = keys.shares(owner)[validator];
  assert.ok(share !== undefined);
  return attestationBy(share.secret, data, FIRST_INDEX + validator);
}

async function submit(
  self: PeerIndex,
  ...attestations: readonly SubmittedAttestation[]
): Promise<readonly (string | null)[]> {
  const verdicts = await apiOf(self).submitAttestations(attestations, never);
  return verdicts.map((denial) => denial?.code ?? null);
}

function submitted(): readonly number[] {
  const all = cluster.members.flatMap(({ beacon }) => beacon.submitted);
  assert.ok(all.every((attestation) => verifySubmitted(attestation, cluster.cluster)));
  return [...new Set(all.map(({ validatorIndex }) => validatorIndex - FIRST_INDEX))];
}

function deviating(data: AttestationData): AttestationData {
  return { ...data, beaconBlockRoot: NOWHERE };
}

describe("what a validator client signs", () => {
  test("VC-1: three clients' signatures over the decided data become the validator's", async () => {
    await start();
    await decide();
    assert.deepEqual(submitted(), []);
    for (const self of [0, 1, 2]) {
      assert.deepEqual(await submit(self, byShare(self, await decidedData(self))), [null]);
    }
    await cluster.clock.runUntil(cluster.chain.slotStart(SLOT + 1));
    assert.deepEqual(submitted(), [0]);
  });

  test("VC-2: a request waits for the decision, and hears why there is none", async () => {
    await start();
    await cluster.clock.runUntil(cluster.chain.slotStart(SLOT));
    for (const { beacon } of cluster.members) beacon.faults.isOffline = true;
    const early = apiOf(0).attestationData(SLOT, 0, never);
    // Due after 4 s, and a quarter of the slot is when the most impatient client hangs up.
    await cluster.clock.runUntil(cluster.chain.slotStart(SLOT) + 6_999);
    const answer = await early;
    assert.ok(!answer.ok);
    assert.equal(answer.error.code, "undecided");
    assert.match(answer.error.detail, /^9\/attester: /);
    for (const { beacon } of cluster.members) beacon.faults.isOffline = false;
    const waiting = apiOf(0).attestationData(SLOT, 0, never);
    await cluster.clock.runUntil(cluster.chain.slotStart(SLOT) + 9_000);
    assert.ok((await waiting).ok, "decided while it waited");
  });

  const askAtTheHead = async (patches: readonly Patch[] = []): Promise<readonly string[]> => {
    await start({ patches });
    // Node 3 leads the first round of slot 9: (9 + 1 + 1) mod 4.
    cluster.crash(3);
    await cluster.clock.runUntil(cluster.chain.slotStart(SLOT) + 1_200);
    for (const { beacon } of cluster.members) beacon.emitHead(SLOT);
    const asked = [0, 1, 2].map((self) => apiOf(self).attestationData(SLOT, 0, never));
    await cluster.clock.runUntil(cluster.chain.slotStart(SLOT) + 7_000);
    return (await Promise.all(asked)).map((answer) => (answer.ok ? "data" : answer.error.code));
  };

  test("VC-2: who asks at an early head is served by the second round", async () => {
    assert.deepEqual(await askAtTheHead(), ["data", "data", "data"]);
  });

  test("VC-2: without the wait from the due time nobody would be", async () => {
    const find = "const from = Math.max(clock.now(), kindOf(duty).dueAt(chain, duty.slot));";
    const replace = "const from = clock.now(); void kindOf;";
    const file = "src/core/validatorApi.ts";
    const answers = await askAtTheHead([{ file, find, replace }]);
    assert.deepEqual(answers, ["undecided", "undecided", "undecided"]);
  });

  test("VC-2: a client that hangs up leaves nothing waiting", async () => {
    await start();
    await cluster.clock.runUntil(cluster.chain.slotStart(SLOT) + 10);
    const askAndLeave = async (): Promise<number> => {
      const gone = new AbortController();
      const answer = apiOf(0).attestationData(SLOT, 0, gone.signal);
      gone.abort(new Cancelled("the client hung up"));
      assert.equal((await answer).ok, false);
      return cluster.clock.pending;
    };
    // The first request arms the duty's deadline, which stays.
    const timers = await askAndLeave();
    assert.equal(await askAndLeave(), timers);
  });

  test("VC-3: what was not decided is refused, a retry of what was is not", async () => {
    await start();
    await decide();
    const data = await decidedData(0);
    assert.deepEqual(await submit(0, byShare(0, deviating(data))), ["not_decided"]);
    assert.deepEqual(await submit(0, byShare(0, data)), [null]);
    assert.deepEqual(await submit(0, byShare(0, data)), [null], "the answer was lost on its way");
    assert.deepEqual(await submit(0, byShare(0, deviating(data))), ["not_decided"]);
    const [denial] = await apiOf(0).submitAttestations([byShare(0, deviating(data))], never);
    assert.match(denial?.detail ?? "", /was decided as 0x\w{64}, this is 0x\w{64}/);
  });

  /** The client has its data; then the node restarts, and the client hands its signature in. */
  const handInAfterRestart = async (patches: readonly Patch[] = []) => {
    await start({ patches });
    await decide();
    const data = await decidedData(0);
    cluster.crash(0);
    await cluster.start([0]);
    // Its peers answer a session only once the one before it is over.
    await cluster.clock.runUntil(cluster.clock.now() + 5_000);
    const items = [byShare(0, deviating(data)), byShare(0, data)];
    const verdicts = submit(0, ...items);
    await cluster.clock.runUntil(cluster.clock.now() + 3_000);
    return verdicts;
  };

  test("VC-3: a node that restarted meanwhile learns what was decided, and takes it", async () => {
    assert.deepEqual(await handInAfterRestart(), ["not_decided", null]);
    for (const self of [1, 2]) await submit(self, byShare(self, await decidedData(self)));
    await cluster.clock.runUntil(cluster.clock.now() + 1_000);
    assert.deepEqual(submitted(), [0], "by the restarted node's share: one of four stayed away");
  });

  test("VC-3: without asking its peers it would refuse both, and lose the slot", async () => {
    const find = "this.#decisions.want(duty);";
    const answers = await handInAfterRestart([
      { file: "src/core/consensus.ts", find, replace: "void duty;" },
    ]);
    assert.deepEqual(answers, ["undecided", "undecided"]);
  });

  test("VC-4: one bad item costs none of the other ninety-nine anything", async () => {
    await start({ validators: 800 });
    await decide();
    const attesting = Array.from({ length: 100 }, (_, i) => 8 * i);
    const bad = 70;
    for (const self of [0, 1, 2]) {
      const data = await decidedData(self);
      const items = attesting.map((validator) => byShare(self, data, validator));
      const spoiled = self === 0 ? items.with(bad, { ...byShare(3, data, 8 * bad) }) : items;
      const verdicts = await submit(self, ...spoiled);
      const expected = attesting.map((_, i) => (self === 0 && i === bad ? "foreign_share" : null));
      assert.deepEqual(verdicts, expected);
    }
    await cluster.clock.runUntil(cluster.chain.slotStart(SLOT + 1));
    const expected = attesting.filter((_, i) => i !== bad);
    assert.deepEqual(
      [...submitted()].sort((a, b) => a - b),
      expected,
    );
  });

  test("VC-4: another operator's share is refused with its owner, nobody's as such", async () => {
    await start();
    await decide();
    const data = await decidedData(0);
    const [denial] = await apiOf(0).submitAttestations([byShare(2, data)], never);
    assert.equal(denial?.code, "foreign_share");
    assert.match(denial?.detail ?? "", /operator 2's key share of validator 0/);
    const stranger = attestationBy(new Uint8Array(32).fill(7), data, FIRST_INDEX);
    assert.deepEqual(await submit(0, stranger), ["bad_signature"]);
    assert.deepEqual(await submit(0, { ...stranger, signature: new Uint8Array(96) }), [
      "bad_signature",
    ]);
    const unknown = attestationBy(new Uint8Array(32).fill(7), data, FIRST_INDEX + 50);
    assert.deepEqual(await submit(0, unknown), ["unknown_validator"]);
  });

  test("VC-4: of two signatures of a validator the good one counts", async () => {
    await start();
    await decide();
    const data = await decidedData(0);
    const [foreign, own] = [byShare(1, data), byShare(0, data)];
    assert.deepEqual(await submit(0, foreign, own), ["foreign_share", null]);
    assert.deepEqual(await submit(0, own, own, own), [null, null, "duplicate"]);
  });

  test("a duty that is over, or too far ahead, is refused by name", async () => {
    await start();
    await decide();
    const data = await decidedData(0);
    const far = { ...data, slot: SLOT + 400 };
    const old = { ...data, slot: 0 };
    assert.deepEqual(await submit(0, byShare(0, far), byShare(0, old)), ["too_early", "too_late"]);
  });
});

describe("VC-6: one signer per share", () => {
  const builtin = [0, 1, 2, 3];

  test("a share that the node signs with is not signed by a client too", async () => {
    await start({ builtin });
    await decide();
    const data = await decidedData(0);
    const [denial] = await apiOf(0).submitAttestations([byShare(0, data)], never);
    assert.equal(denial?.code, "node_signs");
    assert.match(denial?.detail ?? "", /--signer vc/);
  });

  test("without the guard both would sign", async () => {
    const find = "if (signer.validators.has(validator)) each.verdict = NODE_SIGNS;\n      else if";
    await start({
      builtin,
      patches: [{ file: "src/core/submissions.ts", find, replace: "if" }],
    });
    await decide();
    assert.deepEqual(await submit(0, byShare(0, await decidedData(0))), [null]);
  });
});

describe("VC-5: a validator's whole key", () => {
  const byWholeKey = (data: AttestationData): SubmittedAttestation =>
    attestationBy(keys.wholeKey(0), data, FIRST_INDEX);

  test("over what was not decided it freezes the validator, also after a restart", async () => {
    await start();
    await decide();
    const data = await decidedData(0);
    assert.deepEqual(await submit(0, byWholeKey(deviating(data))), ["whole_key"]);
    assert.deepEqual(await submit(0, byShare(0, data)), ["frozen"]);
    assert.equal(cluster.member(0).metrics.total("whole_key_signatures_total"), 1);
    assert.ok(
      cluster
        .member(0)
        .log.some(({ level, message }) => level === "error" && /whole key/.test(message)),
    );
    const { store } = cluster.member(0);
    const pubKey = cluster.cluster.validators[0]?.pubKey;
    assert.ok(pubKey !== undefined);
    assert.equal((await openFreezes(store)).refusalOf(pubKey, "attest")?.code, "frozen");
    // The cluster goes on without this operator's share.
    for (const self of [1, 2, 3]) await submit(self, byShare(self, data));
    await cluster.clock.runUntil(cluster.chain.slotStart(SLOT + 1));
    assert.deepEqual(submitted(), [0]);
  });

  test("over what was decided it is public, so it is refused and freezes nobody", async () => {
    await start();
    await decide();
    const data = await decidedData(0);
    assert.deepEqual(await submit(0, byWholeKey(data)), ["whole_key"]);
    assert.deepEqual(await submit(0, byShare(0, data)), [null]);
  });

  test("without the distinction a replay would freeze the validator", async () => {
    await start({
      patches: [
        { file: "src/core/submissions.ts", find: "if (!isExplained) {", replace: "if (true) {" },
      ],
    });
    await decide();
    const data = await decidedData(0);
    await submit(0, byWholeKey(data));
    assert.deepEqual(await submit(0, byShare(0, data)), ["frozen"]);
  });
});

describe("VC-7: a block proposal", () => {
  const revealOf = (self: PeerIndex): Uint8Array => {
    const epoch = cluster.chain.epochOf(SLOT);
    const root = computeSigningRoot(epochRoot(epoch), randaoDomain(cluster.chain, epoch));
    return signRoot(keys.shares(self)[0]?.secret ?? new Uint8Array(), root);
  };

  test("the decided block is answered once t clients have signed its randao reveal", async () => {
    await start({ isProposer: true });
    await cluster.clock.runUntil(cluster.chain.slotStart(SLOT));
    const asked = [0, 1, 2].map((self) => apiOf(self).proposal(SLOT, revealOf(self), never));
    await cluster.clock.runUntil(cluster.chain.slotStart(SLOT) + 2_700);
    const proposals = await Promise.all(asked);
    const roots = proposals.map((proposal) => (proposal.ok ? proposal.value.root : proposal.error));
    assert.equal(new Set(roots).size, 1, JSON.stringify(roots));
    assert.match(String(roots[0]), /^0x/);
  });

  test("a client signs the decided block again, and no other one for its slot", async () => {
    await start({ isProposer: true });
    await cluster.clock.runUntil(cluster.chain.slotStart(SLOT));
    const asked = [0, 1, 2].map((self) => apiOf(self).proposal(SLOT, revealOf(self), never));
    await cluster.clock.runUntil(cluster.chain.slotStart(SLOT) + 2_700);
    const proposals = await Promise.all(asked);
    const signed = (self: PeerIndex, root?: Root): SubmittedBlock => {
      const proposal = proposals[self];
      assert.ok(proposal?.ok);
      const { slot, proposerIndex, root: decided } = proposal.value;
      const messageRoot = root ?? decided;
      const domain = proposerDomain(cluster.chain, cluster.chain.epochOf(SLOT));
      const secret = keys.shares(self)[0]?.secret ?? new Uint8Array();
      const signature = signRoot(secret, computeSigningRoot(messageRoot, domain));
      return { slot, proposerIndex, root: messageRoot, signature };
    };
    const submitBlock = async (self: PeerIndex, root?: Root): Promise<string | null> =>
      (await apiOf(self).submitBlock(signed(self, root), never))?.code ?? null;
    assert.equal(await submitBlock(0, NOWHERE), "not_decided");
    assert.equal(await submitBlock(0), null);
    assert.equal(await submitBlock(0), null, "the answer was lost on its way");
    assert.equal(await submitBlock(0, NOWHERE), "not_decided");
    assert.equal(await submitBlock(1), null);
    assert.equal(await submitBlock(2), null);
    await cluster.clock.runUntil(cluster.chain.slotStart(SLOT + 1));
    const published = cluster.members.flatMap(({ beacon }) => beacon.published);
    assert.ok(published.length > 0);
    assert.ok(published.every((block) => verifyPublished(block, SLOT, cluster)));
    assert.deepEqual([...new Set(published.map(({ root }) => root))], [signed(0).root]);
  });
});
