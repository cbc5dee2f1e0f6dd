import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";
import { messageIn } from "../../../sim/byzantine/frames.ts";
import { BLOB_BYTES, type BlockChange, FEE_RECIPIENT } from "../../../sim/virtualBlocks.ts";
import type { PeerIndex } from "../../../src/domain/keys.ts";
import type { SignedBlock } from "../../../src/eth2/blocks.ts";
import { ssz } from "../../../src/eth2/ssz.ts";
import { createNode } from "../../../src/node/node.ts";
import { nativeProfile } from "../../../src/wire/nativeProfile.ts";
import { revealOf, verifyPublished } from "../../support/blockSignatures.ts";
import { FIRST_INDEX } from "../../support/fakeBeacon.ts";
import { loadMutant, type Patch } from "../../support/mutant.ts";
import { NodeCluster } from "../../support/nodeCluster.ts";

type CreateNode = typeof import("../../../src/node/node.ts");

/** A slot in which no validator of the cluster attests, in the second epoch. */
const SLOT = 12;
const DUTY = { slot: SLOT, type: "proposer" } as const;
const LEADER: PeerIndex = nativeProfile.leaderOf(DUTY, 1, 4);

let cluster: NodeCluster;
afterEach(() => cluster.stop());

async function start(patches: readonly Patch[] = []): Promise<void> {
  const mutant =
    patches.length > 0 ? await loadMutant<CreateNode>("src/node/node.ts", patches) : null;
  cluster = new NodeCluster(mutant === null ? {} : { createNode: mutant.createNode });
  cluster.proposeIn(SLOT);
  changeBlocks({});
  await cluster.start();
}

async function runTo(slot: number, from = 0): Promise<void> {
  for (let next = from; next <= slot; next++) await cluster.runSlot(next);
}

/** Every operator's beacon node builds a block of its own. */
function changeBlocks(change: BlockChange): void {
  for (const [node, { beacon }] of cluster.members.entries()) {
    beacon.faults.block = { graffiti: new Uint8Array(32).fill(1 + node), ...change };
  }
}

function published(): readonly SignedBlock[] {
  return cluster.members.flatMap(({ beacon }) => beacon.published);
}

function assertOneValidBlock(publishers = 4): SignedBlock {
  assert.equal(published().length, publishers);
  assert.equal(new Set(published().map(({ root }) => root)).size, 1);
  assert.ok(published().every((block) => verifyPublished(block, SLOT, cluster)));
  const [block] = published();
  assert.ok(block !== undefined);
  return block;
}

