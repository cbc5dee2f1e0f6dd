/** Every duty's row; a duty type without one does not compile. */
import type { DutyType } from "../domain/duty.ts";
import { attester } from "./attester.ts";
import type { DutyKind } from "./kind.ts";
import { proposer } from "./proposer.ts";
import { randao } from "./randao.ts";

export const DUTY_KINDS: Readonly<Record<DutyType, DutyKind>> = { attester, proposer, randao };
