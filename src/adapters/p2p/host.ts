/**
 * The libp2p node: TCP, noise, yamux, gossipsub, circuits, and a door that only cluster members
 * pass.
 */
import { noise } from "@chainsafe/libp2p-noise";
import { circuitRelayServer } from "@libp2p/circuit-relay-v2";
import { type GossipSub, gossipsub, StrictNoSign } from "@libp2p/gossipsub";
import { type Identify, identify } from "@libp2p/identify";
import type { ConnectionGater, Libp2p, PeerId } from "@libp2p/interface";
import { type Ping, ping } from "@libp2p/ping";
import { tcp } from "@libp2p/tcp";
import { yamux } from "@libp2p/yamux";
import type { Multiaddr } from "@multiformats/multiaddr";
import { createLibp2p } from "libp2p";
import { sha256 } from "../../crypto/sha256.ts";
import { UsageError } from "../../domain/errors.ts";
import {
  CONNECT_TIMEOUT_MS,
  KEEP_ALIVE_MS,
  MAX_GOSSIP_FRAME_BYTES,
  MAX_NODES,
  MAX_PENDING_CONNECTIONS,
} from "../../domain/limits.ts";
import type { Circuits } from "./circuits.ts";
import { libp2pKeyOf } from "./identity.ts";

export type Host = Libp2p<{ identify: Identify; ping: Ping; gossip: GossipSub }>;

/** Messages that one gossipsub packet may bundle when it answers a request for several. */
const MAX_BUNDLED_GOSSIP = 64;
const MESSAGE_ID_BYTES = 20;
/** Every topic is known beforehand; the margin is for control messages of a full mesh. */
const MAX_GOSSIP_ITEMS = 512;

export type HostOptions = {
  readonly secretKey: Uint8Array;
  readonly listen: readonly string[];
  /** Multiaddrs under which others reach this node besides those of its own interfaces. */
  readonly announce?: readonly string[];
  readonly topics: readonly string[];
  /** Whether the peer is a member in good standing. */
  readonly isWelcome: (peer: PeerId) => boolean;
  /** Whether it is a relay of ours, which is dialled and never let in. */
  readonly isRelay?: (peer: PeerId) => boolean;
  /** Absent: this node neither reaches nor is reached through anybody else. */
  readonly circuits?: Circuits;
  /** Whether this node carries circuits between other members. */
  readonly carriesForMembers?: boolean;
};

/** Creates the node without starting it. */
export function createHost(options: HostOptions): Promise<Host> {
  const circuits = options.circuits === undefined ? [] : [options.circuits.transport()];
  return createLibp2p({
    ...commonOptions(options),
    transports: [tcpTransport(), ...circuits],
    connectionGater: gaterOf(options),
    services: {
      identify: identify(),
      ping: ping(),
      gossip: createGossip(options.topics),
      ...(options.carriesForMembers === true ? { relay: createMemberRelay() } : {}),
    },
  });
}

/** What nodes and relays have in common. */
export function commonOptions({
  secretKey,
  listen,
  announce = [],
}: Pick<HostOptions, "secretKey" | "listen" | "announce">) {
  return {
    start: false,
    privateKey: libp2pKeyOf(secretKey),
    nodeInfo: { name: "coterie", version: "1", userAgent: "coterie" },
    addresses: { listen: [...listen], appendAnnounce: [...announce] },
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: {
      dialTimeout: CONNECT_TIMEOUT_MS,
      inboundUpgradeTimeout: CONNECT_TIMEOUT_MS,
      maxIncomingPendingConnections: MAX_PENDING_CONNECTIONS,
      // The nodes of a cluster may share one address, at home or behind one router.
      inboundConnectionThreshold: MAX_PENDING_CONNECTIONS,
      // `PeerLink` decides when to dial again.
      reconnectRetries: 0,
    },
    connectionMonitor: { pingInterval: KEEP_ALIVE_MS },
  };
}

/** Nagle's algorithm would hold small frames back for tens of milliseconds. */
export function tcpTransport(): ReturnType<typeof tcp> {
  return tcp({ dialOpts: { noDelay: true }, listenOpts: { noDelay: true } });
}

