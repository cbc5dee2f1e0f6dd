/**
 * Whether this machine's clock can be relied on (PRECURSOR-2): one that is set, or that disagrees
 * with the chain, has a node do the wrong slot's duties.
 */
import type { Background } from "../core/background.ts";
import type { HeadFeed } from "../core/headFeed.ts";
import { CLOCK_DISPARITY_MS } from "../domain/limits.ts";
import type { Millis } from "../domain/units.ts";
import type { Chain } from "../eth2/chain.ts";
import type { HeadEvent } from "../ports/beaconNode.ts";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import type { Precursors } from "../safety/precursors.ts";

export type ClockWatchParts = {
  readonly chain: Chain;
  readonly clock: Clock;
  readonly heads: HeadFeed;
  readonly precursors: Pick<Precursors, "count">;
  readonly logger: Logger;
  readonly background: Background;
  readonly signal: AbortSignal;
};

export class ClockWatch {
  readonly #parts: ClockWatchParts;
  #isBehind = false;

  constructor(parts: ClockWatchParts) {
    this.#parts = parts;
  }

  start(): void {
    const { heads, background } = this.#parts;
    heads.onHead((event) => this.#compare(event));
    background.run(() => this.#watch());
  }

  /** The wall clock against the monotonic one, which nobody sets; slewing is far slower. */
  async #watch(): Promise<never> {
    const { clock, chain, signal, precursors, logger } = this.#parts;
    let before = this.#offset();
    for (;;) {
      await clock.sleep(chain.spec.slotDurationMs, signal);
      const offset = this.#offset();
      const byMs = Math.round(offset - before);
      before = offset;
      if (Math.abs(byMs) < CLOCK_DISPARITY_MS) continue;
      precursors.count("clock_drift");
      logger.warn("The clock was set, or the machine stood still. Check its time service.", {
        byMs,
      });
    }
  }

  /** No block is there before its slot begins: where one is, this clock is behind. */
  #compare({ slot }: HeadEvent): void {
    const { chain, clock, precursors, logger } = this.#parts;
    const earlyMs = chain.slotStart(slot) - clock.now();
    const isBehind = earlyMs > CLOCK_DISPARITY_MS;
    if (isBehind) precursors.count("clock_drift");
    if (isBehind && !this.#isBehind) {
      const behindMs = Math.round(earlyMs);
      const text = "The beacon node has a block of a slot that has not begun by this clock.";
      const remedy = "check the time service of this machine and of its beacon node";
      logger.warn(text, { slot, behindMs, remedy });
    }
    this.#isBehind = isBehind;
  }

  #offset(): Millis {
    const { clock } = this.#parts;
    return clock.now() - clock.monotonic();
  }
}
