/** The danger is present in every run: an operator lies, a history conflicts, a node restarts. */
import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import {
  messageIn,
  partialsIn,
  proposeValueTo,
  type Rewrite,
  rewritePartials,
  type Speaker,
  signedProposal,
  withhold,
} from "../../../sim/byzantine/frames.ts";
import type { PeerIndex, Root } from "../../../src/domain/keys.ts";
import { encodeAttestationData } from "../../../src/eth2/attestationData.ts";
import { nativeProfile } from "../../../src/wire/nativeProfile.ts";
import { computeSigningRootOf, verifySubmitted } from "../../support/attestations.ts";
import { blockRoot, FakeBeacon } from "../../support/fakeBeacon.ts";
import { loadMutant, type Patch } from "../../support/mutant.ts";
import { NodeCluster } from "../../support/nodeCluster.ts";

const { Point: G2 } = bls12_381.G2;

let cluster: NodeCluster;
afterEach(() => cluster.stop());

/** Validator 0 attests in slot 9, the second of epoch 1. */
const SLOT = FakeBeacon.slotOf(1, 0);
const DUTY = { slot: SLOT, type: "attester" } as const;
const LEADER: PeerIndex = nativeProfile.leaderOf(DUTY, 1, 4);
const HONEST = [0, 1, 2, 3].filter((node) => node !== LEADER);

type CreateNode = typeof import("../../../src/node/node.ts");

async function start(patches: readonly Patch[] = []): Promise<void> {
  const mutant =
    patches.length > 0 ? await loadMutant<CreateNode>("src/node/node.ts", patches) : null;
  cluster = new NodeCluster(mutant === null ? {} : { createNode: mutant.createNode });
}

async function runTo(slot: number): Promise<void> {
  for (let next = 0; next <= slot; next++) await cluster.runSlot(next);
}

function adversary(node: PeerIndex): Speaker {
  const { lockHash } = cluster.cluster;
  const { genesisValidatorsRoot } = cluster.chain;
  const { identity } = cluster.member(node).ports;
  return { identity, scope: { lockHash, genesisValidatorsRoot } };
}

function submitted(nodes: readonly PeerIndex[] = HONEST): readonly Root[] {
  return nodes.flatMap((node) =>
    cluster
      .member(node)
      .beacon.submitted.filter(({ data }) => data.slot === SLOT)
      .map(computeSigningRootOf),
  );
}

/** Every honest node completed the duty, with one and the same attestation. */
function assertAgreed(): void {
  assert.equal(submitted().length, HONEST.length);
  assert.equal(new Set(submitted()).size, 1);
}

