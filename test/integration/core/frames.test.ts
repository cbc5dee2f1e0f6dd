/** What nodes do with frames at the edges of a duty's life, over the whole workflow. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { signedProposal } from "../../../sim/byzantine/frames.ts";
import type { Duty } from "../../../src/domain/duty.ts";
import type { PeerIndex } from "../../../src/domain/keys.ts";
import { encodeAttestationData } from "../../../src/eth2/attestationData.ts";
import { nativeProfile as profile } from "../../../src/wire/nativeProfile.ts";
import { FakeBeacon } from "../../support/fakeBeacon.ts";
import { NodeCluster } from "../../support/nodeCluster.ts";

const SLOT = FakeBeacon.slotOf(1, 0);
const DUTY: Duty = { slot: SLOT, type: "attester" };
const LEADER: PeerIndex = profile.leaderOf(DUTY, 1, 4);
const OTHER: PeerIndex = (LEADER + 1) % 4;

let cluster: NodeCluster;
beforeEach(async () => {
  cluster = new NodeCluster();
  await cluster.start();
});
afterEach(() => cluster.stop());

async function runTo(slot: number): Promise<void> {
  for (let next = 0; next <= slot; next++) await cluster.runSlot(next);
}

/** How often node OTHER refused a frame with this code. */
function refused(code: string): number {
  return cluster.member(OTHER).metrics.total("rejections_total", { code });
}

async function deliver(bytes: Uint8Array, channel: "consensus" | "partials" = "consensus") {
  cluster.hub.carry({ channel, from: LEADER, to: OTHER, via: "direct", bytes });
  await cluster.clock.runUntil(cluster.clock.now() + 1);
}

async function proposalFor(duty: Duty): Promise<Uint8Array> {
  const { identity } = cluster.member(LEADER).ports;
  const scope = {
    lockHash: cluster.cluster.lockHash,
    genesisValidatorsRoot: cluster.chain.genesisValidatorsRoot,
  };
  const data = await cluster.member(LEADER).beacon.attestationData(duty.slot);
  return signedProposal({ identity, scope }, duty, encodeAttestationData(data));
}

describe("frames about duties that cannot be (FLOW-4)", () => {
  test("too far ahead of the clock", async () => {
    await runTo(SLOT - 3);
    await deliver(await proposalFor(DUTY));
    assert.equal(refused("too_early"), 1);
  });

  test("past their deadline", async () => {
    const frame = await proposalFor(DUTY);
    await runTo(SLOT + 10);
    await deliver(frame);
    assert.equal(refused("too_late"), 1);
  });

  test("of a slot in which the cluster has no duty", async () => {
    await runTo(SLOT + 1);
    await deliver(await proposalFor({ slot: SLOT + 2, type: "attester" }));
    assert.equal(refused("unexpected_duty"), 1);
    assert.deepEqual(
      cluster.hub.network(OTHER).penalties,
      [],
      "an honest peer may see it otherwise",
    );
  });
});

/** What the leader's own vote names, before it sends it as a value that was asked for. */
async function deliverVoted(value: Uint8Array): Promise<void> {
  const { identity } = cluster.member(LEADER).ports;
  const scope = {
    lockHash: cluster.cluster.lockHash,
    genesisValidatorsRoot: cluster.chain.genesisValidatorsRoot,
  };
  const vote = {
    type: "PREPARE",
    round: 1,
    source: LEADER,
    value: profile.valueRoot(value),
    preparedRound: 0,
    preparedValue: null,
  } as const;
  const signature = identity.sign(profile.statementDigest(scope, DUTY, vote));
  const message = { ...vote, signature, justification: [] };
  await deliver(profile.encodeConsensus({ kind: "message", duty: DUTY, message, value: null }));
  await deliver(profile.encodeConsensus({ kind: "value", duty: DUTY, value }));
}

describe("values that no duty has (VALUE-7)", () => {
  test("a small one that a vote named is kept for whoever asks", async () => {
    await runTo(SLOT - 1);
    await deliverVoted(new Uint8Array(128).fill(1));
    assert.equal(refused("malformed") + refused("duplicate"), 0, "the danger: it is kept");
  });

  test("one that is larger than the duty's values is not", async () => {
    await runTo(SLOT - 1);
    await deliverVoted(new Uint8Array(129).fill(1));
    assert.equal(refused("malformed"), 1);
    assert.deepEqual(
      cluster.hub.network(OTHER).penalties.map(({ peer }) => peer),
      [LEADER],
    );
  });
});

