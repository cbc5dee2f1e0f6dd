/** The native profile's row per duty type: its number on the wire and when its rounds end. */
import type { Duty, DutyType } from "../domain/duty.ts";
import { MAX_ROUND } from "../domain/limits.ts";
import type { BasisPoints, Round } from "../domain/units.ts";
import { assert } from "../util/assert.ts";
import { DutyType as DutyNumber } from "./generated/coterie/v1/duty_pb.ts";

type WireDuty = { readonly slot: bigint; readonly type: DutyNumber };
/** `roundEnd` is null for a duty that nobody votes on. */
type Row = {
  readonly number: DutyNumber;
  readonly roundEnd: ((round: Round) => BasisPoints) | null;
};

const ROWS: Readonly<Record<DutyType, Row>> = {
  attester: { number: DutyNumber.ATTESTER, roundEnd: (round) => 800 * round },
  // A block takes longer to build and to travel, and there is time before attesters vote on it.
  proposer: { number: DutyNumber.PROPOSER, roundEnd: (round) => 1250 + 850 * (round - 1) },
  randao: { number: DutyNumber.RANDAO, roundEnd: null },
};
const TYPES = new Map(
  (Object.keys(ROWS) as DutyType[]).map((type) => [ROWS[type].number, type] as const),
);

export function dutyNumber(type: DutyType): DutyNumber {
  return ROWS[type].number;
}

/** WIRE-3: identical on every node, as a share of the slot. */
export function roundEnd(type: DutyType, round: Round): BasisPoints {
  assert(round >= 1 && round <= MAX_ROUND, `round ${round} is between 1 and ${MAX_ROUND}`);
  const end = ROWS[type].roundEnd;
  assert(end !== null, `nobody votes on a ${type} duty`);
  return end(round);
}

export function dutyToWire(duty: Duty): WireDuty {
  return { slot: BigInt(duty.slot), type: dutyNumber(duty.type) };
}

/** Null when the duty is absent, of an unknown number, or its slot is no safe integer. */
export function dutyFromWire(duty: WireDuty | undefined): Duty | null {
  const type = TYPES.get(duty?.type ?? DutyNumber.UNSPECIFIED);
  if (duty === undefined || type === undefined) return null;
  return duty.slot > Number.MAX_SAFE_INTEGER ? null : { slot: Number(duty.slot), type };
}
