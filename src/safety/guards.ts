/**
 * What stands between a verified signature and the slashing rules: each guard knows one reason for
 * which a share must not sign now, whatever the message. The gate asks them in the order of
 * DESIGN §7; a guard that throws lets nothing through (GATE-4).
 */
import type { Duty } from "../domain/duty.ts";
import type { RefusalReason } from "../domain/errors.ts";
import type { LockIndex, PubKey } from "../domain/keys.ts";

/** Parts of a validator's work that an operator may stop, each for itself. */
export const FREEZE_SCOPES = ["all", "attest", "propose", "sync", "exit"] as const;
export type FreezeScope = (typeof FREEZE_SCOPES)[number];

/** Whose share is to sign, and what for. */
export type GuardSubject = {
  readonly validator: LockIndex;
  readonly pubKey: PubKey;
  readonly duty: Duty;
};

export interface GateGuard {
  /** Null while nothing is against it. Synchronous: it is asked within the gate's queue. */
  refusalOf(subject: GuardSubject): RefusalReason | null;
}

/** What the gate has to know of a type of duty; a row of `duties/` says it. */
export type DutySafety = {
  /** The freeze that stops it; one of everything stops it too. */
  readonly scope: Exclude<FreezeScope, "all">;
  /** Different messages that the duty asks of one validator, e.g. one per subcommittee. */
  readonly messagesPerValidator: number;
};
