/** Drops what is about duties that cannot be: too far ahead, over, or nobody's in this cluster. */
import type { Duty } from "../domain/duty.ts";
import type { RejectionCode } from "../domain/errors.ts";
import type { Chain } from "../eth2/chain.ts";
import type { Clock } from "../ports/clock.ts";
import type { Deadlines } from "./deadlines.ts";
import type { Scheduler } from "./interfaces.ts";

export class DutyGater {
  readonly #chain: Chain;
  readonly #clock: Clock;
  readonly #deadlines: Deadlines;
  readonly #scheduler: Scheduler;

  constructor(chain: Chain, clock: Clock, deadlines: Deadlines, scheduler: Scheduler) {
    this.#chain = chain;
    this.#clock = clock;
    this.#deadlines = deadlines;
    this.#scheduler = scheduler;
  }

  check(duty: Duty): RejectionCode | null {
    // One slot of grace: a peer's clock may be a little ahead of ours.
    if (duty.slot > this.#chain.slotAt(this.#clock.now()) + 1) return "too_early";
    if (this.#deadlines.isExpired(duty)) return "too_late";
    if (this.#scheduler.definitions(duty).length === 0) return "unexpected_duty";
    return null;
  }
}
