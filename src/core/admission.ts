/**
 * The way of own partial signatures through the safety gate: verified under our PubShares, checked
 * and made durable by the gate, and only then handed on (GATE: persist, then speak).
 */
import type { Admitted, PartialSignatureSet } from "../domain/data.ts";
import type { Duty } from "../domain/duty.ts";
import { messageOf, type RefusalReason } from "../domain/errors.ts";
import type { Chain } from "../eth2/chain.ts";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import type { Counter, Metrics } from "../ports/metrics.ts";
import type { Refused, SafetyGate } from "../safety/gate.ts";
import { Listeners } from "../util/listeners.ts";
import type { Background } from "./background.ts";
import type { Deadlines } from "./deadlines.ts";
import type { Admission, AdmissionOutcome, Signed, Tracker } from "./interfaces.ts";
import type { SignatureVerifier } from "./signatureVerifier.ts";
import { tasksByValidator } from "./tasks.ts";

type AdmissionParts = {
  readonly gate: SafetyGate;
  readonly verifier: SignatureVerifier;
  readonly deadlines: Pick<Deadlines, "signalOf">;
  /** Resolves once this node may sign at all after its start. */
  readonly untilWitnessed: (signal: AbortSignal) => Promise<void>;
  readonly background: Background;
  readonly tracker: Tracker;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly chain: Pick<Chain, "slotAt">;
  readonly clock: Pick<Clock, "now">;
};

/** Two slots of every duty type, each from two validator clients. */
const MAX_FROZEN_SETS = 64;

export class GateAdmission implements Admission {
  readonly #parts: AdmissionParts;
  readonly #admitted = new Listeners<[Admitted<PartialSignatureSet>]>();
  readonly #refusals: Counter;
  /** What freezes refused lately, newest last. */
  #frozen: readonly Signed[] = [];

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
      async () => {
        // WITNESS-3: a duty that was decided just after a start waits for the peers' answers.
        await this.#parts.untilWitnessed(this.#parts.deadlines.signalOf(signed.set.duty));
        await this.submit(signed);
      },
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
    this.#keepFrozen({ tasks, set, caller }, refused);
    return { unverified, refused };
  }

  /** FREEZE-4: whoever unfreezes does not wait for the next duty. */
  resume(): void {
    const { chain, clock } = this.#parts;
    const oldest = chain.slotAt(clock.now()) - 1;
    const waiting = this.#frozen.filter(({ set }) => set.duty.slot >= oldest);
    this.#frozen = [];
    for (const signed of waiting) this.admit(signed);
  }

  #keepFrozen(signed: Signed, refused: readonly Refused[]): void {
    const frozen = new Set(
      refused
        .filter(({ reason }) => reason.code === "frozen" || reason.code === "foreign_signer")
        .map(({ validator }) => validator),
    );
    if (frozen.size === 0) return;
    const signatures = signed.set.signatures.filter(({ validator }) => frozen.has(validator));
    const kept = { ...signed, set: { ...signed.set, signatures } };
    this.#frozen = [...this.#frozen, kept].slice(-MAX_FROZEN_SETS);
  }

  #refuse(duty: Duty, { code, detail }: RefusalReason, refused: readonly Refused[]): void {
    this.#refusals.add(refused.length, { duty: duty.type, code });
    this.#parts.tracker.noted(duty, code);
    this.#parts.logger.error("The safety gate refused partial signatures.", {
      duty,
      validators: refused.map(({ validator }) => validator),
      code,
      reason: `${messageOf(code)}: ${detail}`,
    });
  }
}
