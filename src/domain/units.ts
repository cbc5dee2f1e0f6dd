/** Units of the beacon chain and of time: plain numbers, none reaches 2^53 in our lifetime. */

export type Slot = number;
export type Epoch = number;
/** Index of a validator in the beacon state. */
export type ValidatorIndex = number;
/** Index of a beacon committee within its slot. */
export type CommitteeIndex = number;
/** Unix time, or a duration, in milliseconds. */
export type Millis = number;
/** One ten-thousandth of a slot. */
export type BasisPoints = number;
/** QBFT round; the first is 1. */
export type Round = number;

export const BASIS_POINTS: BasisPoints = 10_000;
