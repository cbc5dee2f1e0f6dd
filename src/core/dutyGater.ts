/** FLOW-4: drops what is about duties that cannot be: too far ahead, over, or not ours. */
import type { Duty } from "../domain/duty.ts";
import type { RejectionCode } from "../domain/errors.ts";
import type { Chain } from "../eth2/chain.ts";
import type { Clock } from "../ports/clock.ts";
import type { Deadlines } from "./deadlines.ts";
import type { Scheduler } from "./interfaces.ts";

type GaterParts = {
  readonly chain: Chain;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly scheduler: Scheduler;
};

export class DutyGater {
  readonly #parts: GaterParts;

  constructor(parts: GaterParts) {
    this.#parts = parts;
  }

  check(duty: Duty): RejectionCode | null {
    const { chain, clock, deadlines, scheduler } = this.#parts;
    // One slot of grace: a peer's clock may be a little ahead of ours.
    if (duty.slot > chain.slotAt(clock.now()) + 1) return "too_early";
    if (deadlines.isExpired(duty)) return "too_late";
    if (scheduler.definitions(duty).length === 0) return "unexpected_duty";
    return null;
  }
}
