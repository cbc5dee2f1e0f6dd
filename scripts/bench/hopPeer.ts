/**
 * The other end of a hop: a process with the node's own libp2p adapter that sends every frame back.
 * Started by `hops.ts`, which tells it the cluster of two that they play.
 */
import { createLibp2pNetwork } from "../../src/adapters/p2p/libp2pNetwork.ts";
import { clusterScope } from "../../src/adapters/p2p/scope.ts";
import { systemClock } from "../../src/adapters/system/clock.ts";
import { createLogger } from "../../src/adapters/system/logger.ts";
import { createMetrics } from "../../src/adapters/system/metrics.ts";
import type { Root } from "../../src/domain/keys.ts";
import { fromHex } from "../../src/util/bytes.ts";

export type HopCluster = {
  readonly lockHash: string;
  /** Of the echoing side, as 0x hex: a key made for this run. */
  readonly secretKey: string;
  /** The measuring side's public key, as 0x hex. */
  readonly peerKey: string;
};

process.once("message", (cluster: HopCluster) => void echo(cluster));

async function echo({ lockHash, secretKey, peerKey }: HopCluster): Promise<void> {
  const { network, start, addresses } = await createLibp2pNetwork({
    secretKey: fromHex(secretKey) ?? new Uint8Array(),
    self: 1,
    peers: [{ index: 0, publicKey: fromHex(peerKey) ?? new Uint8Array(), addresses: [] }],
    listen: ["/ip4/127.0.0.1/tcp/0"],
    scope: clusterScope(lockHash as Root),
    validateGossip: () => "ignore",
    clock: systemClock,
    logger: createLogger({ level: "error", format: "json" }),
    metrics: createMetrics({}),
  });
  network.onFrame("consensus", ({ from, bytes }) => {
    network.send(from, "consensus", bytes);
  });
  await start();
  const [address = ""] = addresses();
  process.send?.(address.replace(/\/p2p\/.*$/, ""));
}
