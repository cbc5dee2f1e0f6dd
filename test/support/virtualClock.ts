/**
 * The simulator's clock with a loop of its own, moved by hand. Between two instants everything that
 * a test's own doubles hand on by macrotasks arrives too.
 */
import { setImmediate as macrotask } from "node:timers/promises";
import { EventLoop } from "../../sim/loop.ts";
import { VirtualClock as ClockOnLoop } from "../../sim/virtualClock.ts";
import type { Millis } from "../../src/domain/units.ts";

export class VirtualClock extends ClockOnLoop {
  readonly #loop: EventLoop;

  constructor(now: Millis) {
    const loop = new EventLoop(now);
    super(loop);
    this.#loop = loop;
  }

  /** Another machine's clocks in the same time. */
  beside(offset: Millis): ClockOnLoop {
    return new ClockOnLoop(this.#loop, offset);
  }

  /** Runs everything that is due up to and including `instant`, in order. */
  async runUntil(instant: Millis): Promise<void> {
    await settle();
    for (let next = this.#loop.next; next <= instant; next = this.#loop.next) {
      await this.#loop.run(next);
      await settle();
    }
    await this.#loop.run(instant);
  }
}

/** Lets every promise chain that is ready run to its end. */
async function settle(): Promise<void> {
  await macrotask();
  await macrotask();
}
