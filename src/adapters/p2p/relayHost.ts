/**
 * A relay: a libp2p node that speaks no protocol of ours and carries circuits between peers, whose
 * traffic is encrypted between the two. It serves the members of given clusters, each among its
 * own, or whoever comes within limits (NET-13).
 */
import { type CircuitRelayService, circuitRelayServer } from "@libp2p/circuit-relay-v2";
import { type Identify, identify } from "@libp2p/identify";
import type { ConnectionGater, Libp2p, PeerId } from "@libp2p/interface";
import { type Ping, ping } from "@libp2p/ping";
import { createLibp2p } from "libp2p";
import { OPEN_RELAY_CIRCUIT_BYTES, OPEN_RELAY_CIRCUIT_MS } from "../../domain/limits.ts";
import type { Metrics } from "../../ports/metrics.ts";
import { commonOptions, startHost, tcpTransport } from "./host.ts";
import { peerIdOf } from "./identity.ts";

export type RelayOptions = {
  /** The relay's identity key, 32 bytes. */
  readonly secretKey: Uint8Array;
  readonly listen: readonly string[];
  readonly announce: readonly string[];
  /** Public keys of each cluster's operators; null serves everybody. */
  readonly clusters: readonly (readonly Uint8Array[])[] | null;
  readonly maxReservations: number;
  readonly maxConnections: number;
  readonly metrics: Metrics;
};

export type Relay = {
  /** Throws a UsageError when an address cannot be listened on. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Multiaddrs of the relay with its peer id. */
  addresses(): readonly string[];
  /** Brings the gauges up to now. */
  observe(): void;
};

type RelayNode = Libp2p<{ identify: Identify; ping: Ping; relay: CircuitRelayService }>;

export async function createRelay(options: RelayOptions): Promise<Relay> {
  const { listen, maxConnections, metrics } = options;
  const common = commonOptions(options);
  const node: RelayNode = await createLibp2p({
    ...common,
    transports: [tcpTransport()],
    connectionGater: gaterOf(options),
    connectionManager: { ...common.connectionManager, maxConnections },
    services: {
      identify: identify(),
      ping: ping(),
      relay: circuitRelayServer({ reservations: limitsOf(options) }),
    },
  });
  const gauge = (name: string, help: string) => metrics.gauge({ name, help });
  const connections = gauge("relay_connections", "Connections of peers with the relay");
  const reservations = gauge("relay_reservations", "Peers that can be reached through the relay");
  return {
    start: () => startHost(node, listen),
    stop: async () => await node.stop(),
    addresses: () => node.getMultiaddrs().map(String),
    observe() {
      connections.set(node.getConnections().length);
      reservations.set(node.services.relay.reservations.size);
    },
  };
}

/** A cluster's own relay rations nothing; an open one cuts a circuit that carries too much. */
function limitsOf({ clusters, maxReservations }: RelayOptions) {
  if (clusters !== null) return { maxReservations, applyDefaultLimit: false };
  return {
    maxReservations,
    applyDefaultLimit: true,
    defaultDataLimit: BigInt(OPEN_RELAY_CIRCUIT_BYTES),
    defaultDurationLimit: OPEN_RELAY_CIRCUIT_MS,
  };
}

/** Strangers leave after the handshake, and members of two clusters do not meet here. */
function gaterOf({ clusters, metrics }: RelayOptions): ConnectionGater {
  const refusals = metrics.counter({
    name: "relay_refused_total",
    help: "Connections and circuits that the relay refused, by reason",
    labels: ["reason"],
  });
  const circuits = metrics.counter({
    name: "relay_circuits_total",
    help: "Circuits that the relay was asked for and allowed",
  });
  const members = clusters?.map((keys) => new Set(keys.map((key) => peerIdOf(key).toString())));
  const isServed = (...peers: readonly PeerId[]): boolean =>
    members?.some((cluster) => peers.every((peer) => cluster.has(peer.toString()))) ?? true;
  const refuse = (isRefused: boolean, reason: string): boolean => {
    if (isRefused) refusals.add(1, { reason });
    return isRefused;
  };
  return {
    // A relay calls nobody: it waits for those whom it serves.
    denyDialPeer: () => true,
    denyInboundEncryptedConnection: (peer) => refuse(!isServed(peer), "not_a_member"),
    denyInboundRelayReservation: (peer) => refuse(!isServed(peer), "not_a_member"),
    denyOutboundRelayedConnection: (from, to) => {
      const isRefused = refuse(!isServed(from, to), "other_cluster");
      if (!isRefused) circuits.add(1);
      return isRefused;
    },
  };
}
