/**
 * The {@link Network} port for N nodes in one process, without time: a frame arrives one turn of
 * the event loop after it was sent. Links can be cut, frames lost, and what a Byzantine node says
 * rewritten per receiver, all from outside of the node.
 */
import assert from "node:assert/strict";
import type { PeerIndex } from "../../src/domain/keys.ts";
import {
  MAX_FRAME_BYTES,
  MAX_GOSSIP_FRAME_BYTES,
  MAX_PEER_QUEUE_BYTES,
} from "../../src/domain/limits.ts";
import type { Channel, Inbound, Network, Path } from "../../src/ports/network.ts";
import { toHex } from "../../src/util/bytes.ts";
import { Listeners } from "../../src/util/listeners.ts";

/** A frame on its way from one node to the next; `from` is the hop, not always the author. */
export type Hop<Name extends string = Channel> = Inbound<Name> & { readonly to: PeerIndex };
/** What arrives in place of a frame: nothing, it, another, or several. */
export type Tap<Name extends string = Channel> = (hop: Hop<Name>) => readonly Uint8Array[];
export type Turn = "microtask" | "macrotask";

export class MemoryHub<Name extends string = Channel> {
  readonly #nodes: readonly MemoryNode<Name>[];
  readonly #twins: MemoryNode<Name>[] = [];
  readonly #cut = new Set<string>();
  readonly #stopped = new Set<PeerIndex>();
  readonly #taps = new Map<PeerIndex, Tap<Name>>();
  readonly #turn: Turn;
  readonly validateGossip: (
    channel: Name,
    bytes: Uint8Array,
    hop: Hop<Name>,
  ) => "accept" | "ignore" | "reject";
  #isLost: (hop: Hop<Name>) => boolean = () => false;

  constructor(options: {
    readonly nodes: number;
    readonly turn?: Turn;
    readonly validateGossip?: MemoryHub<Name>["validateGossip"];
  }) {
    this.#turn = options.turn ?? "microtask";
    this.validateGossip = options.validateGossip ?? (() => "accept");
    this.#nodes = Array.from(
      { length: options.nodes },
      (_, self) => new MemoryNode<Name>(self, this),
    );
  }

  /** One more process behind a node's identity; the links are the identity's. */
  twin(node: PeerIndex): MemoryNode<Name> {
    const twin = new MemoryNode<Name>(node, this);
    this.#twins.push(twin);
    return twin;
  }

  network(node: PeerIndex): MemoryNode<Name> {
    const network = this.#nodes[node];
    assert(network !== undefined, `there is no node ${node}`);
    return network;
  }

  cut(a: PeerIndex, b: PeerIndex): void {
    this.#change(() => this.#cut.add(linkOf(a, b)));
  }

  heal(a: PeerIndex, b: PeerIndex): void {
    this.#change(() => this.#cut.delete(linkOf(a, b)));
  }

  /** What is on its way to or from the node is lost. */
  stop(node: PeerIndex): void {
    this.#change(() => this.#stopped.add(node));
  }

  start(node: PeerIndex): void {
    this.#change(() => this.#stopped.delete(node));
  }

  /** Frames for which `isLost` holds vanish; their sender is not told. */
  lose(isLost: (hop: Hop<Name>) => boolean): void {
    this.#isLost = isLost;
  }

  /** Rewrites everything that `node` sends itself, for each receiver apart. */
  tap(node: PeerIndex, tap: Tap<Name>): void {
    this.#taps.set(node, tap);
  }

  isConnected(a: PeerIndex, b: PeerIndex): boolean {
    return a !== b && !this.#isDown(a) && !this.#isDown(b) && !this.#cut.has(linkOf(a, b));
  }

  neighbours(node: PeerIndex): readonly PeerIndex[] {
    return [...this.#nodes.keys()].filter((other) => this.isConnected(node, other));
  }

  /** Delivers in the next turn if the link is still there then. */
  carry(hop: Hop<Name>, sender: MemoryNode<Name> = this.network(hop.from)): void {
    this.#later(() => {
      if (!this.isConnected(hop.from, hop.to) || this.#isLost(hop)) return;
      const twins = this.#twins.filter(({ self }) => self === hop.to);
      for (const node of [this.network(hop.to), ...twins]) {
        const reply = (bytes: Uint8Array): boolean => this.#reply(node, sender, { ...hop, bytes });
        node.receive({ ...hop, ...(hop.via === "direct" && { reply }) });
      }
    });
  }

  /** To the very process that sent `hop`, whoever shares its identity. */
  #reply(from: MemoryNode<Name>, to: MemoryNode<Name>, { channel, bytes }: Hop<Name>): boolean {
    if (!this.isConnected(from.self, to.self)) return false;
    const hop: Hop<Name> = { channel, from: from.self, to: to.self, via: "direct", bytes };
    for (const rewritten of this.tapped(hop)) {
      this.#later(() => {
        if (!this.isConnected(hop.from, hop.to)) return;
        to.receive({ ...hop, bytes: rewritten });
      });
    }
    return true;
  }

  #later(deliver: () => void): void {
    if (this.#turn === "microtask") queueMicrotask(deliver);
    else setImmediate(deliver);
  }

  tapped(hop: Hop<Name>): readonly Uint8Array[] {
    return this.#taps.get(hop.from)?.(hop) ?? [hop.bytes];
  }

  #isDown(node: PeerIndex): boolean {
    return this.#stopped.has(node);
  }

  #change(change: () => void): void {
    const before = this.#nodes.map((_, node) => new Set(this.neighbours(node)));
    change();
    for (const [node, network] of this.#nodes.entries()) {
      for (const peer of this.#nodes.keys()) {
        const isConnected = this.isConnected(node, peer);
        if (isConnected === before[node]?.has(peer)) continue;
        const twins = this.#twins.filter(({ self }) => self === node);
        const path = isConnected ? "direct" : "none";
        for (const each of [network, ...twins]) each.announce(peer, path);
      }
    }
  }
}

