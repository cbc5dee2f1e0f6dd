/** Asking several candidates in order of preference without waiting long for a silent one. */
import { Cancelled, FaultError } from "../../domain/errors.ts";
import type { Millis } from "../../domain/units.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import { assert } from "../../util/assert.ts";

export type RaceOptions<C, T> = {
  /** At least one, the best first. */
  readonly candidates: readonly C[];
  readonly ask: (candidate: C, signal: AbortSignal) => Promise<T>;
  /** Silence after which the next candidate is asked too, while the earlier ones go on. */
  readonly hedgeAfterMs: Millis;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Called for each candidate that a later one overtook. */
  readonly onOvertaken: (candidate: C) => void;
};

/**
 * The first answer. A fault moves on to the next candidate at once; the first fault is thrown when
 * none is left. Losers are cancelled.
 */
export function raceInOrder<C, T>(options: RaceOptions<C, T>): Promise<T> {
  return new Promise((resolve, reject) => {
    new Race(options, { resolve, reject }).launchNext();
  });
}

class Race<C, T> {
  readonly #options: RaceOptions<C, T>;
  readonly #outcome: { resolve: (value: T) => void; reject: (error: unknown) => void };
  readonly #losers = new AbortController();
  readonly #pending: C[] = [];
  #launched = 0;
  #firstFault: unknown;
  #hedge: Timer | null = null;
  #isOver = false;

  constructor(
    options: RaceOptions<C, T>,
    outcome: { resolve: (value: T) => void; reject: (error: unknown) => void },
  ) {
    assert(options.candidates.length > 0, "a race has a candidate");
    this.#options = options;
    this.#outcome = outcome;
  }

  launchNext(): void {
    const { candidates, ask, clock, hedgeAfterMs, signal } = this.#options;
    this.#hedge?.cancel();
    const candidate = candidates[this.#launched];
    if (candidate === undefined) return;
    this.#launched++;
    this.#pending.push(candidate);
    this.#hedge = clock.at(clock.now() + hedgeAfterMs, () => this.launchNext());
    ask(candidate, AbortSignal.any([signal, this.#losers.signal])).then(
      (value) => this.#won(candidate, value),
      (error) => this.#failed(candidate, error),
    );
  }

  #won(candidate: C, value: T): void {
    if (this.#isOver) return;
    const place = this.#pending.indexOf(candidate);
    for (const slower of this.#pending.slice(0, place)) this.#options.onOvertaken(slower);
    this.#finish();
    this.#outcome.resolve(value);
  }

  #failed(candidate: C, error: unknown): void {
    if (this.#isOver) return;
    this.#pending.splice(this.#pending.indexOf(candidate), 1);
    this.#firstFault ??= error;
    if (!(error instanceof FaultError)) {
      this.#finish();
      this.#outcome.reject(error);
    } else if (this.#launched < this.#options.candidates.length) {
      this.launchNext();
    } else if (this.#pending.length === 0) {
      this.#finish();
      this.#outcome.reject(this.#firstFault);
    }
  }

  #finish(): void {
    this.#isOver = true;
    this.#hedge?.cancel();
    this.#losers.abort(new Cancelled("another beacon node answered first"));
  }
}