describe("a lying leader", () => {
  test("that tells each peer another head gets none of them signed twice", async () => {
    await start();
    await cluster.start();
    const own = await cluster.member(LEADER).beacon.attestationData(SLOT);
    const other = encodeAttestationData({ ...own, beaconBlockRoot: blockRoot(SLOT - 1) });
    cluster.hub.tap(
      LEADER,
      proposeValueTo(adversary(LEADER), (_value, hop) => (hop.to === HONEST[0] ? other : null)),
    );
    await runTo(SLOT + 1);
    assertAgreed();
  });

  test("that withholds its value is passed over", async () => {
    await start();
    await cluster.start();
    cluster.hub.tap(
      LEADER,
      withhold(({ message }) => message.type === "PRE-PREPARE"),
    );
    await runTo(SLOT + 1);
    assertAgreed();
  });

  test("VALUE-3: whose value reaches one peer only gets it agreed: the others pull", async () => {
    await start();
    await cluster.start();
    cluster.hub.tap(
      LEADER,
      withhold(({ message }, hop) => message.type === "PRE-PREPARE" && hop.to !== HONEST[0]),
    );
    await runTo(SLOT + 1);
    assertAgreed();
  });

  test("VALUE-3: a pull whose answer is lost is repeated", async () => {
    await start();
    await cluster.start();
    const [holder = 0] = HONEST;
    cluster.hub.tap(
      LEADER,
      withhold(({ message }, hop) => message.type === "PRE-PREPARE" && hop.to !== holder),
    );
    const lost = new Set<PeerIndex>();
    cluster.hub.lose((hop) => {
      const isAnswer = hop.from === holder && messageIn(hop)?.message.type === "PRE-PREPARE";
      if (!isAnswer || lost.has(hop.to)) return false;
      lost.add(hop.to);
      return true;
    });
    await runTo(SLOT + 1);
    assert.ok(lost.size > 0, "an answer was lost");
    assertAgreed();
  });

  test("whose justification a third node spoils is not the one who pays", async () => {
    await start();
    await cluster.start();
    const second = nativeProfile.leaderOf(DUTY, 2, 4);
    const [relay = 0, victim = 0] = HONEST.filter((node) => node !== second);
    cluster.hub.tap(
      LEADER,
      withhold(({ message }) => message.type === "PRE-PREPARE"),
    );
    cluster.hub.tap(second, (hop) => {
      const frame = messageIn(hop);
      if (frame?.message.type === "PRE-PREPARE" && hop.to === victim) {
        const message = { ...frame.message, justification: [] };
        const bytes = nativeProfile.encodeConsensus({ ...frame, message });
        cluster.hub.carry({ ...hop, from: relay, bytes });
      }
      return [hop.bytes];
    });
    await runTo(SLOT + 1);
    assertAgreed();
    assert.deepEqual(
      cluster.hub.network(victim).penalties.filter(({ code }) => code === "unjustified"),
      [{ peer: relay, code: "unjustified" }],
    );
  });

  test("that votes for another source root than all have is refused", async () => {
    await start();
    await cluster.start();
    const own = await cluster.member(LEADER).beacon.attestationData(SLOT);
    // Epoch 1 with a source of epoch 0 is what all have justified: the lie must be about its root.
    const source = { epoch: own.source.epoch, root: blockRoot(999) };
    cluster.hub.tap(
      LEADER,
      proposeValueTo(adversary(LEADER), () => encodeAttestationData({ ...own, source })),
    );
    await runTo(SLOT + 1);
    assertAgreed();
    const agreed = cluster
      .member(HONEST[0] ?? 0)
      .beacon.submitted.find((a) => a.data.slot === SLOT);
    assert.notEqual(agreed?.data.source.root, blockRoot(999));
  });
});

/** Flips one bit in every partial signature that `node` sends. */
function garbled(node: PeerIndex): Rewrite {
  return signing(node, (own) => {
    const signature = Uint8Array.from(own);
    signature[95] = (signature[95] ?? 0) ^ 1;
    return signature;
  });
}

/** Sends what `change` makes of each partial signature of `node`. */
function signing(node: PeerIndex, change: (own: Uint8Array) => Uint8Array): Rewrite {
  return rewritePartials(node, (set) => {
    const signatures = set.signatures.map((partial) => {
      return { ...partial, signature: change(partial.signature) };
    });
    return [{ ...set, signatures }];
  });
}

/** Says that the share of `node` signed another root, besides the true one. */
function contradicting(node: PeerIndex): Rewrite {
  const messageRoot = `0x${"99".repeat(32)}` as Root;
  return rewritePartials(node, (set) => [
    set,
    { ...set, signatures: set.signatures.map((partial) => ({ ...partial, messageRoot })) },
  ]);
}

/** What operators 0 and 1 sign for the duty: keys are the same in every cluster. */
async function rehearse(): Promise<readonly Uint8Array[]> {
  await start();
  await cluster.start();
  const heard: Uint8Array[] = [];
  for (const node of [0, 1]) {
    cluster.hub.tap(node, (sent) => {
      const set = partialsIn(sent, node);
      const [partial] = set?.duty.slot === SLOT ? set.signatures : [];
      if (partial !== undefined) heard[node] = partial.signature;
      return [sent.bytes];
    });
  }
  await runTo(SLOT + 1);
  cluster.stop();
  return heard;
}

/**
 * Operator 3 speaks last and takes the weighted sum of shares 1, 2 and 4 to infinity, while
 * operator 2 keeps its own share back. Returns who of the others does the next duty.
 */
