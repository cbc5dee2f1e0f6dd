/**
 * The {@link Network} port on libp2p: streams between every two members of one cluster, direct or
 * through a relay, and gossip as the second way around broken links (DESIGN §6, NET-1 to NET-13).
 */
import { TopicValidatorResult } from "@libp2p/gossipsub";
import type { Connection, PeerId, Stream } from "@libp2p/interface";
import type { Multiaddr } from "@multiformats/multiaddr";
import type { PeerIndex } from "../../domain/keys.ts";
import { MAX_GOSSIP_FRAME_BYTES, MAX_REPLY_BUFFER_BYTES } from "../../domain/limits.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import type { Metrics } from "../../ports/metrics.ts";
import type { Channel, Inbound, Network, Path } from "../../ports/network.ts";
import { assert } from "../../util/assert.ts";
import { Listeners } from "../../util/listeners.ts";
import { Circuits } from "./circuits.ts";
import { Dialler } from "./dialler.ts";
import { FrameBudget } from "./frameBudget.ts";
import { LENGTH_BYTES } from "./frames.ts";
import { createHost, type Host, startHost } from "./host.ts";
import { peerIdOf } from "./identity.ts";
import { InboundLane } from "./inboundLane.ts";
import { writeFrame } from "./lane.ts";
import { PeerLink } from "./peerLink.ts";
import { keepRelayConnected } from "./relayConnection.ts";
import { type AskRelay, type RelaySource, relayIdOf } from "./relaySources.ts";
import { Reputation } from "./reputation.ts";
import type { AnyChannel, Scope } from "./scope.ts";
import { Traffic } from "./traffic.ts";

export type GossipVerdict = "accept" | "ignore" | "reject";

export type PeerOptions = {
  readonly index: PeerIndex;
  /** Compressed secp256k1 point, 33 bytes. */
  readonly publicKey: Uint8Array;
  /** Multiaddrs without peer id, e.g. `/ip4/192.0.2.7/tcp/3610`; empty where the peer dials us. */
  readonly addresses: readonly string[];
};

export type Libp2pNetworkOptions<Name extends AnyChannel = Channel> = {
  /** The identity key, 32 bytes. */
  readonly secretKey: Uint8Array;
  readonly self: PeerIndex;
  /** The other operators of the lock. */
  readonly peers: readonly PeerOptions[];
  /** Multiaddrs, e.g. `/ip4/0.0.0.0/tcp/3610`; port 0 takes any free one. */
  readonly listen: readonly string[];
  /** Multiaddrs at which peers may try this node besides those of its interfaces. */
  readonly announce?: readonly string[];
  readonly relays?: { readonly sources: readonly RelaySource[]; readonly ask: AskRelay };
  /** Whether this node carries circuits between other members; absent: no. */
  readonly carriesForMembers?: boolean;
  readonly scope: Scope<Name>;
  /** Whether a frame that `from` gossiped may be delivered and forwarded: its seal decides. */
  readonly validateGossip: (channel: Name, bytes: Uint8Array, from: PeerIndex) => GossipVerdict;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
};

export type Libp2pNetwork<Name extends AnyChannel = Channel> = {
  readonly network: Network<Name>;
  /** Listens and dials; throws a UsageError when an address cannot be listened on. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Multiaddrs that this node listens on, with its peer id. */
  addresses(): readonly string[];
  readonly traffic: Traffic;
};

/** A node's network; frames handed to it must not change afterwards. */
export async function createLibp2pNetwork<Name extends AnyChannel>(
  options: Libp2pNetworkOptions<Name>,
): Promise<Libp2pNetwork<Name>> {
  const reputation = new Reputation(() => options.clock.monotonic());
  const members = new Map(
    options.peers.map(({ index, publicKey }) => [peerIdOf(publicKey).toString(), index]),
  );
  assert(members.size === options.peers.length, "the operators of a lock have different keys");
  const traffic = new Traffic(options.metrics);
  const isWelcome = (peer: PeerId): boolean => {
    const index = members.get(peer.toString());
    const isBanned = index !== undefined && reputation.isBanned(index);
    if (index === undefined || isBanned) traffic.refused(isBanned ? "banned" : "not_a_member");
    return index !== undefined && !isBanned;
  };
  const topics = options.scope.gossiped.map(options.scope.topicOf);
  const relayIds = new Set<string>();
  const isRelay = (peer: PeerId): boolean => relayIds.has(peer.toString());
  const circuits = new Circuits({
    clock: options.clock,
    logger: options.logger,
    mayCarry: (peer) => isRelay(peer) || members.has(peer.toString()),
  });
  const host = await createHost({ ...options, topics, isWelcome, isRelay, circuits });
  const network = new Node({ options, host, members, reputation, traffic, circuits, relayIds });
  return {
    network,
    start: () => network.start(),
    stop: () => network.stop(),
    addresses: () => host.getMultiaddrs().map(String),
    traffic,
  };
}

