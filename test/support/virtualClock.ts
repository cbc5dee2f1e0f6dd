/**
 * Time that a test moves by hand. Between two timers every promise chain settles (one macrotask),
 * so that what happens at an instant happens before the next one.
 */
import { setImmediate as macrotask } from "node:timers/promises";
import type { Millis } from "../../src/domain/units.ts";
import type { Clock, Timer } from "../../src/ports/clock.ts";

type Entry = { readonly at: Millis; readonly order: number; readonly callback: () => void };

export class VirtualClock implements Clock {
  #now: Millis;
  readonly #start: Millis;
  #order = 0;
  readonly #entries = new Set<Entry>();

  constructor(now: Millis) {
    this.#now = now;
    this.#start = now;
  }

  now(): Millis {
    return this.#now;
  }

  monotonic(): Millis {
    return this.#now - this.#start;
  }

  at(at: Millis, callback: () => void): Timer {
    const entry = { at: Math.max(at, this.#now), order: this.#order++, callback };
    this.#entries.add(entry);
    return { cancel: () => void this.#entries.delete(entry) };
  }

  sleep(delayMs: Millis, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const timer = this.at(this.#now + delayMs, () => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      });
      const onAbort = (): void => {
        timer.cancel();
        reject(signal.reason);
      };
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  /** Timers that are pending: a test may assert that none outlives its owner. */
  get pending(): number {
    return this.#entries.size;
  }

  /** Runs everything that is due up to and including `instant`, in order. */
  async runUntil(instant: Millis): Promise<void> {
    await settle();
    for (let next = this.#next(instant); next !== null; next = this.#next(instant)) {
      this.#entries.delete(next);
      this.#now = next.at;
      next.callback();
      await settle();
    }
    this.#now = Math.max(this.#now, instant);
  }

  #next(until: Millis): Entry | null {
    let first: Entry | null = null;
    for (const entry of this.#entries) {
      if (entry.at > until) continue;
      const isEarlier =
        first === null ||
        entry.at < first.at ||
        (entry.at === first.at && entry.order < first.order);
      if (isEarlier) first = entry;
    }
    return first;
  }
}

/** Lets every promise chain that is ready run to its end. */
async function settle(): Promise<void> {
  await macrotask();
  await macrotask();
}
