import { MemoryHub } from "../support/memoryNetwork.ts";
import { networkContract } from "./network.ts";

for (const turn of ["microtask", "macrotask"] as const) {
  networkContract(`memory network, one ${turn} per hop`, async ({ nodes, cut, validateGossip }) => {
    const hub = new MemoryHub({ nodes, turn, validateGossip });
    for (const [a, b] of cut ?? []) hub.cut(a, b);
    return {
      network: (node) => hub.network(node),
      stop: async (node) => hub.stop(node),
      start: async (node) => hub.start(node),
      close: async () => undefined,
    };
  });
}
