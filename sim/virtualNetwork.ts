/**
 * The network between the operators: delays by region with long tails, connections that break and
 * are made again, and conditions that faults put on it for a while. A node holds its end of it by
 * the Network port; a restarted node holds another one.
 *
 * In its fair state it keeps the port's promise: at most once, in order per peer and channel.
 * Conditions may break that promise (duplication, reordering): a node must bear it.
 */
import type { PeerIndex } from "../src/domain/keys.ts";
import { MAX_PEER_QUEUE_BYTES } from "../src/domain/limits.ts";
import type { Millis } from "../src/domain/units.ts";
import type { Channel, Path } from "../src/ports/network.ts";
import { assert } from "../src/util/assert.ts";
import type { Condition, LinkState } from "./conditions.ts";
import type { EventLoop } from "./loop.ts";
import { type Hop, NetworkEnd } from "./networkEnd.ts";
import type { SeededRandom } from "./random.ts";
import type { NetworkProfile } from "./scenario.ts";
import type { DropReason } from "./trace.ts";

/** What the world sees of the traffic, and whom it asks about gossip. */
export type NetworkWatch = {
  sent(id: number, hop: Hop): void;
  received(id: number, hop: Hop): void;
  dropped(id: number, hop: Hop, reason: DropReason): void;
  pathChanged(node: PeerIndex, peer: PeerIndex, path: Path): void;
  penalised(node: PeerIndex, peer: PeerIndex, code: string): void;
  /** Whether `hop.to` takes and forwards a gossiped frame. */
  judgeGossip(hop: Hop): boolean;
};

type NetworkOptions = {
  readonly loop: EventLoop;
  readonly nodes: number;
  readonly profile: NetworkProfile;
  readonly random: SeededRandom;
  readonly watch: NetworkWatch;
};

/** One direction of a connection. */
type Lane = {
  readonly from: PeerIndex;
  readonly to: PeerIndex;
  readonly random: SeededRandom;
  readonly medianMs: Millis;
  /** When the last frame of each channel arrives: later ones stay behind it. */
  readonly lastArrival: Map<Channel, Millis>;
  /** When the sender's side has put out everything, where its capacity is limited. */
  busyUntil: Millis;
  queuedBytes: number;
  /** Frames that a clog holds, in their order. */
  held: (() => void)[];
};

export class VirtualNetwork {
  readonly #options: NetworkOptions;
  readonly #ends: (NetworkEnd | null)[];
  /** By sender and receiver. */
  readonly #lanes: Lane[] = [];
  /** In the order of their first frames. */
  readonly #lanesInUse: Lane[] = [];
  readonly #conditions = new Set<Condition>();
  /** What the conditions make of each lane, until one of them comes or goes. */
  #states: LinkState[] = [];
  /** Pairs that are connected now; a pair that breaks is noticed later. */
  readonly #connected = new Set<string>();
  readonly #pathTimers = new Map<string, { cancel(): void }>();
  #frames = 0;

  constructor(options: NetworkOptions) {
    this.#options = options;
    this.#ends = Array.from({ length: options.nodes }, () => null);
  }

