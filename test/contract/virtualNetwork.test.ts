import { conditionOf } from "../../sim/conditions.ts";
import { EventLoop } from "../../sim/loop.ts";
import type { NetworkEnd } from "../../sim/networkEnd.ts";
import { SeededRandom } from "../../sim/random.ts";
import { CALM } from "../../sim/scenario.ts";
import { VirtualNetwork } from "../../sim/virtualNetwork.ts";
import { type HubOptions, type NetworkHub, networkContract } from "./network.ts";

const TURN_MS = 50;

networkContract("virtual network", async (options) => hubOf(options));

/** Virtual time goes on by itself, faster than real time, as long as the hub lives. */
function hubOf({ nodes, cut, validateGossip }: HubOptions): NetworkHub {
  const loop = new EventLoop();
  const ignore = (): void => undefined;
  const network = new VirtualNetwork({
    loop,
    nodes,
    profile: CALM.network,
    random: new SeededRandom("contract"),
    watch: {
      sent: ignore,
      received: ignore,
      dropped: ignore,
      pathChanged: ignore,
      penalised: ignore,
      judgeGossip: ({ channel, bytes }) => validateGossip(channel, bytes) === "accept",
    },
  });
  for (const between of cut ?? []) network.impose(conditionOf({ kind: "broken-link", between }));
  const ends: NetworkEnd[] = Array.from({ length: nodes }, (_, node) => network.plugIn(node));
  let isOpen = true;
  const advance = async (): Promise<void> => {
    await loop.run(loop.now + TURN_MS);
    if (isOpen) setTimeout(() => void advance(), 1);
  };
  void advance();
  return {
    network: (node) => ends[node] as NetworkEnd,
    stop: async (node) => network.unplug(node),
    start: async (node) => {
      ends[node] = network.plugIn(node);
    },
    close: async () => {
      isOpen = false;
    },
  };
}
