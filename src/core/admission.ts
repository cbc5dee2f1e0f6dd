/**
 * The way of own partial signatures through the safety gate: verified under our PubShares, checked
 * and made durable by the gate, and only then handed on (GATE: persist, then speak).
 */
import type { Admitted, PartialSignatureSet } from "../domain/data.ts";
import type { Duty } from "../domain/duty.ts";
import type { RefusalReason } from "../domain/errors.ts";
import type { Logger } from "../ports/logger.ts";
import type { Counter, Metrics } from "../ports/metrics.ts";
import type { Refused, SafetyGate } from "../safety/gate.ts";
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

  async submit({ tasks, set, caller }: Signed): Promise<AdmissionOutcome> {
    const { verifier, gate, tracker } = this.#parts;
    const verified = await verifier.verifyOwn(set, tasksByValidator(tasks));
    const valid = new Set(verified.signatures.map(({ validator }) => validator));
    const all = set.signatures.map(({ validator }) => validator);
    const unverified = all.filter((validator) => !valid.has(validator));
    if (unverified.length > 0) {
      tracker.noted(set.duty, "an own partial signature does not verify under its public share");
    }
    if (valid.size === 0) return { unverified, refused: [] };
    const { admitted, refused } = await gate.admit({ tasks, set: verified, caller });
    // What refuses all of them, as a full disk does, is told once.
    for (const [reason, same] of Map.groupBy(refused, ({ reason }) => reason)) {
      this.#refuse(set.duty, reason, same);
    }
    if (admitted !== null) this.#admitted.emit(admitted);
    return { unverified, refused };
  }

  #refuse(duty: Duty, { code, detail }: RefusalReason, refused: readonly Refused[]): void {
    this.#refusals.add(refused.length, { duty: duty.type, code });
    this.#parts.tracker.noted(duty, code);
    this.#parts.logger.error("The safety gate refused partial signatures.", {
      duty,
      validators: refused.map(({ validator }) => validator),
      code,
      reason: detail,
    });
  }
}
