/**
 * One operator's beacon node is away, broken or lies. The cluster's duties are done all the same,
 * and the operator is told by `/readyz`, the log and the metrics of the node that it concerns.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type AttestationLie, type Faults, NO_FAULTS } from "../../../sim/devchain/faults.ts";
import { nativeProfile } from "../../../src/wire/nativeProfile.ts";
import { eventually } from "../../support/eventually.ts";
import { LiveCluster } from "../../support/liveCluster.ts";

const NODES = 4;
/** The node whose beacon node fails, and the one that was given two. */
const SUFFERER = 3;
const CAREFUL = 2;
const SPARE_ENDPOINT = 4;
/** Begin of epoch 3: the first whose state has a justified checkpoint above genesis. */
const FIRST_JUSTIFICATION = 24;

describe("a beacon node that cannot be relied upon", () => {
  let cluster: LiveCluster;
  let firstSlot = 0;
  /** When which fault was there: the first thing to read when a duty is missing. */
  const phases: string[] = [];
  const phase = (name: string): void => void phases.push(`slot ${cluster.chain.slot}: ${name}`);
  before(async () => {
    cluster = await LiveCluster.create({
      endpointsOf: (node) => (node === CAREFUL ? [node, SPARE_ENDPOINT] : [node]),
    });
    await cluster.chain.setFaults(SUFFERER, { offline: "refuse" });
    cluster.start(0, 1, CAREFUL);
    // With nobody to ask the preset is told; without, it is a fault that a restart repairs (ETH-2).
    cluster.node(SUFFERER).start({ LODESTAR_PRESET: "minimal" });
    await cluster.untilReady(0, 1, CAREFUL);
  });
  after(() => cluster?.close());

  it("is waited for at the start, by name, and the duties begin when it comes", async () => {
    const node = cluster.node(SUFFERER);
    await node.untilReason(/the node is starting; no beacon node answered.*ECONNREFUSED/);
    assert.equal(await node.isAlive(), true);
    await node.untilLogged(/waits for its beacon node/);
    await cluster.chain.setFaults(SUFFERER, NO_FAULTS);
    await node.untilReady();
    firstSlot = (await cluster.chain.nextSlot()) + 1;
    await cluster.chain.untilSlot(firstSlot);
    await node.untilLogged(/A duty is complete/);
  });

  const outages: readonly {
    readonly name: string;
    readonly faults: Partial<Faults>;
    readonly says: RegExp;
  }[] = [
    { name: "is syncing", faults: { syncing: true }, says: /the beacon node is syncing/ },
    { name: "answers 503", faults: { errorStatus: 503 }, says: /the beacon node is syncing/ },
    { name: "answers 500", faults: { errorStatus: 500 }, says: /HTTP 500/ },
    { name: "never answers", faults: { offline: "hang" }, says: /no answer in time/ },
    { name: "is gone", faults: { offline: "refuse" }, says: /ECONNREFUSED/ },
  ];
  for (const { name, faults, says } of outages) {
    it(`costs no duty while it ${name}, and its own node says so until it is well`, async () => {
      const node = cluster.node(SUFFERER);
      phase(name);
      await cluster.chain.setFaults(SUFFERER, faults);
      await node.untilReason(says);
      assert.equal((await node.metrics())("coterie_beacon_endpoint_healthy"), 0);
      assert(node.hasLogged(/A beacon node cannot be used/));
      await cluster.chain.nextSlot();
      await cluster.chain.setFaults(SUFFERER, NO_FAULTS);
      await node.untilReady();
      phase("well again");
    });
  }

  it("OPS-6: is found out by its own node when it goes on lying", async () => {
    const node = cluster.node(SUFFERER);
    phase("wrongTarget at the sufferer");
    await cluster.chain.setFaults(SUFFERER, { attestationLie: "wrongTarget" });
    await node.untilReason(/the beacon node contradicted the cluster in the last 4 duties/);
    await node.untilLogged(/This beacon node should be looked at/);
    const metrics = await node.metrics();
    assert(metrics("coterie_consensus_decisions_total", { own: "other" }) > 0);
    await cluster.chain.setFaults(SUFFERER, NO_FAULTS);
    await node.untilReady();
    phase("honest again");
  });

  it("is replaced by the second one given, without a moment's doubt", async () => {
    const node = cluster.node(CAREFUL);
    const agreed = async (): Promise<number> =>
      (await node.metrics())("coterie_consensus_decisions_total", { own: "same" });
    const before = await agreed();
    phase("first of two endpoints gone");
    await cluster.chain.setFaults(CAREFUL, { offline: "refuse" });
    await eventually("duties agree with the second's view", async () => {
      assert.deepEqual(await node.readiness(), { ready: true, reasons: [] });
      return (await agreed()) >= before + 3 ? true : null;
    });
    const metrics = await node.metrics();
    const healthOf = (endpoint: number): number => {
      const { host } = new URL(cluster.chain.url(endpoint));
      return metrics("coterie_beacon_endpoint_healthy", { endpoint: host });
    };
    assert.deepEqual([healthOf(CAREFUL), healthOf(SPARE_ENDPOINT)], [0, 1]);
    await cluster.chain.setFaults(CAREFUL, NO_FAULTS);
  });

  const lies: readonly { readonly lie: AttestationLie; readonly shows: Counted }[] = [
    { lie: "unknownHead", shows: "refused" },
    { lie: "wrongTarget", shows: "refused" },
    // Found out by its own node: no honest peer could accept it (ATT-6).
    { lie: "farTarget", shows: "withheld" },
    // As above, but where it lies below the target the peers find it out (ATT-4).
    { lie: "futureSource", shows: "either" },
    // The last: the chain needs a justified checkpoint for an older one to be a lie.
    { lie: "oldSource", shows: "refused" },
  ];
  for (const { lie, shows } of lies) {
    it(`costs no duty when it tells the leader ${lie}`, async () => {
      if (lie === "oldSource") await cluster.chain.untilSlot(FIRST_JUSTIFICATION);
      await eventually("a leader was lied to", async () => {
        const before = await count(cluster, shows);
        const leader = leaderOf(cluster.chain.slot + 1);
        await cluster.chain.setFaults(leader, { attestationLie: lie });
        const slot = await cluster.chain.nextSlot();
        phase(`${lie} at node ${leader}`);
        // The duty is done, or decided at least, before the next slot begins.
        await cluster.chain.untilSlot(slot + 0.9);
        await cluster.chain.setFaults(leader, NO_FAULTS);
        // A slot without a duty has no leader to lie to.
        return (await count(cluster, shows)) > before ? true : null;
      });
    });
  }

  it("through all of this every duty got on chain with the right votes", async () => {
    const lastSlot = cluster.chain.slot - 1;
    try {
      const duties = await cluster.assertAllDone(firstSlot, lastSlot);
      assert(duties > lastSlot - firstSlot, "nearly every slot had a duty");
    } catch (cause) {
      throw new Error(phases.join("\n"), { cause });
    }
    assert.deepEqual(await cluster.chain.slashings(), []);
  });
});

/** Lies that a peer refused to prepare, or that came no further than their own node. */
type Counted = "refused" | "withheld" | "either";

async function count(cluster: LiveCluster, counted: Counted): Promise<number> {
  const pages = await Promise.all(cluster.nodes.map((node) => node.metrics()));
  const sum = (name: string, labels = {}): number =>
    pages.reduce((total, metrics) => total + metrics(name, labels), 0);
  const refused = sum("coterie_consensus_values_refused_total");
  const withheld = sum("coterie_consensus_decisions_total", { own: "none" });
  return (counted === "withheld" ? 0 : refused) + (counted === "refused" ? 0 : withheld);
}

function leaderOf(slot: number): number {
  return nativeProfile.leaderOf({ slot, type: "attester" }, 1, NODES);
}
