/** A block that a second round proposes again: its bytes travel to whom they are missing. */
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { messageIn } from "../../../sim/byzantine/frames.ts";
import type { PeerIndex } from "../../../src/domain/keys.ts";
import { nativeProfile } from "../../../src/wire/nativeProfile.ts";
import { verifyPublished } from "../../support/blockSignatures.ts";
import { loadMutant, type Patch } from "../../support/mutant.ts";
import { NodeCluster } from "../../support/nodeCluster.ts";

type CreateNode = typeof import("../../../src/node/node.ts");

const SLOT = 12;
const DUTY = { slot: SLOT, type: "proposer" } as const;
const leaderOf = (round: number): PeerIndex => nativeProfile.leaderOf(DUTY, round, 4);
/** Hears nothing of the first round; leads neither it nor the next. */
const DEAF: PeerIndex = leaderOf(3);

let cluster: NodeCluster;
afterEach(() => cluster.stop());

/**
 * All but one node PREPARE the first proposal and no COMMIT arrives; who got the value with the
 * second one.
 */
async function secondProposal(patches: readonly Patch[] = []): Promise<readonly PeerIndex[]> {
  const { createNode } = await loadMutant<CreateNode>("src/node/node.ts", patches);
  cluster = new NodeCluster({ createNode });
  cluster.proposeIn(SLOT);
  for (const [node, { beacon }] of cluster.members.entries()) {
    beacon.faults.block = { graffiti: new Uint8Array(32).fill(1 + node) };
  }
  await cluster.start();
  const carried: PeerIndex[] = [];
  cluster.hub.lose((hop) => {
    const frame = messageIn(hop);
    if (frame?.duty.type !== "proposer") return false;
    const { type, round } = frame.message;
    if (type === "PRE-PREPARE" && round === 2 && frame.value !== null) carried.push(hop.to);
    return round === 1 && (type === "COMMIT" || hop.to === DEAF);
  });
  for (let slot = 0; slot <= SLOT; slot++) await cluster.runSlot(slot);
  return carried;
}

test("VALUE-5: who PREPAREd the value is not sent its bytes again, who did not is", async () => {
  assert.deepEqual(await secondProposal(), [DEAF]);
  const published = cluster.members.flatMap(({ beacon }) => beacon.published);
  assert.equal(published.length, 4, "every node has the bytes in the end, and publishes");
  assert.equal(new Set(published.map(({ root }) => root)).size, 1);
  assert.ok(published.every((block) => verifyPublished(block, SLOT, cluster)));
});

test("VALUE-5: without the rule every round sends megabytes to everybody", async () => {
  const carried = await secondProposal([
    {
      file: "src/core/consensus.ts",
      find: "bare !== null && holders.has(peer) ? bare : whole",
      replace: "whole",
    },
  ]);
  assert.deepEqual(
    [...carried].sort(),
    [0, 1, 2, 3].filter((node) => node !== leaderOf(2)),
  );
});
