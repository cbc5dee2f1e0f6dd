/** Block proposals with the danger present: the leader lies, or a history conflicts. */
import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  messageIn,
  proposeValueTo,
  signedProposal,
  withhold,
} from "../../../sim/byzantine/frames.ts";
import {
  type BlockChange,
  FEE_RECIPIENT,
  GAS_LIMIT,
  virtualBlock,
} from "../../../sim/virtualBlocks.ts";
import { bytesOf, type PeerIndex, type Root } from "../../../src/domain/keys.ts";
import { MAX_VALUE_BYTES } from "../../../src/domain/limits.ts";
import { decodeProposal, encodeProposal, type SignedBlock } from "../../../src/eth2/blocks.ts";
import { FORKS } from "../../../src/eth2/forks.ts";
import { ssz } from "../../../src/eth2/ssz.ts";
import { ConsensusFrameSchema } from "../../../src/wire/generated/coterie/v1/consensus_pb.ts";
import { nativeProfile } from "../../../src/wire/nativeProfile.ts";
import { revealOf, verifyPublished } from "../../support/blockSignatures.ts";
import { blockRoot, FIRST_INDEX } from "../../support/fakeBeacon.ts";
import type { Hop } from "../../support/memoryNetwork.ts";
import { loadMutant, type Patch } from "../../support/mutant.ts";
import { NodeCluster } from "../../support/nodeCluster.ts";

type CreateNode = typeof import("../../../src/node/node.ts");

const SLOT = 12;
const DUTY = { slot: SLOT, type: "proposer" } as const;
const LEADER: PeerIndex = nativeProfile.leaderOf(DUTY, 1, 4);
const HONEST = [0, 1, 2, 3].filter((node) => node !== LEADER);
const [VICTIM = 0] = HONEST;
/** What tells a liar's block from the honest ones. */
const LIE = new Uint8Array(32).fill(0x66);
const OTHER_LIE = new Uint8Array(32).fill(0x77);

let cluster: NodeCluster;
afterEach(() => cluster.stop());

async function start(patches: readonly Patch[] = []): Promise<void> {
  const mutant =
    patches.length > 0 ? await loadMutant<CreateNode>("src/node/node.ts", patches) : null;
  cluster = new NodeCluster(mutant === null ? {} : { createNode: mutant.createNode });
  cluster.proposeIn(SLOT);
  // Every operator's beacon node builds a block of its own.
  for (const [node, { beacon }] of cluster.members.entries()) {
    beacon.faults.block = { graffiti: graffitiOfNode(node) };
  }
}

function graffitiOfNode(node: PeerIndex): Uint8Array {
  return new Uint8Array(32).fill(1 + node);
}

async function runTo(slot: number): Promise<void> {
  for (let next = 0; next <= slot; next++) await cluster.runSlot(next);
}

function adversary() {
  const { lockHash } = cluster.cluster;
  const { genesisValidatorsRoot } = cluster.chain;
  const { identity } = cluster.member(LEADER).ports;
  return { identity, scope: { lockHash, genesisValidatorsRoot } };
}

/** The leader tells `change(hop)` of its block to that peer; null tells the truth. */
function lie(change: (hop: Hop) => BlockChange | null): void {
  cluster.hub.tap(
    LEADER,
    proposeValueTo(adversary(), (value, hop, duty) => {
      const changes = change(hop);
      return changes === null || duty.type !== "proposer" ? null : changed(value, changes);
    }),
  );
}

function changed(value: Uint8Array, change: BlockChange): Uint8Array {
  const { randaoReveal, parentRoot } = proposalIn(value);
  const honest = { slot: SLOT, proposerIndex: FIRST_INDEX, randaoReveal };
  return encodeProposal(
    virtualBlock({ ...honest, parentRoot: bytesOf(parentRoot), graffiti: LIE, ...change }),
  );
}

function proposalIn(value: Uint8Array) {
  const proposal = decodeProposal(FORKS.fulu, value);
  assert(proposal !== null, "an honest node proposes a block");
  return proposal;
}

function published(nodes: readonly PeerIndex[] = HONEST): readonly SignedBlock[] {
  return nodes.flatMap((node) => cluster.member(node).beacon.published);
}

function graffitiOf(block: SignedBlock | undefined): Uint8Array | undefined {
  if (block === undefined) return undefined;
  return ssz.fulu.SignedBlockContents.deserialize(block.ssz()).signedBlock.message.body.graffiti;
}

/** Every honest node published, one and the same valid block; its graffiti. */
function agreedGraffiti(): Uint8Array | undefined {
  assert.equal(published().length, HONEST.length);
  assert.equal(new Set(published().map(({ root }) => root)).size, 1);
  assert.ok(published().every((block) => verifyPublished(block, SLOT, cluster)));
  return graffitiOf(published()[0]);
}

/** An honest node's block was agreed, whoever led the round. */
function assertHonestBlock(): void {
  const agreed = agreedGraffiti();
  assert.ok(HONEST.some((node) => Buffer.compare(graffitiOfNode(node), agreed ?? LIE) === 0));
}

