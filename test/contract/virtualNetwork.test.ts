import { setImmediate as turn } from "node:timers/promises";
import { conditionOf } from "../../sim/conditions.ts";
import { EventLoop } from "../../sim/loop.ts";
import type { NetworkEnd } from "../../sim/networkEnd.ts";
import { SeededRandom } from "../../sim/random.ts";
import { CALM } from "../../sim/scenario.ts";
import { VirtualNetwork } from "../../sim/virtualNetwork.ts";
import type { PeerIndex } from "../../src/domain/keys.ts";
import { assert } from "../../src/util/assert.ts";
import { networkContract } from "./network.ts";

/** Virtual time that passes for each turn of the test's own event loop. */
const STEP_MS = 10;
const LINE_BYTES_PER_SECOND = 100 * 1024 * 1024;

networkContract("the simulator's network", async ({ nodes, cut, validateGossip }) => {
  const loop = new EventLoop();
  const ignore = (): void => undefined;
  const network = new VirtualNetwork({
    loop,
    nodes,
    profile: CALM.network,
    random: new SeededRandom("network contract"),
    watch: {
      sent: ignore,
      received: ignore,
      dropped: ignore,
      pathChanged: ignore,
      penalised: ignore,
      judgeGossip: ({ channel, bytes }) => validateGossip(channel, bytes) === "accept",
    },
  });
  // A line has a capacity: what it cannot take at once waits in the queue.
  network.impose(conditionOf({ kind: "capacity", bytesPerSecond: LINE_BYTES_PER_SECOND }));
  for (const between of cut ?? []) network.impose(conditionOf({ kind: "broken-link", between }));
  const ends = new Map<PeerIndex, NetworkEnd>();
  for (let node = 0; node < nodes; node++) ends.set(node, network.plugIn(node));
  let isOpen = true;
  const pump = (async () => {
    while (isOpen) {
      await loop.run(loop.now + STEP_MS);
      await turn();
    }
  })();
  return {
    network: (node) => {
      const end = ends.get(node);
      assert(end !== undefined, `there is a node ${node}`);
      return end;
    },
    stop: async (node) => network.unplug(node),
    start: async (node) => void ends.set(node, network.plugIn(node)),
    close: async () => {
      isOpen = false;
      await pump;
    },
  };
});