type Parts<Name extends AnyChannel> = {
  readonly options: Libp2pNetworkOptions<Name>;
  readonly host: Host;
  readonly members: ReadonlyMap<string, PeerIndex>;
  readonly reputation: Reputation;
  readonly traffic: Traffic;
  readonly circuits: Circuits;
  /** Peer ids of the relays that this node uses; they are learned when a relay is dialled. */
  readonly relayIds: Set<string>;
};

type Reading<Name extends AnyChannel> = {
  readonly channel: Name;
  readonly peer: PeerIndex;
  readonly stream: Stream;
  /** Absent where nothing may be answered. */
  readonly reply?: (bytes: Uint8Array) => boolean;
};

class Node<Name extends AnyChannel> implements Network<Name> {
  readonly #options: Libp2pNetworkOptions<Name>;
  readonly #host: Host;
  readonly #members: ReadonlyMap<string, PeerIndex>;
  readonly #reputation: Reputation;
  readonly #traffic: Traffic;
  readonly #circuits: Circuits;
  readonly #relayIds: Set<string>;
  readonly #dialler: Dialler;
  readonly #links: ReadonlyMap<PeerIndex, PeerLink<Name>>;
  readonly #leaving = new Map<Name, (frame: Uint8Array) => boolean>();
  readonly #handlers = new Map<Name, (frame: Inbound<Name>) => void>();
  /** Of its own streams, and apart from them of what it gossips, which others may have said. */
  readonly #budgets: ReadonlyMap<PeerIndex, Readonly<Record<Inbound["via"], FrameBudget>>>;
  readonly #pathListeners = new Listeners<[PeerIndex, Path]>();
  /** The stream that each peer sends a channel's frames on. */
  readonly #inbound = new Map<string, InboundLane>();
  readonly #stopping = new AbortController();
  #running: Promise<unknown> = Promise.resolve();

  constructor(parts: Parts<Name>) {
    this.#options = parts.options;
    this.#host = parts.host;
    this.#members = parts.members;
    this.#reputation = parts.reputation;
    this.#traffic = parts.traffic;
    this.#circuits = parts.circuits;
    this.#relayIds = parts.relayIds;
    this.#dialler = new Dialler(parts.host, parts.circuits);
    const { clock } = parts.options;
    const budget = (): FrameBudget => new FrameBudget(() => clock.monotonic());
    this.#budgets = new Map(
      parts.options.peers.map(({ index }) => [index, { direct: budget(), gossip: budget() }]),
    );
    this.#links = new Map(
      parts.options.peers.map((peer) => [peer.index, this.#createLink(peer.index)]),
    );
  }

  send(peer: PeerIndex, channel: Name, bytes: Uint8Array): boolean {
    return this.#link(peer).send(channel, bytes);
  }

