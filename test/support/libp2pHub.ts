/** Real libp2p nodes on ephemeral loopback ports. */
import assert from "node:assert/strict";
import { freePorts } from "../../scripts/demo/cluster.ts";
import {
  createLibp2pNetwork,
  type Libp2pNetwork,
  type Libp2pNetworkOptions,
} from "../../src/adapters/p2p/libp2pNetwork.ts";
import { clusterScope } from "../../src/adapters/p2p/scope.ts";
import { systemClock } from "../../src/adapters/system/clock.ts";
import { type PeerIndex, rootOf } from "../../src/domain/keys.ts";
import type { Logger } from "../../src/ports/logger.ts";
import type { Metrics } from "../../src/ports/metrics.ts";
import type { Network } from "../../src/ports/network.ts";
import { publicKeyOf, secretKeyOf } from "./identities.ts";

export const LOCK_HASH = rootOf(new Uint8Array(32).fill(7));

export type LogLine = { readonly level: string; readonly message: string; readonly fields: object };

/** Collects into `lines` what is logged at any level. */
export function collectingLogger(lines: LogLine[], context: object = {}): Logger {
  const at =
    (level: string) =>
    (message: string, fields: object = {}): void => {
      lines.push({ level, message, fields: { ...context, ...fields } });
    };
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: (fields) => collectingLogger(lines, { ...context, ...fields }),
  };
}

/** Metrics whose counters can be summed over their labels. */
export function countingMetrics(): Metrics & { sum(name: string): number } {
  const sums = new Map<string, number>();
  return {
    counter: ({ name }) => ({ add: (amount) => sums.set(name, (sums.get(name) ?? 0) + amount) }),
    gauge: () => ({ set: () => undefined }),
    histogram: () => ({ observe: () => undefined }),
    sum: (name) => sums.get(name) ?? 0,
  };
}

/** Options of node `self` in a cluster of `ports.length`; port 0 stands for an unknown address. */
export function nodeOptions(self: PeerIndex, ports: readonly number[]): Libp2pNetworkOptions {
  return {
    secretKey: secretKeyOf(self),
    self,
    peers: ports.flatMap((port, index) =>
      index === self
        ? []
        : {
            index,
            publicKey: publicKeyOf(index),
            addresses: port === 0 ? [] : [`/ip4/127.0.0.1/tcp/${port}`],
          },
    ),
    listen: [`/ip4/127.0.0.1/tcp/${ports[self] ?? 0}`],
    scope: clusterScope(LOCK_HASH),
    validateGossip: () => "accept",
    clock: systemClock,
    logger: collectingLogger([]),
    metrics: countingMetrics(),
  };
}

export type Libp2pHubOptions = {
  readonly nodes: number;
  /** Pairs whose nodes know no address of each other. */
  readonly cut?: readonly (readonly [PeerIndex, PeerIndex])[];
} & Partial<Libp2pNetworkOptions>;

export class Libp2pHub {
  readonly #options: Libp2pHubOptions;
  readonly #ports: readonly number[];
  readonly #nodes = new Map<PeerIndex, Libp2pNetwork>();

  private constructor(options: Libp2pHubOptions, ports: readonly number[]) {
    this.#options = options;
    this.#ports = ports;
  }

  static async create(options: Libp2pHubOptions): Promise<Libp2pHub> {
    const hub = new Libp2pHub(options, await freePorts(options.nodes));
    await Promise.all(hub.#ports.map((_, node) => hub.start(node)));
    return hub;
  }

  network(node: PeerIndex): Network {
    return this.node(node).network;
  }

  node(node: PeerIndex): Libp2pNetwork {
    const started = this.#nodes.get(node);
    assert(started !== undefined, `node ${node} was started`);
    return started;
  }

  async start(node: PeerIndex): Promise<void> {
    const { nodes: _, cut = [], ...overrides } = this.#options;
    const isCut = (peer: PeerIndex): boolean =>
      cut.some((pair) => pair.includes(node) && pair.includes(peer));
    const ports = this.#ports.map((port, peer) => (isCut(peer) ? 0 : port));
    const started = await createLibp2pNetwork({ ...nodeOptions(node, ports), ...overrides });
    this.#nodes.set(node, started);
    await started.start();
  }

  async stop(node: PeerIndex): Promise<void> {
    await this.node(node).stop();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#nodes.values()].map((node) => node.stop()));
  }
}