/** Among members nothing is rationed: the library's limits would cut a cluster's own link. */
function createMemberRelay(): ReturnType<typeof circuitRelayServer> {
  return circuitRelayServer({
    reservations: { maxReservations: MAX_NODES, applyDefaultLimit: false },
  });
}

/** Starts the node; a port that cannot be listened on is the operator's to free (NET-10). */
export async function startHost(
  host: Pick<Host, "start" | "stop">,
  listen: readonly string[],
): Promise<void> {
  try {
    await host.start();
  } catch (error) {
    await host.stop();
    const reason = error instanceof Error ? error.message : String(error);
    const known = LISTEN_PROBLEMS.find(([code]) => reason.includes(code));
    // What libp2p tells besides is for its developers, down to a stack.
    const problem = known?.[1] ?? reason.trim().split("\n")[0];
    throw new UsageError(
      `cannot listen on ${listen.join(", ")}: ${problem}; set another --p2p-tcp-address`,
      { cause: error },
    );
  }
}

const LISTEN_PROBLEMS = [
  ["EADDRINUSE", "another process uses the port, perhaps another node"],
  ["EADDRNOTAVAIL", "the address belongs to no network interface of this machine"],
  ["EACCES", "the port needs more rights than this user has"],
  ["ENOTFOUND", "the host is unknown"],
] as const;

/**
 * NET-2, NET-12. The remote identity is known once the noise handshake is over; who is not a member
 * leaves before a single protocol is offered. Bans are asked for in the same place, and before a
 * circuit is accepted or carried.
 */
function gaterOf({ isWelcome, isRelay = () => false }: HostOptions): ConnectionGater {
  const isUnwelcome = (peer: PeerId): boolean => !isWelcome(peer);
  const mayNotBeDialled = (peer: PeerId): boolean => !isRelay(peer) && isUnwelcome(peer);
  return {
    denyDialPeer: mayNotBeDialled,
    denyDialMultiaddr: (address: Multiaddr) => !address.toString().includes("/p2p/"),
    denyOutboundEncryptedConnection: mayNotBeDialled,
    denyInboundEncryptedConnection: isUnwelcome,
    denyInboundRelayReservation: isUnwelcome,
    denyOutboundRelayedConnection: (from, to) => isUnwelcome(from) || isUnwelcome(to),
    denyInboundRelayedConnection: (_, from) => isUnwelcome(from),
  };
}

/**
 * NET-6. Authorship is proved by our own envelope, so gossipsub neither signs nor numbers: a frame
 * is known by its hash, whoever sends it.
 */
function createGossip(topics: readonly string[]): ReturnType<typeof gossipsub> {
  return gossipsub({
    globalSignaturePolicy: StrictNoSign,
    msgIdFn: (message) => sha256(message.data).subarray(0, MESSAGE_ID_BYTES),
    allowedTopics: [...topics],
    fallbackToFloodsub: false,
    floodPublish: true,
    allowPublishToZeroTopicPeers: true,
    ignoreDuplicatePublishError: true,
    doPX: false,
    runOnLimitedConnection: true,
    // Members may share one address; libp2p would take them for one attacker.
    scoreParams: { IPColocationFactorWeight: 0 },
    maxInboundStreams: 2,
    maxOutboundStreams: 2,
    maxInboundDataLength: MAX_BUNDLED_GOSSIP * MAX_GOSSIP_FRAME_BYTES,
    maxOutboundBufferSize: MAX_BUNDLED_GOSSIP * MAX_GOSSIP_FRAME_BYTES,
    decodeRpcLimits: {
      maxSubscriptions: MAX_NODES,
      maxMessages: MAX_BUNDLED_GOSSIP,
      maxIhaveMessageIDs: MAX_GOSSIP_ITEMS,
      maxIwantMessageIDs: MAX_GOSSIP_ITEMS,
      maxIdontwantMessageIDs: MAX_GOSSIP_ITEMS,
      maxControlMessages: MAX_GOSSIP_ITEMS,
      maxPeerInfos: 0,
    },
  });
}
