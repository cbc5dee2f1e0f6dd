/**
 * Asks the peers what was decided in instances in which this node may not vote (CERT-3): after a
 * restart it neither votes nor speaks, so nobody would tell it by themselves.
 */
import type { Duty, DutyId } from "../domain/duty.ts";
import { dutyId } from "../domain/duty.ts";
import type { PeerIndex } from "../domain/keys.ts";
import { MAX_PULLS_PER_PEER } from "../domain/limits.ts";
import type { Millis } from "../domain/units.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import type { Network } from "../ports/network.ts";

type PullParts = {
  readonly clock: Clock;
  readonly network: Pick<Network, "onPath">;
  /** Pause before the second question; each later one is twice as long. */
  readonly patienceMs: Millis;
  /** Asks everybody who has a direct path. */
  readonly askAll: (duty: Duty) => void;
  readonly ask: (peer: PeerIndex, duty: Duty) => void;
};
type Pull = { readonly duty: Duty; asked: number; timer: Timer };

/** Doubled pauses: the last question comes some three slots after the first. */
const MAX_QUESTIONS = MAX_PULLS_PER_PEER / 2;

export class DecisionPulls {
  readonly #parts: PullParts;
  readonly #pulls = new Map<DutyId, Pull>();

  constructor(parts: PullParts) {
    this.#parts = parts;
    // After a start the paths come up one after the other.
    parts.network.onPath((peer, path) => {
      if (path === "none") return;
      for (const { duty } of this.#pulls.values()) parts.ask(peer, duty);
    });
  }

  want(duty: Duty): void {
    if (this.#pulls.has(dutyId(duty))) return;
    this.#parts.askAll(duty);
    this.#pulls.set(dutyId(duty), { duty, asked: 1, timer: this.#later(duty, 0) });
  }

  /** The duty is decided here, or over. */
  settle(duty: Duty): void {
    this.#pulls.get(dutyId(duty))?.timer.cancel();
    this.#pulls.delete(dutyId(duty));
  }

  stop(): void {
    for (const { duty } of [...this.#pulls.values()]) this.settle(duty);
  }

  #later(duty: Duty, doublings: number): Timer {
    const { clock, patienceMs } = this.#parts;
    return clock.at(clock.now() + patienceMs * 2 ** doublings, () => this.#again(duty));
  }

  #again(duty: Duty): void {
    const pull = this.#pulls.get(dutyId(duty));
    if (pull === undefined || pull.asked >= MAX_QUESTIONS) return;
    this.#parts.askAll(duty);
    pull.timer = this.#later(duty, pull.asked);
    pull.asked += 1;
  }
}
