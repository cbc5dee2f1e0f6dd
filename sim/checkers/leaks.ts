/** Leaks: once a node has stopped in order, no timer and no sleeper of it waits (CHECK-6). */
import type { CheckContext, Checker } from "./checker.ts";

export function createLeaks({ byzantine, machines, report }: CheckContext): Checker {
  let checked = 0;
  return {
    checked: () => checked,
    stopped() {
      for (const { self, clock } of machines) {
        if (clock === null || byzantine.has(self)) continue;
        checked++;
        if (clock.pending > 0) report(`node ${self} left ${clock.pending} timers behind`);
      }
    },
  };
}
