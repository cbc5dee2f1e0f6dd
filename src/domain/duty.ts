/** A unit of work that the beacon chain asks of a validator in one slot. */
import type { Slot } from "./units.ts";

/** Each live duty type has a row in `duties/table.ts`; numbers on the wire live in `wire/`. */
export const DUTY_TYPES = ["attester", "proposer", "randao"] as const;
export type DutyType = (typeof DUTY_TYPES)[number];

export type Duty = { readonly slot: Slot; readonly type: DutyType };
export type DutyId = `${number}/${DutyType}`;

/** The duty as a map key and as the operator reads it in logs: `1234/attester`. */
export function dutyId(duty: Duty): DutyId {
  return `${duty.slot}/${duty.type}`;
}