  gossip(channel: Name, bytes: Uint8Array): void {
    assert(bytes.length <= MAX_GOSSIP_FRAME_BYTES, "a gossiped frame is within its limit");
    if (this.#host.status !== "started") return;
    this.#host.services.gossip.publish(this.#options.scope.topicOf(channel), bytes).then(
      ({ recipients }) =>
        this.#traffic.count(
          { channel, via: "gossip", direction: "out" },
          { frames: recipients.length, bytes: recipients.length * bytes.length },
        ),
      (error) => this.#options.logger.debug("A frame was not gossiped.", { channel, error }),
    );
  }

  onLeaving(channel: Name, mayLeave: (frame: Uint8Array) => boolean): void {
    this.#leaving.set(channel, mayLeave);
  }

  async settled(channel: Name): Promise<void> {
    await Promise.all([...this.#links.values()].map((link) => link.settled(channel)));
  }

  onFrame(channel: Name, handler: (frame: Inbound<Name>) => void): void {
    this.#handlers.set(channel, handler);
  }

  onPath(handler: (peer: PeerIndex, path: Path) => void): void {
    this.#pathListeners.add(handler);
  }

  path(peer: PeerIndex): Path {
    return this.#link(peer).path;
  }

  penalise(peer: PeerIndex, code: string): void {
    this.#traffic.penalty(peer, code);
    if (!this.#reputation.penalise(peer)) return;
    this.#options.logger.warn("A peer misbehaves and is disconnected for a while.", { peer, code });
    this.#link(peer).disconnect(new Error("misbehaviour"));
  }

  async start(): Promise<void> {
    for (const channel of this.#options.scope.channels) {
      // Two, for the old stream of a peer may still be closing when its new one arrives.
      await this.#host.handle(
        this.#options.scope.protocolOf(channel),
        (stream, connection) => this.#accept(channel, stream, connection),
        { maxInboundStreams: 2, runOnLimitedConnection: true },
      );
    }
    this.#host.addEventListener("connection:open", ({ detail }) =>
      this.#linkOf(detail.remotePeer)?.connected(detail),
    );
    this.#host.addEventListener("connection:close", ({ detail }) =>
      this.#linkOf(detail.remotePeer)?.disconnected(detail),
    );
    await startHost(this.#host, this.#options.listen);
    this.#startGossip();
    const { signal } = this.#stopping;
    this.#running = Promise.all([
      ...[...this.#links.values()].map((link) => link.run(signal)),
      this.#keepRelays(signal),
      this.#circuits.run(() => this.#host.getConnections(), signal),
    ]);
  }

  async #keepRelays(signal: AbortSignal): Promise<void> {
    const { clock, logger, relays } = this.#options;
    if (relays === undefined) return;
    const { sources, ask } = relays;
    const dial = (addresses: readonly Multiaddr[], within: AbortSignal): Promise<Connection> => {
      for (const address of addresses) this.#relayIds.add(relayIdOf(address));
      return this.#host.dial([...addresses], { signal: within });
    };
    await Promise.all(
      sources.map((source) => keepRelayConnected({ source, ask, dial, clock, logger }, signal)),
    );
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error("the network stops"));
    await this.#running;
    await this.#host.stop();
  }

  #createLink(peer: PeerIndex): PeerLink<Name> {
    const { self, scope, clock, logger } = this.#options;
    const target = this.#targetOf(peer);
    return new PeerLink({
      peer,
      isFirstDialler: self < peer,
      scope,
      dial: (signal) => {
        return this.#reputation.isBanned(peer) ? null : this.#dialler.dial(target, signal);
      },
      dialDirect: (signal) => this.#dialler.dialDirect(target, signal),
      onPath: (path) => {
        this.#traffic.path(peer, path);
        queueMicrotask(() => this.#pathListeners.emit(peer, path));
      },
      onReplies: (channel, stream) => void this.#read({ channel, peer, stream }),
      clock,
      logger: logger.child({ peer }),
      traffic: this.#traffic,
      mayLeave: (channel, frame) => this.#leaving.get(channel)?.(frame) ?? true,
    });
  }

  #targetOf(peer: PeerIndex) {
    const options = this.#options.peers.find(({ index }) => index === peer);
    assert(options !== undefined, `peer ${peer} is another operator of the cluster`);
    return { id: peerIdOf(options.publicKey), addresses: options.addresses };
  }

  #link(peer: PeerIndex): PeerLink<Name> {
    const link = this.#links.get(peer);
    assert(link !== undefined, `peer ${peer} is another operator of the cluster`);
    return link;
  }

  #budget(peer: PeerIndex, via: Inbound["via"]): FrameBudget {
    const budgets = this.#budgets.get(peer);
    assert(budgets !== undefined, `peer ${peer} is another operator of the cluster`);
    return budgets[via];
  }

  #linkOf(peerId: PeerId): PeerLink<Name> | undefined {
    const peer = this.#members.get(peerId.toString());
    return peer === undefined ? undefined : this.#link(peer);
  }

  /** NET-5: one inbound stream per peer and channel; the newest replaces the one before. */
  #accept(channel: Name, stream: Stream, connection: Connection): void {
    const peer = this.#members.get(connection.remotePeer.toString());
    if (peer === undefined) {
      stream.abort(new Error("not a member of the cluster"));
      return;
    }
    const key = `${channel}/${peer}`;
    this.#inbound.get(key)?.reset(new Error("replaced by a newer stream"));
    const reply = (bytes: Uint8Array): boolean => this.#reply(stream, bytes);
    const lane = this.#read({
      channel,
      peer,
      stream,
      ...(this.#options.scope.isAnswered(channel) && { reply }),
    });
    this.#inbound.set(key, lane);
    stream.addEventListener("close", () => {
      if (this.#inbound.get(key) === lane) this.#inbound.delete(key);
    });
  }

  /** Frames that the peer sends on `stream`, at its budget. */
  #read({ channel, peer, stream, reply }: Reading<Name>): InboundLane {
    return new InboundLane({
      stream,
      budget: this.#budget(peer, "direct"),
      clock: this.#options.clock,
      onFrame: (bytes) => {
        this.#traffic.count(
          { channel, via: "direct", direction: "in" },
          { frames: 1, bytes: LENGTH_BYTES + bytes.length },
        );
        this.#deliver({ channel, from: peer, via: "direct", bytes, ...(reply && { reply }) });
      },
      onViolation: () => {
        this.#traffic.drop(channel, "malformed");
        this.penalise(peer, "frame_too_large");
      },
      onThrottled: () => this.#traffic.throttled(peer),
    });
  }

  /** NET-14: on the stream that a frame came on; what does not fit its buffer is not sent. */
  #reply(stream: Stream, bytes: Uint8Array): boolean {
    const size = LENGTH_BYTES + bytes.length;
    if (stream.writeBufferLength + size > MAX_REPLY_BUFFER_BYTES) return false;
    if (!writeFrame(stream, bytes)) return false;
    this.#traffic.count(
      { channel: "status", via: "direct", direction: "out" },
      { frames: 1, bytes: size },
    );
    return true;
  }

  /** NET-6: what does not validate is neither delivered nor forwarded. */
  #startGossip(): void {
    const { gossip } = this.#host.services;
    const { scope } = this.#options;
    const channels = new Map(scope.gossiped.map((channel) => [scope.topicOf(channel), channel]));
    for (const [topic, channel] of channels) {
      gossip.topicValidators.set(topic, (peerId, { data }) =>
        this.#verdictOn(channel, data, this.#members.get(peerId.toString())),
      );
      gossip.subscribe(topic);
    }
    gossip.addEventListener("gossipsub:message", ({ detail }) => {
      const from = this.#members.get(detail.propagationSource.toString());
      const channel = channels.get(detail.msg.topic);
      if (from === undefined || channel === undefined) return;
      const bytes = detail.msg.data;
      this.#traffic.count(
        { channel, via: "gossip", direction: "in" },
        { frames: 1, bytes: bytes.length },
      );
      this.#deliver({ channel, from, via: "gossip", bytes });
    });
  }

  #verdictOn(channel: Name, bytes: Uint8Array, from?: PeerIndex): TopicValidatorResult {
    if (from === undefined) return TopicValidatorResult.Ignore;
    if (!this.#budget(from, "gossip").trySpend()) {
      this.#traffic.drop(channel, "over_budget");
      return TopicValidatorResult.Ignore;
    }
    if (bytes.length > MAX_GOSSIP_FRAME_BYTES) {
      this.#traffic.drop(channel, "malformed");
      this.penalise(from, "frame_too_large");
      return TopicValidatorResult.Reject;
    }
    switch (this.#options.validateGossip(channel, bytes, from)) {
      case "accept":
        return TopicValidatorResult.Accept;
      case "ignore":
        return TopicValidatorResult.Ignore;
      case "reject":
        return TopicValidatorResult.Reject;
    }
  }

  /** In a turn of its own, like path events: a bug in a handler ends the process, not a stream. */
  #deliver(frame: Inbound<Name>): void {
    queueMicrotask(() => {
      const handler = this.#handlers.get(frame.channel);
      if (handler === undefined) this.#traffic.drop(frame.channel, "no_handler");
      else handler(frame);
    });
  }
}
