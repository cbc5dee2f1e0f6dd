import type { Millis } from "../domain/units.ts";

/** A pending timer; cancelling one that fired is harmless. */
export interface Timer {
  cancel(): void;
}

/** Time as the node sees it. The simulator moves it by hand. */
export interface Clock {
  /** Unix time in milliseconds. May step when the operator's clock is corrected. */
  now(): Millis;
  /** Milliseconds since an arbitrary start; never steps back. */
  monotonic(): Millis;
  /** Runs `callback` once when {@link now} reaches `at`; in the next turn when that has passed. */
  at(at: Millis, callback: () => void): Timer;
  /** Resolves after `delayMs`; rejects with `signal.reason` when the signal aborts first. */
  sleep(delayMs: Millis, signal: AbortSignal): Promise<void>;
}
