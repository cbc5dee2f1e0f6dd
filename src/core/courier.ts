/**
 * Carries frames between the workflow and the network: straight to every peer that has a path,
 * gossiped and signed for those that have none, and counts what it has to reject.
 */
import type { RejectionCode } from "../domain/errors.ts";
import { ERRORS, type PeerPenalty } from "../domain/errors.ts";
import type { PeerIndex } from "../domain/keys.ts";
import type { Identity } from "../ports/identity.ts";
import type { Logger } from "../ports/logger.ts";
import type { Counter, Metrics } from "../ports/metrics.ts";
import type { Channel, Inbound, Network } from "../ports/network.ts";
import type { Profile, Scope } from "../wire/profile.ts";

/**
 * Takes a frame of an authenticated author; the code says why it was not accepted. A frame that
 * came by gossip has no direct way back.
 */
export type FrameHandler = (
  author: PeerIndex,
  bytes: Uint8Array,
  reply: Inbound["reply"],
) => RejectionCode | null;

type CourierParts = {
  readonly network: Network;
  readonly identity: Identity;
  readonly profile: Profile;
  readonly scope: Scope;
  /** BEAT-4: whether somebody else may reach a peer that this node does not. */
  readonly isBridged: (peer: PeerIndex) => boolean;
  readonly logger: Logger;
  readonly metrics: Metrics;
};

export class Courier {
  readonly #parts: CourierParts;
  readonly #rejections: Counter;

  constructor(parts: CourierParts) {
    this.#parts = parts;
    this.#rejections = parts.metrics.counter({
      name: "rejections_total",
      help: "Frames of a peer that were not accepted",
      labels: ["channel", "code", "peer"],
    });
  }

  /**
   * `bytes` may differ by peer. `gossipPayloads` is asked for only when some peer has no path and
   * gossip may have one.
   */
  broadcast(
    channel: Channel,
    bytes: Uint8Array | ((peer: PeerIndex) => Uint8Array),
    gossipPayloads: () => readonly Uint8Array[],
  ): void {
    const { network, identity, isBridged } = this.#parts;
    let isWanted = false;
    for (let peer = 0; peer < identity.nodes; peer++) {
      if (peer === identity.self) continue;
      const own = typeof bytes === "function" ? bytes(peer) : bytes;
      if (!network.send(peer, channel, own)) isWanted ||= isBridged(peer);
    }
    if (!isWanted) return;
    for (const payload of gossipPayloads()) this.gossip(channel, payload);
  }

  /** To one peer; lost when it has no path, as any frame may be: false then. */
  send(peer: PeerIndex, channel: Channel, bytes: Uint8Array): boolean {
    return this.#parts.network.send(peer, channel, bytes);
  }

  /** Sealed, to everybody that gossip reaches. */
  gossip(channel: Channel, payload: Uint8Array): void {
    const { network, identity, profile, scope } = this.#parts;
    network.gossip(channel, profile.sealGossip(scope, { channel, payload }, identity));
  }

  onFrame(channel: Channel, handler: FrameHandler): void {
    this.#parts.network.onFrame(channel, (frame) => {
      const isDirect = frame.via === "direct";
      const code = isDirect
        ? handler(frame.from, frame.bytes, frame.reply ?? this.#wayBack(frame))
        : this.#openGossip(frame, handler);
      if (code !== null) this.reject(channel, frame.from, code);
    });
  }

  /**
   * Whether a gossiped frame may be delivered and forwarded: its author must be an operator of this
   * cluster. Honest peers forward nothing else, so whoever handed it over pays.
   */
  judgeGossip(channel: Channel, bytes: Uint8Array, from: PeerIndex): "accept" | PeerPenalty {
    const { profile, scope, identity } = this.#parts;
    const opened = profile.openGossip(scope, bytes, identity);
    if (opened.ok && opened.value.channel === channel) return "accept";
    const code = opened.ok ? "malformed" : opened.error.code;
    this.reject(channel, from, code);
    return ERRORS[code].penalty;
  }

  /** Counts the rejection; the peer pays for what no honest node sends. */
  reject(channel: Channel, peer: PeerIndex, code: RejectionCode): void {
    this.#rejections.add(1, { channel, code, peer: String(peer) });
    this.#parts.logger.debug("A frame was not accepted.", { channel, peer, reason: code });
    if (ERRORS[code].penalty === "reject") this.#parts.network.penalise(peer, code);
  }

  /** Where a transport cannot answer on the stream itself. */
  #wayBack({ from, channel }: Inbound): (bytes: Uint8Array) => boolean {
    return (bytes) => this.send(from, channel, bytes);
  }

  #openGossip(frame: Inbound, handler: FrameHandler): RejectionCode | null {
    const { profile, scope, identity } = this.#parts;
    const opened = profile.openGossip(scope, frame.bytes, identity);
    if (!opened.ok) return opened.error.code;
    const { author, channel, payload } = opened.value;
    if (channel !== frame.channel) return "malformed";
    if (author === identity.self) return null;
    // Whoever forwarded it is honest: what the author signed is the author's to answer for.
    const code = handler(author, payload, undefined);
    if (code !== null) this.reject(channel, author, code);
    return null;
  }
}