async function nodesPastInfinity(): Promise<readonly PeerIndex[]> {
  const [first, second] = (await rehearse()).map((signature) => G2.fromBytes(signature));
  assert(first !== undefined && second !== undefined);
  // Their weights at zero are 8, -6 and 1, over 3.
  const signature = second.multiply(6n).subtract(first.multiply(8n)).toBytes();
  await start();
  await cluster.start();
  // Who lied before would be looked at before anything is added up.
  await runTo(SLOT - 1);
  cluster.hub.tap(
    2,
    rewritePartials(2, () => []),
  );
  cluster.hub.tap(
    3,
    signing(3, () => signature),
  );
  const next = FakeBeacon.slotOf(2, 0);
  for (let slot = SLOT; slot <= next + 1; slot++) {
    if (slot === SLOT + 2) cluster.hub.tap(2, ({ bytes }) => [bytes]);
    await cluster.runSlot(slot);
  }
  return [0, 1, 2].filter((node) =>
    cluster.member(node).beacon.submitted.some(({ data }) => data.slot === next),
  );
}

describe("a lying signer (FLOW-5, FLOW-6)", () => {
  test("costs nothing with garbage signatures, and is caught", async () => {
    await start();
    await cluster.start();
    cluster.hub.tap(LEADER, garbled(LEADER));
    await runTo(SLOT + 1);
    assertAgreed();
    for (const node of HONEST) {
      const { beacon } = cluster.member(node);
      assert.ok(beacon.submitted.every((a) => verifySubmitted(a, cluster.cluster)));
    }
    const accusations = HONEST.flatMap((node) => cluster.hub.network(node).penalties);
    assert.ok(accusations.every(({ peer }) => peer === LEADER));
  });

  test("whose share takes the sum to infinity stops nobody (BLS-5)", async () => {
    assert.deepEqual(await nodesPastInfinity(), [0, 1, 2]);
  });

  test("with two liars of four nothing is signed, and nothing false either", async () => {
    await start();
    await cluster.start();
    cluster.hub.tap(0, garbled(0));
    cluster.hub.tap(1, garbled(1));
    await runTo(SLOT + 1);
    for (const { beacon } of cluster.members) {
      assert.ok(beacon.submitted.every((a) => verifySubmitted(a, cluster.cluster)));
    }
  });

  test("that signs a second root is rejected and kept as evidence", async () => {
    await start();
    await cluster.start();
    cluster.hub.tap(LEADER, contradicting(LEADER));
    await runTo(SLOT + 1);
    assertAgreed();
    const [node = 0] = HONEST;
    const { metrics, store } = cluster.member(node);
    assert.ok(metrics.total("rejections_total", { code: "conflicting_root" }) > 0);
    const kept: string[] = [];
    for await (const [key] of store.entries({ gte: "evidence/", lt: "evidence0" })) kept.push(key);
    assert.ok(kept.includes(`evidence/${SLOT}/attester/${LEADER}/partial/0`));
  });
});

describe("a conflicting history", () => {
  // The history begins in epoch 0, so that no watermark refuses what the double-vote rule is for.
  const first = { validator: 0, source: 0, target: 0, signingRoot: `0x${"e0".repeat(32)}` as Root };
  const conflict = {
    validator: 0,
    source: 0,
    target: 1,
    signingRoot: `0x${"ee".repeat(32)}` as Root,
  };

  test("VALUE-2: on all nodes the value is refused and nothing is signed", async () => {
    await start();
    for (const node of [0, 1, 2, 3]) await cluster.withHistory(node, [first, conflict]);
    await cluster.start();
    await runTo(SLOT + 1);
    assert.deepEqual(submitted([0, 1, 2, 3]), []);
  });

  test("on one node: that node signs nothing, the other three do", async () => {
    await start();
    await cluster.withHistory(2, [first, conflict]);
    await cluster.start();
    const partialsFrom = new Set<PeerIndex>();
    for (const node of cluster.members.keys()) {
      cluster.hub.tap(node, (hop) => {
        if (hop.channel === "partials") partialsFrom.add(hop.from);
        return [hop.bytes];
      });
    }
    await runTo(SLOT + 1);
    assert.deepEqual([...partialsFrom].sort(), [0, 1, 3]);
    assert.equal(new Set(submitted([0, 1, 3])).size, 1);
  });

  test("is signed over without the double-vote rule: the guard is what stops it", async () => {
    await start([
      {
        file: "src/safety/rules.ts",
        find: 'if (record.target === message.target) return "slashable_double_vote";',
        replace: "",
      },
    ]);
    for (const node of [0, 1, 2, 3]) await cluster.withHistory(node, [first, conflict]);
    await cluster.start();
    await runTo(SLOT + 1);
    assert.ok(submitted([0, 1, 2, 3]).length > 0, "the mutant signs a slashable attestation");
  });
});

