// Four operators behind routers that let nobody in: all they share is a relay of their own.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { freePorts } from "../../../scripts/demo/cluster.ts";
import { Child } from "../../../scripts/demo/processes.ts";
import { MAIN } from "../../support/command.ts";
import { eventually } from "../../support/eventually.ts";
import { LiveCluster } from "../../support/liveCluster.ts";

const NODES = [0, 1, 2, 3];
/** Every node leads one of as many slots, and one slot is there before the first. */
const PHASE_SLOTS = 5;

test("NET-13: a cluster whose nodes only meet at a relay attests", async (t) => {
  const [http = 0, monitoring = 0] = await freePorts(2);
  const cluster = await LiveCluster.create({ relays: `http://127.0.0.1:${http}` });
  t.after(() => cluster.close());
  const relay = new Child({
    name: "relay",
    args: [
      ...[MAIN, "relay", "--data-dir", join(cluster.dir, "relay"), "--log-format", "json"],
      ...["--cluster-lock", join(cluster.node(0).dataDir, "cluster-lock.json")],
      ...["--p2p-tcp-address", "127.0.0.1:0", "--http-address", `127.0.0.1:${http}`],
      ...["--monitoring-address", `127.0.0.1:${monitoring}`],
    ],
  });
  t.after(() => relay.stop());
  cluster.start(...NODES);
  await cluster.untilReady(...NODES);
  await eventually("every path is there", async () => {
    const pages = await Promise.all(cluster.nodes.map((node) => node.metrics()));
    return pages.every((page) => page("coterie_p2p_peer_relayed") === 3) ? true : null;
  });
  const from = (await cluster.chain.nextSlot()) + 1;
  await cluster.chain.untilSlot(from + PHASE_SLOTS);
  const duties = await cluster.assertAllDone(from, from + PHASE_SLOTS - 3);
  assert.ok(duties > 0);
  t.diagnostic(`${duties} attestations, each of them over the relay`);
  const text = await (await fetch(`http://127.0.0.1:${monitoring}/metrics`)).text();
  assert.match(text, /^coterie_relay_reservations 4$/m);
  assert.match(text, /^coterie_relay_connections 4$/m);
});