  /** Plugs a node in, for one life of it; its paths appear after the time that dialling takes. */
  plugIn(self: PeerIndex): NetworkEnd {
    assert(this.#ends[self] === null, `node ${self} is plugged in once`);
    const end = new NetworkEnd({
      self,
      nodes: this.#options.nodes,
      now: () => this.#options.loop.now,
      send: (hop) => this.#send(hop),
      gossip: (hop) => this.#carry(hop),
      forward: (hop) => this.#options.watch.judgeGossip(hop),
      onPath: (peer, path) => this.#options.watch.pathChanged(self, peer, path),
      onPenalty: (peer, code) => this.#options.watch.penalised(self, peer, code),
      onBan: () => this.#reconsider(),
    });
    this.#ends[self] = end;
    // Peers that had not noticed yet that it was gone do now: it dials them anew.
    for (let peer = 0; peer < this.#options.nodes; peer++) this.#disconnect(self, peer);
    this.#reconsider();
    return end;
  }

  /** The node's machine is off: what is on its way to it, or from it, is lost. */
  unplug(self: PeerIndex): void {
    this.#ends[self]?.kill();
    this.#ends[self] = null;
    this.#reconsider();
  }

  /** Puts a condition on the network; the result takes it off again. */
  impose(condition: Condition): () => void {
    this.#conditions.add(condition);
    this.#states = [];
    this.#reconsider();
    return () => {
      this.#conditions.delete(condition);
      this.#states = [];
      this.#reconsider();
      this.#release();
    };
  }

  #send(hop: Hop): boolean {
    const lane = this.#laneOf(hop);
    if (lane.queuedBytes + hop.bytes.length > MAX_PEER_QUEUE_BYTES) {
      const id = ++this.#frames;
      this.#options.watch.sent(id, hop);
      this.#options.watch.dropped(id, hop, "queue-full");
      return false;
    }
    this.#carry(hop);
    return true;
  }

  #carry(hop: Hop): void {
    const { watch } = this.#options;
    const id = ++this.#frames;
    watch.sent(id, hop);
    const state = this.#stateOf(hop);
    const lane = this.#laneOf(hop);
    if (state.isCut) {
      watch.dropped(id, hop, "partition");
      return;
    }
    if (state.loss > 0 && lane.random.chance(state.loss)) {
      watch.dropped(id, hop, "loss");
      return;
    }
    this.#post(id, hop, state);
    if (state.duplication > 0 && lane.random.chance(state.duplication)) this.#post(id, hop, state);
  }

  /** Gives the frame its time of arrival. */
  #post(id: number, hop: Hop, state: LinkState): void {
    const { loop, profile } = this.#options;
    const lane = this.#laneOf(hop);
    const jitter = state.jitterMs === 0 ? 0 : lane.random.between(-state.jitterMs, state.jitterMs);
    const travel = lane.random.logNormal(lane.medianMs, profile.jitter) + state.delayMs + jitter;
    const leaves = this.#leaveAt(lane, hop, state.bytesPerSecond);
    const isHeldBack = state.reordering > 0 && lane.random.chance(state.reordering);
    const fair = Math.max(leaves + Math.max(0, travel), lane.lastArrival.get(hop.channel) ?? 0);
    const arrival = isHeldBack ? fair + lane.random.between(0, state.reorderMs) : fair;
    if (!isHeldBack) lane.lastArrival.set(hop.channel, fair);
    loop.at(arrival, () => this.#arrive(id, hop));
  }

