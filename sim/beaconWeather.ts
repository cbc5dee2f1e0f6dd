/** How one operator's beacon node answers while faults last: late, with errors, or not at all. */
import { FaultError } from "../src/domain/errors.ts";
import type { Millis } from "../src/domain/units.ts";
import type { SeededRandom } from "./random.ts";
import type { BeaconFault } from "./scenario.ts";

const ANSWER_SPREAD = 0.4;

export class BeaconWeather {
  readonly #answers: SeededRandom;
  /** Answers that no duty waits for: one more of them shifts no duty's (SIM-2). */
  readonly #asides: SeededRandom;
  readonly #answerMs: Millis;
  readonly #faults = new Set<BeaconFault>();

  /** @param answerMs median time of an answer when nothing is wrong */
  constructor(random: SeededRandom, answerMs: Millis) {
    this.#answers = random;
    this.#asides = random.fork("asides");
    this.#answerMs = answerMs;
  }

  /** Imposes a fault; the result ends it. */
  impose(fault: BeaconFault): () => void {
    this.#faults.add(fault);
    return () => {
      this.#faults.delete(fault);
    };
  }

  /** How long the next answer takes, and the fault that it is, if any. */
  nextAnswer(isAside: boolean): { readonly delayMs: Millis; readonly failure: FaultError | null } {
    const random = isAside ? this.#asides : this.#answers;
    const slow = this.each("beacon-slow").reduce((sum, { byMs }) => sum + byMs, 0);
    const fair = this.#answerMs === 0 ? 0 : random.logNormal(this.#answerMs, ANSWER_SPREAD);
    const delayMs = fair + slow;
    if (this.isOffline) {
      return { delayMs: 0, failure: new FaultError("beacon_unreachable", "connection refused") };
    }
    const isFailing = this.each("beacon-errors").some(({ rate }) => random.chance(rate));
    const failure = isFailing ? new FaultError("beacon_unreachable", "503") : null;
    return { delayMs, failure };
  }

  get isOffline(): boolean {
    return this.each("beacon-offline").length > 0;
  }

  get refuses(): boolean {
    return this.each("beacon-refuses").length > 0;
  }

  each<K extends BeaconFault["kind"]>(kind: K): readonly (BeaconFault & { kind: K })[] {
    const found: (BeaconFault & { kind: K })[] = [];
    for (const fault of this.#faults) {
      if (fault.kind === kind) found.push(fault as BeaconFault & { kind: K });
    }
    return found;
  }
}
