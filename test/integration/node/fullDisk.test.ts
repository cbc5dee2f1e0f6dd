/**
 * One operator's disk is full: its node signs nothing, says so and serves on; the others attest;
 * with space again it signs, and its history is whole (OPS-7, STORE-7).
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { eventually } from "../../support/eventually.ts";
import { LiveCluster } from "../../support/liveCluster.ts";
import { SmallDisk } from "../../support/smallDisk.ts";

const POOR = 3;

describe("a full disk", () => {
  let cluster: LiveCluster;
  let disk: SmallDisk | null;
  before(async () => {
    cluster = await LiveCluster.create();
    disk = SmallDisk.mountOver(cluster.node(POOR).dataDir);
  });
  after(async () => {
    disk?.unmount();
    await cluster?.close();
  });

  it("stops one node's signatures and nothing else, until there is space again", async (t) => {
    if (disk === null) return t.skip("this user may not mount a small disk");
    cluster.start(0, 1, 2, POOR);
    await cluster.untilReady(0, 1, 2, POOR);
    const node = cluster.node(POOR);
    // Frames would not do: what was admitted before may be sent again to a peer that comes back.
    const admitted = async (): Promise<number> =>
      (await node.metrics())("coterie_duty_step_seconds_count", { step: "admitted" });
    const recoveries = (): number =>
      node.log.filter(({ msg }) => /can be written again/.test(msg)).length;
    const firstSlot = (await cluster.chain.nextSlot()) + 1;
    await eventually("it signs", async () => ((await admitted()) > 0 ? true : null));

    disk.fill();
    await node.untilReason(/nothing is signed: the data directory's disk failed/);
    await node.untilLogged(/cannot be written, so this node signs nothing until it can/);
    const before = await admitted();
    const slot = await cluster.chain.nextSlot();
    await cluster.chain.untilSlot(slot + 2);
    // The database may free some pages of its own when it opens anew; then it may sign again.
    const after = await admitted();
    if (recoveries() === 0) assert.equal(after, before, "nothing was signed");
    assert.equal(await node.isAlive(), true);

    disk.free();
    await node.untilReady();
    await node.untilLogged(/can be written again/);
    await eventually("it signs again", async () => ((await admitted()) > before ? true : null));

    // A record that was acknowledged before, during or after is read back by the next process.
    await node.kill();
    node.start();
    await node.untilReady();
    const lastSlot = await cluster.chain.nextSlot();
    await cluster.assertAllDone(firstSlot, lastSlot);
    assert.deepEqual(await cluster.chain.slashings(), []);
  });
});
