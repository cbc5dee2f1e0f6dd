/** A live cluster of four processes, one of whose operators lies to the others. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { LiveCluster } from "../../support/liveCluster.ts";

const LIAR = 1;
/** Every node leads two of as many slots. */
const SLOTS = 8;
const BEHAVIOURS = ["equivocate", "garbage-partials", "replay", "forge"];

describe("a chaos peer in a live cluster", () => {
  let cluster: LiveCluster;
  before(async () => {
    cluster = await LiveCluster.create();
    cluster.start(0, 2, 3);
    cluster.node(LIAR).startChaos(BEHAVIOURS.join(","));
    await cluster.untilReady(0, 2, 3);
  });
  after(() => cluster?.close());

  it("BYZ-3: acts in every way that it was told, and no duty is missed", async () => {
    const from = (await cluster.chain.nextSlot()) + 1;
    await cluster.chain.untilSlot(from + SLOTS);
    const done = await cluster.assertAllDone(from, from + SLOTS - 1);
    assert(done > 0, "there were duties");
    const acts = cluster.node(LIAR).log.filter(({ msg }) => msg === "This operator misbehaved.");
    for (const name of BEHAVIOURS) {
      assert(
        acts.some(({ behaviour }) => behaviour === name),
        `BYZ-2: ${name} acted`,
      );
    }
    console.log(done, acts.length, acts.at(-1));
  });

  it("is caught: its peers count what they refuse of it, and of nobody else", async () => {
    for (const node of [0, 2, 3]) {
      const metrics = await cluster.node(node).metrics();
      const refusedOf = (peer: number) =>
        metrics("coterie_rejections_total", { peer: String(peer), code: "bad_signature" });
      assert(refusedOf(LIAR) > 0, `node ${node} refused the liar's forgeries`);
      for (const honest of [0, 2, 3]) assert.equal(refusedOf(honest), 0);
    }
  });
});
