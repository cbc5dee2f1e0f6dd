/**
 * Bounds: nothing that a node keeps grows beyond what its duties need (CHECK-5). Timers are counted
 * here, since whatever waits in a node waits on one or on a signal that one aborts.
 */
import type { CheckContext, Checker } from "./checker.ts";

/**
 * Timers of one node: per duty alive an expiry, a round, a miss and a few waits; an epoch's duties
 * and a slot more are alive at once, each of a few types.
 */
const TIMERS_PER_SLOT = 16;
const BASE_TIMERS = 64;

export function createBounds({ byzantine, facts, machines, report }: CheckContext): Checker {
  let checked = 0;
  const limit = BASE_TIMERS + TIMERS_PER_SLOT * (facts.spec.slotsPerEpoch + 3);
  return {
    checked: () => checked,
    enterSlot() {
      for (const { self, clock } of machines) {
        if (clock === null || byzantine.has(self)) continue;
        checked++;
        if (clock.pending > limit) report(`node ${self} has ${clock.pending} timers of ${limit}`);
      }
    },
  };
}