describe("one proposer duty, from the randao to every beacon node", () => {
  test("BLOCK-7: all four nodes publish one and the same validly signed block", async () => {
    await start();
    await runTo(SLOT);
    const block = assertOneValidBlock();
    const { signedBlock } = ssz.fulu.SignedBlockContents.deserialize(block.ssz());
    assert.equal(signedBlock.message.proposerIndex, FIRST_INDEX);
    assert.equal(block.isBlinded, false);
  });

  test("RANDAO-2: the block carries the reveal that was combined before its slot", async () => {
    await start();
    await runTo(SLOT - 1);
    const before = cluster.members.map(({ metrics }) =>
      metrics.total("duties_total", { duty: "randao", outcome: "completed" }),
    );
    assert.deepEqual(before, [1, 1, 1, 1]);
    await runTo(SLOT, SLOT);
    const { signedBlock } = ssz.fulu.SignedBlockContents.deserialize(assertOneValidBlock().ssz());
    assert.deepEqual(signedBlock.message.body.randaoReveal, revealOf(cluster, SLOT));
  });

  test("three live nodes of four suffice, whoever is down", async () => {
    for (const down of [0, 1, 2, 3]) {
      await start();
      cluster.crash(down);
      await runTo(SLOT);
      assertOneValidBlock(3);
      cluster.stop();
    }
  });

  test("a blinded block is agreed, signed and published as such", async () => {
    await start();
    changeBlocks({ isBlinded: true });
    await runTo(SLOT);
    const block = assertOneValidBlock();
    assert.equal(block.isBlinded, true);
    const { message } = ssz.fulu.SignedBlindedBeaconBlock.deserialize(block.ssz());
    assert.equal(message.slot, SLOT);
  });

  test("4 MB of blobs travel once to each peer, and every node publishes all of them", async () => {
    const blobs = 32;
    await start();
    changeBlocks({ blobs });
    const carried: string[] = [];
    for (const node of cluster.members.keys()) {
      cluster.hub.tap(node, (hop) => {
        if (hop.bytes.length > BLOB_BYTES) carried.push(`${hop.from}-${hop.to}`);
        return [hop.bytes];
      });
    }
    await runTo(SLOT);
    const contents = ssz.fulu.SignedBlockContents.deserialize(assertOneValidBlock().ssz());
    assert.equal(contents.blobs.length, blobs);
    assert.equal(carried.length, 3, `once from the leader to each of the others: ${carried}`);
  });

  test("a beacon node that is away costs its operator nothing but its own block", async () => {
    await start();
    await runTo(SLOT - 1);
    cluster.member((LEADER + 1) % 4).beacon.faults.isOffline = true;
    await runTo(SLOT, SLOT);
    assertOneValidBlock(3);
  });

  test("the leader's beacon node is away: the next leader's block is agreed", async () => {
    await start();
    await runTo(SLOT - 1);
    cluster.member(LEADER).beacon.faults.isOffline = true;
    await runTo(SLOT, SLOT);
    assertOneValidBlock(3);
  });

  test("BLOCK-7: a beacon node that has the block already may refuse it again", async () => {
    await start();
    const { beacon, metrics } = cluster.member(LEADER);
    beacon.faults.refusesBlocks = true;
    const answer = beacon.blockSlot.bind(beacon);
    // It heard the block from its own peers, whatever its root is.
    beacon.blockSlot = async (root) => (Number(root) > 2 ** 64 ? SLOT : answer(root));
    await runTo(SLOT + 2);
    assertOneValidBlock(3);
    const outcome = { duty: "proposer", outcome: "completed" };
    assert.equal(metrics.total("duties_total", outcome), 1);
  });

  test("each beacon node is told whom the cluster's blocks pay, in every epoch", async () => {
    await start();
    await runTo(13);
    for (const { beacon } of cluster.members) {
      const expected = { validatorIndex: FIRST_INDEX, feeRecipient: FEE_RECIPIENT };
      assert.deepEqual(beacon.prepared, [expected, expected]);
    }
  });
});

