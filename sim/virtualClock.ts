/**
 * One machine's clocks over the loop's true time: the wall clock may be off and may step, the
 * monotonic one runs true from the machine's start. A machine that lost its power has no timers.
 */
import type { Millis } from "../src/domain/units.ts";
import type { Clock, Timer } from "../src/ports/clock.ts";
import type { EventLoop } from "./loop.ts";

type WallTimer = { readonly at: Millis; readonly fire: () => void; armed: Timer };

export class VirtualClock implements Clock {
  readonly #loop: EventLoop;
  readonly #startedAt: Millis;
  /** Those wait for an instant of the wall clock: a step moves them. */
  readonly #timers = new Set<WallTimer>();
  #sleepers = 0;
  #offset: Millis;
  #isDead = false;

  /** @param offset how far the wall clock is ahead of true time */
  constructor(loop: EventLoop, offset: Millis = 0) {
    this.#loop = loop;
    this.#startedAt = loop.now;
    this.#offset = offset;
  }

  now(): Millis {
    return this.#loop.now + this.#offset;
  }

  monotonic(): Millis {
    return this.#loop.now - this.#startedAt;
  }

  at(at: Millis, callback: () => void): Timer {
    if (this.#isDead) return { cancel: () => undefined };
    const fire = (): void => {
      this.#timers.delete(timer);
      callback();
    };
    const timer: WallTimer = { at, fire, armed: this.#loop.at(at - this.#offset, fire) };
    this.#timers.add(timer);
    return {
      cancel: () => {
        timer.armed.cancel();
        this.#timers.delete(timer);
      },
    };
  }

  sleep(delayMs: Millis, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      if (this.#isDead) return;
      const end = (settle: () => void): void => {
        this.#sleepers--;
        settle();
      };
      this.#sleepers++;
      const timer = this.#loop.at(this.#loop.now + delayMs, () => {
        signal.removeEventListener("abort", onAbort);
        if (!this.#isDead) end(resolve);
      });
      const onAbort = (): void => {
        timer.cancel();
        end(() => reject(signal.reason));
      };
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  /** Timers and sleepers that wait: a test may assert that none outlives its owner. */
  get pending(): number {
    return this.#timers.size + this.#sleepers;
  }

  /** How far the wall clock is ahead of true time. */
  get offset(): Millis {
    return this.#offset;
  }

  /** The operator, or NTP, corrects the wall clock. */
  setOffset(offset: Millis): void {
    this.#offset = offset;
    for (const timer of this.#timers) {
      timer.armed.cancel();
      timer.armed = this.#loop.at(timer.at - offset, timer.fire);
    }
  }

  /** As when the power goes: nothing that waits is ever called. */
  kill(): void {
    this.#isDead = true;
    for (const { armed } of this.#timers) armed.cancel();
    this.#timers.clear();
  }
}