type Lie = { readonly what: string; readonly change: BlockChange; readonly mutant?: Patch };
const LIES: readonly Lie[] = [
  {
    what: "BLOCK-4: another fee recipient",
    change: { feeRecipient: `0x${"66".repeat(20)}` },
    mutant: {
      file: "src/duties/proposer.ts",
      find: "if (feeRecipient !== null && feeRecipient !== definition.feeRecipient) {",
      replace: "if (feeRecipient !== null && feeRecipient === definition.feeRecipient) {",
    },
  },
  { what: "BLOCK-4: a gas limit away from the lock's", change: { gasLimit: GAS_LIMIT / 2 } },
  {
    what: "BLOCK-3: a randao reveal that is not the validator's",
    change: { randaoReveal: new Uint8Array(96).fill(0xc0) },
    mutant: {
      file: "src/core/valueChecker.ts",
      find: "if (!(await bls.verifyBatch(kind.signatureChecks(data, definitions, chain)))) {",
      replace: "if (!(await bls.verifyBatch([]))) {",
    },
  },
  { what: "BLOCK-2: another proposer", change: { proposerIndex: FIRST_INDEX + 1 } },
  { what: "BLOCK-2: another slot", change: { slot: SLOT + 1 } },
  {
    what: "BLOCK-2: blobs that it withholds",
    change: { missingBlobs: 1 },
    mutant: {
      file: "src/duties/proposer.ts",
      find: 'return isComplete ? null : "blobs',
      replace: 'return isComplete || duty.slot > 0 ? null : "blobs',
    },
  },
  { what: "BLOCK-5: a parent nobody knows", change: { parentRoot: new Uint8Array(32).fill(9) } },
  { what: "BLOCK-5: a parent of its own slot", change: { parentRoot: bytesOf(blockRoot(SLOT)) } },
];

describe("a leader whose block has", () => {
  for (const { what, change, mutant } of LIES) {
    test(`${what} is refused, and the next leader's block is agreed`, async () => {
      await start();
      await cluster.start();
      lie(() => change);
      await runTo(SLOT);
      assertHonestBlock();
    });
    if (mutant === undefined) continue;
    test(`${what} would get it signed without the guard`, async () => {
      await start([mutant]);
      await cluster.start();
      lie(() => change);
      await runTo(SLOT);
      assert.ok(published().some((block) => Buffer.compare(graffitiOf(block) ?? LIE, LIE) === 0));
    });
  }

  test("nothing wrong, only other graffiti, is agreed: graffiti never vetoes", async () => {
    await start();
    await cluster.start();
    lie(() => ({}));
    await runTo(SLOT);
    assert.deepEqual(agreedGraffiti(), LIE);
  });

  test("more bytes than a value may have is rejected before anything decodes it", async () => {
    await start();
    await cluster.start();
    cluster.hub.tap(LEADER, (hop) => {
      const message = messageIn(hop);
      if (message?.duty.type !== "proposer" || message.value === null) return [hop.bytes];
      const frame = fromBinary(ConsensusFrameSchema, hop.bytes);
      frame.value = new Uint8Array(MAX_VALUE_BYTES + 1);
      return [toBinary(ConsensusFrameSchema, frame)];
    });
    await runTo(SLOT);
    assertHonestBlock();
    const { metrics } = cluster.member(VICTIM);
    assert.ok(metrics.total("rejections_total", { code: "malformed" }) > 0);
  });

  test("bytes that are no block is refused", async () => {
    await start();
    await cluster.start();
    cluster.hub.tap(
      LEADER,
      proposeValueTo(adversary(), (value, _hop, duty) =>
        duty.type === "proposer" ? value.subarray(0, value.length - 1) : null,
      ),
    );
    await runTo(SLOT);
    assertHonestBlock();
  });
});

