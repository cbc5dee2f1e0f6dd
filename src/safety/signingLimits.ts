/**
 * How many different messages one share may sign for one duty: as many as the duty asks for, and no
 * more. What was approved before never counts again, so that a client may repeat itself as often as
 * it likes (LIMIT-1). The slashing rules protect attestations and blocks for ever; this protects
 * everything else that a share signs (reveals, selection proofs, sync messages) while it matters.
 */
import { type Duty, type DutyType, dutyId } from "../domain/duty.ts";
import type { RefusalReason } from "../domain/errors.ts";
import type { LockIndex, Root } from "../domain/keys.ts";
import { SIGNING_LIMIT_SLOTS } from "../domain/limits.ts";
import type { Slot } from "../domain/units.ts";

type Signature = { readonly validator: LockIndex; readonly messageRoot: Root };

export class SigningLimits {
  readonly #messagesPerValidator: (duty: Duty) => number;
  /** Approved message roots by slot, type of duty and validator. */
  readonly #approved = new Map<Slot, Map<DutyType, Map<LockIndex, Root[]>>>();
  #newest: Slot = 0;

  constructor(messagesPerValidator: (duty: Duty) => number) {
    this.#messagesPerValidator = messagesPerValidator;
  }

  /** Null while the duty may ask this message of the validator. */
  refusalOf(duty: Duty, { validator, messageRoot }: Signature): RefusalReason | null {
    const approved = this.#of(duty, validator);
    const limit = this.#messagesPerValidator(duty);
    if (approved.includes(messageRoot) || approved.length < limit) return null;
    return {
      code: "rate_limited",
      detail:
        `validator ${validator} signed ${approved.join(", ")} for duty ${dutyId(duty)}, and ` +
        `its limit is ${limit}: ${messageRoot} would be one more. Nothing has to be done unless ` +
        "it happens again; then look for a second validator client with this key share.",
    };
  }

  /** Whether the message was approved before, so that it is no new one now. */
  isApproved(duty: Duty, { validator, messageRoot }: Signature): boolean {
    return this.#of(duty, validator).includes(messageRoot);
  }

  /** Counts from the approval on, whatever becomes of its write: it may be on the disk. */
  approve(duty: Duty, { validator, messageRoot }: Signature): void {
    const ofSlot = this.#approved.get(duty.slot) ?? new Map<DutyType, Map<LockIndex, Root[]>>();
    const ofDuty = ofSlot.get(duty.type) ?? new Map<LockIndex, Root[]>();
    const approved = ofDuty.get(validator);
    if (approved === undefined) ofDuty.set(validator, [messageRoot]);
    else if (!approved.includes(messageRoot)) approved.push(messageRoot);
    this.#approved.set(duty.slot, ofSlot.set(duty.type, ofDuty));
    if (duty.slot <= this.#newest) return;
    this.#newest = duty.slot;
    for (const slot of this.#approved.keys()) {
      if (slot < this.#newest - SIGNING_LIMIT_SLOTS) this.#approved.delete(slot);
    }
  }

  #of({ slot, type }: Duty, validator: LockIndex): readonly Root[] {
    return this.#approved.get(slot)?.get(type)?.get(validator) ?? NONE;
  }
}

const NONE: readonly Root[] = [];
