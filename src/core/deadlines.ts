/**
 * When a duty's state may be dropped. Each duty has one signal that aborts at its deadline or when
 * the node stops; whatever waits for the duty waits on that signal.
 */
import type { Duty, DutyId } from "../domain/duty.ts";
import { dutyId } from "../domain/duty.ts";
import { Cancelled } from "../domain/errors.ts";
import type { DutyKind } from "../duties/kind.ts";
import type { Chain } from "../eth2/chain.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import { Listeners } from "../util/listeners.ts";

type Entry = { readonly controller: AbortController; readonly timer: Timer };

export class Deadlines {
  readonly #clock: Clock;
  readonly #chain: Chain;
  readonly #kindOf: (duty: Duty) => DutyKind;
  readonly #entries = new Map<DutyId, Entry>();
  readonly #expired = new Listeners<[Duty]>();
  #stopped = false;

  constructor(clock: Clock, chain: Chain, kindOf: (duty: Duty) => DutyKind) {
    this.#clock = clock;
    this.#chain = chain;
    this.#kindOf = kindOf;
  }

  isExpired(duty: Duty): boolean {
    return this.#stopped || this.#clock.now() >= this.#expiry(duty);
  }

  /** Aborts with {@link Cancelled} at the duty's deadline; aborted already when that has passed. */
  signalOf(duty: Duty): AbortSignal {
    const known = this.#entries.get(dutyId(duty));
    if (known !== undefined) return known.controller.signal;
    if (this.isExpired(duty)) return AbortSignal.abort(new Cancelled("the deadline has passed"));
    const controller = new AbortController();
    const timer = this.#clock.at(this.#expiry(duty), () => this.#expire(duty, controller));
    this.#entries.set(dutyId(duty), { controller, timer });
    return controller.signal;
  }

  /** Called once for every duty that was asked for, at its deadline. */
  onExpired(handler: (duty: Duty) => void): void {
    this.#expired.add(handler);
  }

  stop(): void {
    this.#stopped = true;
    for (const { controller, timer } of this.#entries.values()) {
      timer.cancel();
      controller.abort(new Cancelled("the node stops"));
    }
    this.#entries.clear();
  }

  #expiry(duty: Duty): number {
    return this.#kindOf(duty).expiresAt(this.#chain, duty.slot);
  }

  #expire(duty: Duty, controller: AbortController): void {
    this.#entries.delete(dutyId(duty));
    controller.abort(new Cancelled("the deadline has passed"));
    this.#expired.emit(duty);
  }
}
