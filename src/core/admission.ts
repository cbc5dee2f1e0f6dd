/**
 * The way of own partial signatures through the safety gate: verified under our PubShares, checked
 * and made durable by the gate, and only then handed on (GATE: persist, then speak).
 */
import type { Admitted, PartialSignatureSet } from "../domain/data.ts";
import type { LockIndex } from "../domain/keys.ts";
import type { Logger } from "../ports/logger.ts";
import type { Counter, Metrics } from "../ports/metrics.ts";
import type { SafetyGate } from "../safety/gate.ts";
import { Listeners } from "../util/listeners.ts";
import type { Background } from "./background.ts";
import type { Admission, AdmissionOutcome, Signed, Tracker } from "./interfaces.ts";
import type { SignatureVerifier } from "./signatureVerifier.ts";
import { tasksByValidator } from "./tasks.ts";

type AdmissionParts = {
  readonly gate: SafetyGate;
  readonly verifier: SignatureVerifier;
  readonly background: Background;
  readonly tracker: Tracker;
  readonly logger: Logger;
  readonly metrics: Metrics;
};

export class GateAdmission implements Admission {
  readonly #parts: AdmissionParts;
  readonly #admitted = new Listeners<[Admitted<PartialSignatureSet>]>();
  readonly #refusals: Counter;

  constructor(parts: AdmissionParts) {
    this.#parts = parts;
    this.#refusals = parts.metrics.counter({
      name: "gate_refusals_total",
      help: "Partial signatures that the safety gate did not let out",
      labels: ["duty", "code"],
    });
  }

  onAdmitted(handler: (set: Admitted<PartialSignatureSet>) => void): void {
    this.#admitted.add(handler);
  }

  admit(signed: Signed): void {
    const { background, tracker } = this.#parts;
    background.run(
      async () => void (await this.submit(signed)),
      (fault) => tracker.noted(signed.set.duty, fault.code),
    );
  }

  async submit({ tasks, set }: Signed): Promise<AdmissionOutcome> {
    const { verifier, gate, tracker } = this.#parts;
    const verified = await verifier.verifyOwn(set, tasksByValidator(tasks));
    const valid = new Set(verified.signatures.map(({ validator }) => validator));
    const all = set.signatures.map(({ validator }) => validator);
    const unverified = all.filter((validator) => !valid.has(validator));
    if (unverified.length > 0) {
      tracker.noted(set.duty, "an own partial signature does not verify under its public share");
    }
    if (valid.size === 0) return { unverified, refused: [] };
    const { admitted, refused } = await gate.admit({ tasks, set: verified });
    for (const { validator, reason } of refused) this.#refuse(set, validator, reason);
    if (admitted !== null) this.#admitted.emit(admitted);
    return { unverified, refused };
  }

  #refuse(
    { duty }: PartialSignatureSet,
    validator: LockIndex,
    reason: { readonly code: string; readonly detail: string },
  ): void {
    this.#refusals.add(1, { duty: duty.type, code: reason.code });
    this.#parts.tracker.noted(duty, reason.code);
    this.#parts.logger.error("The safety gate refused a partial signature.", {
      duty,
      validator,
      code: reason.code,
      reason: reason.detail,
    });
  }
}