describe("a leader that", () => {
  test("tells each peer another valid block gets one of them signed at most", async () => {
    await start();
    await cluster.start();
    lie(({ to }) => (to === VICTIM ? {} : { graffiti: OTHER_LIE }));
    await runTo(SLOT);
    agreedGraffiti();
  });

  test("withholds its block is passed over", async () => {
    await start();
    await cluster.start();
    cluster.hub.tap(
      LEADER,
      withhold(({ message }) => message.type === "PRE-PREPARE"),
    );
    await runTo(SLOT);
    assertHonestBlock();
  });

  test("VALUE-3: tells one peer only still gets its block agreed: the others pull it", async () => {
    await start();
    await cluster.start();
    const pulls: PeerIndex[] = [];
    for (const node of HONEST) {
      cluster.hub.tap(node, (hop) => {
        const decoded =
          hop.channel === "consensus" && hop.via === "direct"
            ? nativeProfile.decodeConsensus(hop.bytes)
            : null;
        if (decoded?.ok && decoded.value.kind === "pull") pulls.push(hop.from);
        return [hop.bytes];
      });
    }
    cluster.hub.tap(
      LEADER,
      withhold(({ message }, hop) => message.type === "PRE-PREPARE" && hop.to !== VICTIM),
    );
    await runTo(SLOT);
    agreedGraffiti();
    assert.ok(pulls.length > 0);
  });

  test("VALUE-4: proposes before the slot begins gets no vote before it", async () => {
    await start();
    await cluster.start();
    await runTo(SLOT - 2);
    const early = cluster.chain.slotStart(SLOT) - 3_000;
    await cluster.clock.runUntil(early);
    const votes: number[] = [];
    for (const node of HONEST) {
      cluster.hub.tap(node, (hop) => {
        const frame = messageIn(hop);
        const isVote = frame?.message.type === "PREPARE" && frame.duty.slot === SLOT;
        if (isVote) votes.push(cluster.clock.now() - cluster.chain.slotStart(SLOT));
        return [hop.bytes];
      });
    }
    // The reveal is known by now: a real leader can build its block this early.
    const { ports } = cluster.member(LEADER);
    const randaoReveal = revealOf(cluster, SLOT);
    const value = encodeProposal(
      virtualBlock({
        slot: SLOT,
        proposerIndex: FIRST_INDEX,
        parentRoot: bytesOf(blockRoot(SLOT - 2)),
        randaoReveal,
        graffiti: LIE,
      }),
    );
    const bytes = signedProposal({ ...adversary(), identity: ports.identity }, DUTY, value);
    for (const to of HONEST) {
      cluster.hub.carry({ channel: "consensus", from: LEADER, to, via: "direct", bytes });
    }
    await cluster.clock.runUntil(cluster.chain.slotStart(SLOT + 1) - 1);
    assert.ok(votes.length > 0);
    assert.ok(
      votes.every((at) => at >= 0),
      `votes at ${votes} ms`,
    );
  });
});

describe("a validator that signed another block of the slot before", () => {
  // An earlier block begins the history, so that no watermark refuses what the rule is for.
  const records = [1, SLOT].map((slot) => ({
    validator: 0,
    slot,
    signingRoot: `0x${"ee".repeat(32)}` as Root,
  }));

  test("SLASH-4: on all nodes: the block is refused and nothing is published", async () => {
    await start();
    for (const node of [0, 1, 2, 3]) await cluster.withHistory(node, records);
    await cluster.start();
    await runTo(SLOT + 1);
    assert.deepEqual(published([0, 1, 2, 3]), []);
  });

  test("on one node: that node signs nothing, the other three do", async () => {
    await start();
    await cluster.withHistory(VICTIM, records);
    await cluster.start();
    const partialsFrom = new Set<PeerIndex>();
    for (const node of cluster.members.keys()) {
      cluster.hub.tap(node, (hop) => {
        const set =
          hop.channel === "partials" ? nativeProfile.decodePartials(hop.bytes, hop.from + 1) : null;
        if (set?.ok && set.value.duty.type === "proposer") partialsFrom.add(hop.from);
        return [hop.bytes];
      });
    }
    await runTo(SLOT);
    assert.deepEqual(
      [...partialsFrom].sort(),
      [0, 1, 2, 3].filter((node) => node !== VICTIM),
    );
    const others = [0, 1, 2, 3].filter((node) => node !== VICTIM);
    assert.equal(published(others).length, 3);
    assert.equal(new Set(published(others).map(({ root }) => root)).size, 1);
  });

  test("signs the second block without the double-proposal rule, its guard", async () => {
    await start([
      {
        file: "src/safety/rules.ts",
        find: "const other = recorded[0];",
        replace: "const other = recorded[recorded.length];",
      },
    ]);
    for (const node of [0, 1, 2, 3]) await cluster.withHistory(node, records);
    await cluster.start();
    await runTo(SLOT + 1);
    assert.ok(published([0, 1, 2, 3]).length > 0, "the mutant signs a slashable block");
  });
});

describe("BLOCK-4: a beacon node that was never told whom to pay", () => {
  test("costs its operator its turn to lead and nothing else", async () => {
    await start();
    cluster.member(LEADER).beacon.faults.block = { feeRecipient: `0x${"00".repeat(20)}` };
    await cluster.start();
    await runTo(SLOT);
    agreedGraffiti();
    const payload = ssz.fulu.SignedBlockContents.deserialize(published()[0]?.ssz() as Uint8Array)
      .signedBlock.message.body.executionPayload;
    assert.equal(`0x${Buffer.from(payload.feeRecipient).toString("hex")}`, FEE_RECIPIENT);
  });
});

describe("RANDAO-3: a peer's frame that wants a vote on a randao reveal", () => {
  test("is malformed: nobody votes on what every node computes", async () => {
    await start();
    await cluster.start();
    await runTo(SLOT - 1);
    const duty = { slot: SLOT, type: "randao" } as const;
    const bytes = signedProposal(adversary(), duty, new Uint8Array(8));
    cluster.hub.carry({ channel: "consensus", from: LEADER, to: VICTIM, via: "direct", bytes });
    await cluster.clock.runUntil(cluster.clock.now() + 1);
    const { metrics } = cluster.member(VICTIM);
    assert.equal(metrics.total("rejections_total", { code: "malformed" }), 1);
  });
});
