/**
 * How fast one peer is heard (NET-11): a bucket of frames that refills with time. An honest peer
 * never empties it; whoever does waits, so that a flood costs the flooder and nobody else.
 */
import { MAX_PEER_BURST_FRAMES, PEER_FRAMES_PER_SECOND } from "../../domain/limits.ts";
import type { Millis } from "../../domain/units.ts";

export class FrameBudget {
  readonly #monotonic: () => Millis;
  #left = MAX_PEER_BURST_FRAMES;
  #at: Millis;

  constructor(monotonic: () => Millis) {
    this.#monotonic = monotonic;
    this.#at = monotonic();
  }

  /** Takes one frame if one is left. */
  trySpend(): boolean {
    this.#refill();
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }

  #refill(): void {
    const now = this.#monotonic();
    const refilled = ((now - this.#at) / 1_000) * PEER_FRAMES_PER_SECOND;
    this.#left = Math.min(MAX_PEER_BURST_FRAMES, this.#left + refilled);
    this.#at = now;
  }
}
