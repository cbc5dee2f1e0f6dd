/** A node's end of the virtual network: the Network port for one life of the node. */
import { sha256Root } from "../src/crypto/sha256.ts";
import type { PeerIndex, Root } from "../src/domain/keys.ts";
import {
  MAX_FRAME_BYTES,
  MAX_GOSSIP_FRAME_BYTES,
  MIN_PEER_SCORE,
  PEER_BAN_MS,
  PEER_PENALTY,
  PEER_RECOVERY_PER_SECOND,
} from "../src/domain/limits.ts";
import type { Millis } from "../src/domain/units.ts";
import type { Channel, Inbound, Network, Path } from "../src/ports/network.ts";
import { assert } from "../src/util/assert.ts";
import { Listeners } from "../src/util/listeners.ts";

/** A frame on its way from one node to the next; `from` is the hop, not always the author. */
export type Hop = Inbound & { readonly to: PeerIndex };

type EndOptions = {
  readonly self: PeerIndex;
  readonly nodes: number;
  readonly now: () => Millis;
  /** Takes a direct frame; false when the queue to the peer is full. */
  readonly send: (hop: Hop) => boolean;
  readonly gossip: (hop: Hop) => void;
  /** Whether a gossiped frame is to be taken and forwarded. */
  readonly forward: (hop: Hop) => boolean;
  readonly onPath: (peer: PeerIndex, path: Path) => void;
  readonly onPenalty: (peer: PeerIndex, code: string) => void;
  readonly onBan: () => void;
};

/** A peer's score at an instant; it recovers with time. */
type Standing = { score: number; at: Millis; bannedUntil: Millis };

/** Gossiped frames that are recognised when they come again. */
const MAX_SEEN = 4_096;

export class NetworkEnd implements Network {
  readonly #options: EndOptions;
  readonly #handlers = new Map<Channel, (frame: Inbound) => void>();
  readonly #leaving = new Map<Channel, (frame: Uint8Array) => boolean>();
  readonly #pathListeners = new Listeners<[PeerIndex, Path]>();
  readonly #paths = new Map<PeerIndex, Path>();
  readonly #standings = new Map<PeerIndex, Standing>();
  /** In the order of their arrival. */
  readonly #seen = new Set<string>();
  #isDead = false;

  constructor(options: EndOptions) {
    this.#options = options;
  }

  send(peer: PeerIndex, channel: Channel, bytes: Uint8Array): boolean {
    assert(bytes.length > 0 && bytes.length <= MAX_FRAME_BYTES, "a frame is within its limit");
    if (this.#isDead || this.path(peer) === "none") return false;
    const { self, send } = this.#options;
    // What was sent is on its way at once; nothing waits in this process.
    if (this.#leaving.get(channel)?.(bytes) === false) return true;
    return send({ channel, from: self, to: peer, via: "direct", bytes });
  }

  gossip(channel: Channel, bytes: Uint8Array): void {
    assert(bytes.length <= MAX_GOSSIP_FRAME_BYTES, "a gossiped frame is within its limit");
    if (this.#isDead) return;
    this.#see(channel, bytes);
    this.#spread({ channel, from: this.#options.self, via: "gossip", bytes }, null);
  }

  onLeaving(channel: Channel, mayLeave: (frame: Uint8Array) => boolean): void {
    this.#leaving.set(channel, mayLeave);
  }

  settled(): Promise<void> {
    return Promise.resolve();
  }

  onFrame(channel: Channel, handler: (frame: Inbound) => void): void {
    this.#handlers.set(channel, handler);
  }

  onPath(handler: (peer: PeerIndex, path: Path) => void): void {
    this.#pathListeners.add(handler);
  }

  path(peer: PeerIndex): Path {
    return this.#paths.get(peer) ?? "none";
  }

  penalise(peer: PeerIndex, code: string): void {
    const { now, onPenalty, onBan } = this.#options;
    if (this.#isDead) return;
    onPenalty(peer, code);
    const standing = this.#standings.get(peer) ?? { score: 0, at: now(), bannedUntil: 0 };
    const recovered = (PEER_RECOVERY_PER_SECOND * (now() - standing.at)) / 1_000;
    standing.score = Math.min(0, standing.score + recovered) - PEER_PENALTY;
    standing.at = now();
    this.#standings.set(peer, standing);
    if (standing.score > MIN_PEER_SCORE || standing.bannedUntil > now()) return;
    standing.bannedUntil = now() + PEER_BAN_MS;
    standing.score = 0;
    onBan();
  }

  bannedUntil(peer: PeerIndex): Millis {
    return this.#standings.get(peer)?.bannedUntil ?? 0;
  }

  isBanned(peer: PeerIndex): boolean {
    return this.bannedUntil(peer) > this.#options.now();
  }

  setPath(peer: PeerIndex, path: Path): void {
    if (this.path(peer) === path) return;
    this.#paths.set(peer, path);
    this.#options.onPath(peer, path);
    this.#pathListeners.emit(peer, path);
  }

  receive(hop: Hop): void {
    if (this.#isDead) return;
    if (hop.via === "gossip" && !this.#takeGossip(hop)) return;
    const { channel, from, via, bytes } = hop;
    const reply = (answer: Uint8Array): boolean => this.send(from, channel, answer);
    const canReply = via === "direct" && channel === "status";
    this.#handlers.get(channel)?.({ channel, from, via, bytes, ...(canReply && { reply }) });
  }

  /** The machine is off: nothing is taken or sent any more. */
  kill(): void {
    this.#isDead = true;
  }

  /** False when the frame was seen before or is not valid. */
  #takeGossip(hop: Hop): boolean {
    if (!this.#see(hop.channel, hop.bytes) || !this.#options.forward(hop)) return false;
    this.#spread({ ...hop, from: this.#options.self }, hop.from);
    return true;
  }

  #spread(frame: Inbound, cameFrom: PeerIndex | null): void {
    for (let to = 0; to < this.#options.nodes; to++) {
      if (to === cameFrom || this.path(to) === "none") continue;
      this.#options.gossip({ ...frame, to });
    }
  }

  /** False when it was seen before. */
  #see(channel: Channel, bytes: Uint8Array): boolean {
    const key = `${channel}/${digestOf(bytes)}`;
    if (this.#seen.has(key)) return false;
    this.#seen.add(key);
    const [oldest] = this.#seen;
    if (this.#seen.size > MAX_SEEN && oldest !== undefined) this.#seen.delete(oldest);
    return true;
  }
}

/** One array goes to every node: it is hashed once. */
const digests = new WeakMap<Uint8Array, Root>();

function digestOf(bytes: Uint8Array): Root {
  const known = digests.get(bytes);
  if (known !== undefined) return known;
  const digest = sha256Root(bytes);
  digests.set(bytes, digest);
  return digest;
}
