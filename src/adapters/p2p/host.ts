/** The libp2p node: TCP, noise, yamux, gossipsub, and a door that only cluster members pass. */
import { noise } from "@chainsafe/libp2p-noise";
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
import { libp2pKeyOf } from "./identity.ts";

export type Host = Libp2p<{ identify: Identify; ping: Ping; gossip: GossipSub }>;

/** Messages that one gossipsub packet may bundle when it answers a request for several. */
const MAX_BUNDLED_GOSSIP = 64;
const MESSAGE_ID_BYTES = 20;
/** Every topic is known beforehand; the margin is for control messages of a full mesh. */
const MAX_GOSSIP_ITEMS = 512;

/** Creates the node without starting it. */
export function createHost(options: {
  readonly secretKey: Uint8Array;
  readonly listen: readonly string[];
  readonly topics: readonly string[];
  readonly isWelcome: (peer: PeerId) => boolean;
}): Promise<Host> {
  return createLibp2p({
    start: false,
    privateKey: libp2pKeyOf(options.secretKey),
    nodeInfo: { name: "coterie", version: "1", userAgent: "coterie" },
    addresses: { listen: [...options.listen] },
    // Nagle's algorithm would hold small frames back for tens of milliseconds.
    transports: [tcp({ dialOpts: { noDelay: true }, listenOpts: { noDelay: true } })],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionGater: gaterOf(options.isWelcome),
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
    services: {
      identify: identify(),
      ping: ping(),
      gossip: createGossip(options.topics),
    },
  });
}

/** Starts the node; a port that cannot be listened on is the operator's to free (NET-10). */
export async function startHost(host: Host, listen: readonly string[]): Promise<void> {
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
 * NET-2. The remote identity is known once the noise handshake is over; who is not a member leaves
 * before a single protocol is offered. Bans are asked for in the same place.
 */
function gaterOf(isWelcome: (peer: PeerId) => boolean): ConnectionGater {
  const isUnwelcome = (peer: PeerId): boolean => !isWelcome(peer);
  return {
    denyDialPeer: isUnwelcome,
    denyDialMultiaddr: (address: Multiaddr) => !address.toString().includes("/p2p/"),
    denyOutboundEncryptedConnection: isUnwelcome,
    denyInboundEncryptedConnection: isUnwelcome,
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