  /** When the sender's line is free for the frame. */
  #leaveAt(lane: Lane, { bytes }: Hop, bytesPerSecond: number): Millis {
    const { loop } = this.#options;
    if (bytesPerSecond === Infinity) return loop.now;
    lane.busyUntil = Math.max(lane.busyUntil, loop.now) + (1_000 * bytes.length) / bytesPerSecond;
    lane.queuedBytes += bytes.length;
    loop.at(lane.busyUntil, () => {
      lane.queuedBytes -= bytes.length;
    });
    return lane.busyUntil;
  }

  #arrive(id: number, hop: Hop): void {
    const { watch } = this.#options;
    const state = this.#stateOf(hop);
    if (state.isClogged) {
      this.#laneOf(hop).held.push(() => this.#arrive(id, hop));
      return;
    }
    const end = this.#ends[hop.to];
    // What a node had sent when its power went still arrives.
    if (end === null || end === undefined) {
      watch.dropped(id, hop, "down");
      return;
    }
    // A connection that broke on the way takes what it carried with it.
    if (state.isCut) {
      watch.dropped(id, hop, "partition");
      return;
    }
    watch.received(id, hop);
    end.receive(hop);
  }

  /** What a clog held arrives at once, in its order, where it has ended. */
  #release(): void {
    for (const lane of this.#lanesInUse) {
      if (lane.held.length === 0) continue;
      if (this.#linkState(lane.from, lane.to).isClogged) continue;
      const held = lane.held;
      lane.held = [];
      for (const arrive of held) this.#options.loop.at(this.#options.loop.now, arrive);
    }
  }

  /** Connections follow what the conditions allow, a while later. */
  #reconsider(): void {
    for (let a = 0; a < this.#options.nodes; a++) {
      for (let b = a + 1; b < this.#options.nodes; b++) this.#reconsiderPair(a, b);
    }
  }

  #reconsiderPair(a: PeerIndex, b: PeerIndex): void {
    const { loop, profile } = this.#options;
    const name = pairOf(a, b);
    this.#pathTimers.get(name)?.cancel();
    this.#pathTimers.delete(name);
    const canConnect = this.#canConnect(a, b);
    if (canConnect === this.#connected.has(name)) return;
    const delay = canConnect ? profile.reconnectMs : profile.noticeMs;
    const timer = loop.at(loop.now + delay, () => {
      this.#pathTimers.delete(name);
      if (canConnect) this.#connect(a, b);
      else this.#disconnect(a, b);
    });
    this.#pathTimers.set(name, timer);
    const until = Math.max(this.#banUntil(a, b), this.#banUntil(b, a));
    // A ban ends by itself: look again then.
    if (until > loop.now) loop.at(until, () => this.#reconsiderPair(a, b));
  }

  #banUntil(node: PeerIndex, peer: PeerIndex): Millis {
    return this.#ends[node]?.bannedUntil(peer) ?? 0;
  }

  #canConnect(a: PeerIndex, b: PeerIndex): boolean {
    const [one, other] = [this.#ends[a], this.#ends[b]];
    if (!one || !other || one.isBanned(b) || other.isBanned(a)) return false;
    return !this.#linkState(a, b).isCut && !this.#linkState(b, a).isCut;
  }

  #connect(a: PeerIndex, b: PeerIndex): void {
    this.#connected.add(pairOf(a, b));
    this.#ends[a]?.setPath(b, "direct");
    this.#ends[b]?.setPath(a, "direct");
  }

  #disconnect(a: PeerIndex, b: PeerIndex): void {
    if (!this.#connected.delete(pairOf(a, b))) return;
    this.#ends[a]?.setPath(b, "none");
    this.#ends[b]?.setPath(a, "none");
  }

  #stateOf({ from, to }: Hop): LinkState {
    return this.#linkState(from, to);
  }

  #linkState(from: PeerIndex, to: PeerIndex): LinkState {
    const position = from * this.#options.nodes + to;
    const known = this.#states[position];
    if (known !== undefined) return known;
    const state: LinkState = {
      isCut: false,
      isClogged: false,
      loss: 0,
      duplication: 0,
      reordering: 0,
      reorderMs: 0,
      delayMs: 0,
      jitterMs: 0,
      bytesPerSecond: Infinity,
    };
    for (const condition of this.#conditions) condition(from, to, state);
    this.#states[position] = state;
    return state;
  }

  #laneOf({ from, to }: { readonly from: PeerIndex; readonly to: PeerIndex }): Lane {
    const position = from * this.#options.nodes + to;
    const known = this.#lanes[position];
    if (known !== undefined) return known;
    const lane: Lane = {
      from,
      to,
      random: this.#options.random.fork(`${from}>${to}`),
      medianMs: this.#medianMs(from, to),
      lastArrival: new Map(),
      busyUntil: 0,
      queuedBytes: 0,
      held: [],
    };
    this.#lanes[position] = lane;
    this.#lanesInUse.push(lane);
    return lane;
  }

  #medianMs(from: PeerIndex, to: PeerIndex): Millis {
    const { regions, latencyMs } = this.#options.profile;
    const regionOf = (node: PeerIndex): string => regions[node] ?? regions.at(-1) ?? "";
    const [a, b] = [regionOf(from), regionOf(to)];
    const median = latencyMs[`${a}/${b}`] ?? latencyMs[`${b}/${a}`];
    assert(median !== undefined, `the scenario says how far ${a} is from ${b}`);
    return median;
  }
}

function pairOf(a: PeerIndex, b: PeerIndex): string {
  return `${Math.min(a, b)}-${Math.max(a, b)}`;
}