export class MemoryNode<Name extends string = Channel> implements Network<Name> {
  /** What {@link penalise} was called with, for tests to look at. */
  readonly penalties: { readonly peer: PeerIndex; readonly code: string }[] = [];
  readonly self: PeerIndex;
  readonly #hub: MemoryHub<Name>;
  readonly #handlers = new Map<Name, (frame: Inbound<Name>) => void>();
  readonly #leaving = new Map<Name, (frame: Uint8Array) => boolean>();
  readonly #pathListeners = new Listeners<[PeerIndex, Path]>();
  readonly #queuedBytes = new Map<string, number>();
  readonly #seen = new Set<string>();

  constructor(self: PeerIndex, hub: MemoryHub<Name>) {
    this.self = self;
    this.#hub = hub;
  }

  send(peer: PeerIndex, channel: Name, bytes: Uint8Array): boolean {
    assert(bytes.length > 0 && bytes.length <= MAX_FRAME_BYTES, "a frame is within its limit");
    if (this.#leaving.get(channel)?.(bytes) === false) return true;
    const queue = `${peer}/${channel}`;
    const queued = this.#queuedBytes.get(queue) ?? 0;
    if (!this.#hub.isConnected(this.self, peer)) return false;
    if (queued + bytes.length > MAX_PEER_QUEUE_BYTES) return false;
    this.#queuedBytes.set(queue, queued + bytes.length);
    // Whatever waits here has left by the next turn.
    queueMicrotask(() => this.#queuedBytes.delete(queue));
    const hop: Hop<Name> = { channel, from: this.self, to: peer, via: "direct", bytes };
    for (const rewritten of this.#hub.tapped(hop)) {
      this.#hub.carry({ ...hop, bytes: rewritten }, this);
    }
    return true;
  }

  gossip(channel: Name, bytes: Uint8Array): void {
    assert(bytes.length <= MAX_GOSSIP_FRAME_BYTES, "a gossiped frame is within its limit");
    this.#seen.add(`${channel}/${toHex(bytes)}`);
    for (const to of this.#hub.neighbours(this.self)) {
      const hop: Hop<Name> = { channel, from: this.self, to, via: "gossip", bytes };
      for (const rewritten of this.#hub.tapped(hop)) {
        this.#hub.carry({ ...hop, bytes: rewritten }, this);
      }
    }
  }

  onLeaving(channel: Name, mayLeave: (frame: Uint8Array) => boolean): void {
    this.#leaving.set(channel, mayLeave);
  }

  settled(): Promise<void> {
    return Promise.resolve();
  }

  onFrame(channel: Name, handler: (frame: Inbound<Name>) => void): void {
    this.#handlers.set(channel, handler);
  }

  onPath(handler: (peer: PeerIndex, path: Path) => void): void {
    this.#pathListeners.add(handler);
  }

  path(peer: PeerIndex): Path {
    return this.#hub.isConnected(this.self, peer) ? "direct" : "none";
  }

  penalise(peer: PeerIndex, code: string): void {
    this.penalties.push({ peer, code });
  }

  announce(peer: PeerIndex, path: Path): void {
    this.#pathListeners.emit(peer, path);
  }

  receive(hop: Hop<Name>): void {
    if (hop.via === "gossip" && !this.#forward(hop)) return;
    const { channel, from, via, bytes, reply } = hop;
    this.#handlers.get(channel)?.({ channel, from, via, bytes, ...(reply && { reply }) });
  }

  /** False when the frame was seen before or is not valid. */
  #forward(hop: Hop<Name>): boolean {
    const key = `${hop.channel}/${toHex(hop.bytes)}`;
    if (this.#seen.has(key)) return false;
    this.#seen.add(key);
    if (this.#hub.validateGossip(hop.channel, hop.bytes, hop) !== "accept") return false;
    for (const to of this.#hub.neighbours(this.self)) {
      if (to !== hop.from) this.#hub.carry({ ...hop, from: this.self, to }, this);
    }
    return true;
  }
}

function linkOf(a: PeerIndex, b: PeerIndex): string {
  return `${Math.min(a, b)}-${Math.max(a, b)}`;
}