describe("a node that restarts within a slot it voted in", () => {
  /** What the restarted node says in consensus about the slot, in its second life. */
  async function votesAfterRestart(patches: readonly Patch[]): Promise<readonly string[]> {
    await start(patches);
    await cluster.start();
    await runTo(SLOT - 1);
    let isSecondLife = false;
    const said: string[] = [];
    cluster.hub.tap(LEADER, (hop) => {
      const frame = messageIn(hop);
      if (isSecondLife && frame?.duty.slot === SLOT) said.push(frame.message.type);
      return [hop.bytes];
    });
    // Only the leader and one peer are up: a proposal is voted for, but nothing can be decided.
    for (const node of HONEST.slice(1)) cluster.crash(node);
    await cluster.runSlot(SLOT - 1);
    await cluster.clock.runUntil(cluster.chain.slotStart(SLOT) + 500);
    for (const { beacon } of cluster.members) beacon.emitHead(SLOT);
    await cluster.clock.runUntil(cluster.chain.slotStart(SLOT) + 600);
    cluster.crash(LEADER);
    isSecondLife = true;
    // In its second life the beacon node has another head: an honest restart would equivocate.
    cluster.member(LEADER).beacon.faults.head = blockRoot(SLOT - 1);
    await cluster.start([LEADER]);
    await cluster.clock.runUntil(cluster.chain.slotStart(SLOT) + 700);
    cluster.member(LEADER).beacon.emitHead(SLOT);
    await cluster.clock.runUntil(cluster.chain.slotStart(SLOT + 1) - 1);
    return said;
  }

  test("says nothing more about that slot", async () => {
    assert.deepEqual(await votesAfterRestart([]), []);
  });

  test("would vote again without the quarantine", async () => {
    const said = await votesAfterRestart([
      {
        file: "src/core/voteGuard.ts",
        find: "return slot > this.quarantinedUntil;",
        replace: "return true;",
      },
    ]);
    assert.ok(said.includes("PRE-PREPARE"), "the mutant equivocates");
  });
});

describe("VALUE-4: a leader that proposes early, when nobody has own data yet", () => {
  const WRONG_TARGET = { epoch: 1, root: blockRoot(999) };

  async function targetAgreed(patches: readonly Patch[]): Promise<Root | undefined> {
    await start(patches);
    await cluster.start();
    await runTo(SLOT - 2);
    await cluster.clock.runUntil(cluster.chain.slotStart(SLOT - 1));
    const honest = await cluster.member(LEADER).beacon.attestationData(SLOT);
    const value = encodeAttestationData({ ...honest, target: WRONG_TARGET });
    const bytes = signedProposal(adversary(LEADER), DUTY, value);
    const { hub } = cluster;
    // The leader's own node is held back, so that its early proposal is the only one of round 1.
    hub.tap(
      LEADER,
      withhold(({ message }) => message.type === "PRE-PREPARE"),
    );
    for (const to of HONEST) {
      hub.carry({ channel: "consensus", from: LEADER, to, via: "direct", bytes });
    }
    for (const slot of [SLOT - 1, SLOT, SLOT + 1]) await cluster.runSlot(slot);
    assertAgreed();
    const [node = 0] = HONEST;
    return cluster.member(node).beacon.submitted.find((a) => a.data.slot === SLOT)?.data.target
      .root;
  }

  test("gets no vote for a target that the beacon nodes do not have", async () => {
    assert.equal(await targetAgreed([]), blockRoot(8));
  });

  test("would get it if nodes judged at once", async () => {
    const mutant = {
      file: "src/core/valueChecker.ts",
      find: "const from = Math.max(clock.now(), window.startsAt);",
      replace: "const from = clock.now();",
    };
    assert.equal(await targetAgreed([mutant]), WRONG_TARGET.root);
  });
});