describe("FLOW-10: a node that restarts after the block was decided", () => {
  /** Signing takes until after the power cut, in the first life of every node. */
  async function publishedAfterPowerCut(patches: readonly Patch[]): Promise<number> {
    await start(patches);
    await runTo(SLOT - 1);
    // Partial signatures are lost, so that no node can combine before the power cut.
    cluster.hub.lose(({ channel }) => channel === "partials");
    await cluster.clock.runUntil(cluster.chain.slotStart(SLOT) + 500);
    for (const node of cluster.members.keys()) cluster.crash(node);
    assert.equal(published().length, 0, "nothing was published in the first life");
    cluster.hub.lose(() => false);
    await cluster.clock.runUntil(cluster.chain.slotStart(SLOT + 1) + 1_000);
    await cluster.start();
    await cluster.clock.runUntil(cluster.chain.slotStart(SLOT + 2) - 1);
    return published().length;
  }

  test("signs and publishes it, even in the next slot", async () => {
    assert.equal(await publishedAfterPowerCut([]), 4);
    assertOneValidBlock();
  });

  test("would lose it without the record on disk", async () => {
    const mutant = {
      file: "src/core/consensus.ts",
      find: "if (!kind.isDurable) return;",
      replace: "if (kind.isDurable) return;",
    };
    assert.equal(await publishedAfterPowerCut([mutant]), 0);
  });

  test("says nothing in consensus about it", async () => {
    await start();
    await runTo(SLOT - 1);
    cluster.hub.lose(({ channel }) => channel === "partials");
    await cluster.clock.runUntil(cluster.chain.slotStart(SLOT) + 500);
    cluster.crash(LEADER);
    const said: string[] = [];
    cluster.hub.tap(LEADER, (hop) => {
      const frame = messageIn(hop);
      if (frame?.duty.slot === SLOT) said.push(frame.message.type);
      return [hop.bytes];
    });
    cluster.hub.lose(() => false);
    await cluster.start([LEADER]);
    await cluster.clock.runUntil(cluster.chain.slotStart(SLOT + 1) - 1);
    assert.deepEqual(said, []);
    assertOneValidBlock();
  });

  test("does not use a record that is damaged", async () => {
    await start();
    await runTo(SLOT - 1);
    cluster.hub.lose(({ channel }) => channel === "partials");
    await cluster.clock.runUntil(cluster.chain.slotStart(SLOT) + 500);
    const { store } = cluster.member(LEADER);
    for (const node of cluster.members.keys()) cluster.crash(node);
    for await (const [key, value] of store.entries({ gte: "decided/", lt: "decided0" })) {
      value[200] = (value[200] ?? 0) ^ 1;
      await store.batch([{ type: "put", key, value }]);
    }
    cluster.hub.lose(() => false);
    await cluster.start();
    await cluster.clock.runUntil(cluster.chain.slotStart(SLOT + 1) - 1);
    const warned = cluster.member(LEADER).log.filter(({ level }) => level === "warn");
    assert.ok(warned.some(({ message }) => message.startsWith("A kept decision is damaged")));
    assert.equal(published().length, 3, "the other three still publish it");
  });

  test("keeps no more on disk than the last decisions", async () => {
    await start();
    for (const slot of [14, 20, 22]) cluster.proposeIn(slot);
    await runTo(22);
    const kept: string[] = [];
    const range = { gte: "decided/", lt: "decided0" };
    for await (const [key] of cluster.member(0).store.entries(range)) kept.push(key);
    assert.deepEqual(kept, ["decided/0000000000000022/proposer"]);
  });
});

describe("a node of an older release, to which the cluster's block means nothing", () => {
  /** Node 0 decodes no block; the others decide one. */
  async function decideWithout(patches: readonly Patch[] = []) {
    const unread = {
      file: "src/eth2/blocks.ts",
      find: "const proposal = decode(fork, value);",
      replace: "const proposal = null as ReturnType<typeof decode>;",
    };
    const file = "src/node/node.ts";
    const older = await loadMutant<CreateNode>(file, [unread, ...patches]);
    cluster = new NodeCluster({
      createNode: (options, ports, signal) =>
        (ports.identity.self === 0 ? older : { createNode }).createNode(options, ports, signal),
    });
    cluster.proposeIn(SLOT);
    changeBlocks({});
    await cluster.start();
    const failed: string[] = [];
    void cluster.member(0).node?.failure.then((reason) => failed.push(String(reason)));
    await runTo(SLOT + 1);
    assertOneValidBlock(3);
    return failed;
  }

  test("VALUE-6: does without it and goes on", async () => {
    assert.deepEqual(await decideWithout(), []);
    const said = cluster.member(0).log.map(({ fields }) => String(fields["reason"]));
    assert.ok(said.some((reason) => /compare releases: malformed: .* no fulu block/.test(reason)));
  });

  test("VALUE-6: mutant: a decision that is not looked at stops the node", async () => {
    const blind = {
      file: "src/core/consensus.ts",
      find: "if (flaw !== null) {",
      replace: "if (flaw === undefined) {",
    };
    const [reason] = await decideWithout([blind]);
    assert.match(reason ?? "", /a value is checked before it is/);
  });
});