describe("frames that no honest node sends", () => {
  test("garbage is malformed, counted and penalised", async () => {
    await runTo(SLOT - 1);
    for (const channel of ["consensus", "partials"] as const) {
      await deliver(Uint8Array.of(1, 2, 3), channel);
    }
    assert.equal(refused("malformed"), 2);
    assert.deepEqual(
      cluster.hub.network(OTHER).penalties.map(({ peer }) => peer),
      [LEADER, LEADER],
    );
  });

  test("a statement that another cluster's lock was signed for does not verify here", async () => {
    await runTo(SLOT - 1);
    const { identity } = cluster.member(LEADER).ports;
    const data = await cluster.member(LEADER).beacon.attestationData(SLOT);
    const foreign = {
      lockHash: `0x${"66".repeat(32)}` as typeof cluster.cluster.lockHash,
      genesisValidatorsRoot: cluster.chain.genesisValidatorsRoot,
    };
    const frame = signedProposal({ identity, scope: foreign }, DUTY, encodeAttestationData(data));
    await deliver(frame);
    assert.equal(refused("bad_signature"), 1);
  });

  test("partial signatures of a validator that is not in the lock", async () => {
    await runTo(SLOT - 1);
    const messageRoot = `0x${"aa".repeat(32)}` as const;
    const set = {
      duty: DUTY,
      shareIndex: LEADER + 1,
      signatures: [
        { validator: 7, messageRoot: messageRoot as never, signature: new Uint8Array(96) },
      ],
    };
    await deliver(profile.encodePartials(set), "partials");
    assert.equal(refused("unknown_validator"), 1);
  });

  test("a frame of an earlier duty, replayed, changes nothing", async () => {
    const recorded: Uint8Array[] = [];
    cluster.hub.tap(LEADER, (hop) => {
      if (hop.to === OTHER) recorded.push(hop.bytes);
      return [hop.bytes];
    });
    await runTo(SLOT);
    const before = cluster.member(OTHER).beacon.submitted.length;
    assert.ok(recorded.length > 0);
    for (const bytes of recorded) await deliver(bytes);
    await cluster.runSlot(SLOT + 1);
    assert.equal(cluster.member(OTHER).beacon.submitted.length, before);
  });
});

describe("a peer that comes back (FLOW-8)", () => {
  test("is told the partial signatures of the last slots again", async () => {
    await runTo(SLOT - 1);
    const partialsTo: PeerIndex[] = [];
    cluster.hub.tap(OTHER, (hop) => {
      if (hop.channel === "partials" && hop.via === "direct") partialsTo.push(hop.to);
      return [hop.bytes];
    });
    cluster.hub.cut(OTHER, LEADER);
    await cluster.runSlot(SLOT);
    assert.equal(partialsTo.includes(LEADER), false);
    cluster.hub.heal(OTHER, LEADER);
    await cluster.clock.runUntil(cluster.clock.now() + 1);
    assert.equal(partialsTo.filter((to) => to === LEADER).length, 1);
  });
});

describe("one duty, one value (FLOW-1)", () => {
  test("all nodes submit the same attestation for every validator of a slot", async () => {
    await runTo(SLOT + 1);
    const roots = cluster.members.flatMap(({ beacon }) =>
      beacon.submitted.filter(({ data }) => data.slot === SLOT).map(({ data }) => data),
    );
    assert.equal(roots.length, 4);
    for (const data of roots) assert.deepEqual(data, roots[0]);
  });

  test("VALUE-1: a value that breaks a deterministic rule is refused in every round", async () => {
    // Every beacon node says the same wrong thing: only the rule stands against it.
    for (const { beacon } of cluster.members) {
      const answer = beacon.attestationData.bind(beacon);
      beacon.attestationData = async (slot) => ({ ...(await answer(slot)), index: 3 });
    }
    const frame = await proposalFor(DUTY);
    await runTo(SLOT - 1);
    await deliver(frame);
    await cluster.runSlot(SLOT);
    await cluster.runSlot(SLOT + 1);
    const submitted = cluster.members.flatMap(({ beacon }) => beacon.submitted);
    assert.ok(submitted.every(({ data }) => data.index === 0));
  });
});
