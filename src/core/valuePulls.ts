/**
 * Asks peers for the bytes of values that did not arrive by themselves: one peer at a time, because
 * a value can be megabytes, and round again with growing pauses, because a frame can be lost.
 */
import type { PeerIndex, Root } from "../domain/keys.ts";
import { MAX_PULLS_PER_PEER } from "../domain/limits.ts";
import type { Millis } from "../domain/units.ts";
import type { Clock, Timer } from "../ports/clock.ts";

type Pull = { readonly peers: Set<PeerIndex>; asked: number; timer: Timer };

export class ValuePulls {
  readonly #clock: Clock;
  readonly #patienceMs: Millis;
  readonly #ask: (peer: PeerIndex, value: Root) => void;
  readonly #pulls = new Map<Root, Pull>();

  constructor(parts: {
    readonly clock: Clock;
    /**
     * VALUE-3: how long a missing value is given to arrive by itself before a peer is asked, and
     * then before the next one is: longer than the spread of one broadcast, short against a round.
     */
    readonly patienceMs: Millis;
    readonly ask: (peer: PeerIndex, value: Root) => void;
  }) {
    this.#clock = parts.clock;
    this.#patienceMs = parts.patienceMs;
    this.#ask = parts.ask;
  }

  isWanted(value: Root): boolean {
    return this.#pulls.has(value);
  }

  /** Wants the value; `peers` are known to have it. */
  want(value: Root, peers: readonly PeerIndex[]): void {
    const known = this.#pulls.get(value);
    if (known !== undefined) for (const peer of peers) known.peers.add(peer);
    else this.#pulls.set(value, { peers: new Set(peers), asked: 0, timer: this.#later(value, 0) });
  }

  /** The value is here. */
  settle(value: Root): void {
    this.#pulls.get(value)?.timer.cancel();
    this.#pulls.delete(value);
  }

  stop(): void {
    for (const value of [...this.#pulls.keys()]) this.settle(value);
  }

  #later(value: Root, rounds: number): Timer {
    const delayMs = this.#patienceMs * 2 ** rounds;
    return this.#clock.at(this.#clock.now() + delayMs, () => this.#askNext(value));
  }

  #askNext(value: Root): void {
    const pull = this.#pulls.get(value);
    if (pull === undefined) return;
    const peers = [...pull.peers];
    const rounds = Math.floor(pull.asked / Math.max(1, peers.length));
    // Nobody answers a peer more often than this; a value that is still missing then is lost.
    if (rounds >= MAX_PULLS_PER_PEER) return;
    const peer = peers[pull.asked % Math.max(1, peers.length)];
    if (peer !== undefined) {
      pull.asked += 1;
      this.#ask(peer, value);
    }
    pull.timer = this.#later(value, rounds);
  }
}
