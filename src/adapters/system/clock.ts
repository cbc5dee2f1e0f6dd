/** The {@link Clock} port on the machine's clocks. */
import type { Millis } from "../../domain/units.ts";
import type { Clock, Timer } from "../../ports/clock.ts";

/** Node's timers take 31 bits; a longer wait fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/**
 * Node's timers run on the monotonic clock, which does not notice a step of the wall clock. Waking
 * once a second bounds how late an instant is reached after the clock was set forward (OPS-5).
 */
const WALL_CLOCK_CHECK_MS = 1000;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),

  at(at: Millis, callback: () => void): Timer {
    return startTimer({
      remainingMs: () => at - Date.now(),
      longestWaitMs: WALL_CLOCK_CHECK_MS,
      callback,
    });
  },

  sleep(delayMs: Millis, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(signal.reason);
        return;
      }
      const endsAt = performance.now() + delayMs;
      const onAbort = (): void => {
        timer.cancel();
        reject(signal.reason);
      };
      const timer = startTimer({
        remainingMs: () => endsAt - performance.now(),
        longestWaitMs: MAX_TIMER_MS,
        callback: () => {
          signal.removeEventListener("abort", onAbort);
          resolve();
        },
      });
      signal.addEventListener("abort", onAbort, { once: true });
    });
  },
};

/** Calls back once `remainingMs` is no longer positive, asked again after each wait. */
function startTimer(options: {
  readonly remainingMs: () => Millis;
  readonly longestWaitMs: Millis;
  readonly callback: () => void;
}): Timer {
  const { remainingMs, longestWaitMs, callback } = options;
  let handle: NodeJS.Timeout;
  const wait = (): void => {
    // Rounded up, or a fraction of a millisecond would be waited for in a busy loop.
    const delayMs = Math.min(Math.ceil(Math.max(remainingMs(), 0)), longestWaitMs);
    handle = setTimeout(() => (remainingMs() > 0 ? wait() : callback()), delayMs);
  };
  wait();
  return { cancel: () => clearTimeout(handle) };
}
