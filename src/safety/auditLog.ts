/**
 * The log of what this node decided to sign and not to sign, and of what its operator changed in
 * that: who came, with which message, and what became of it. `auditChain.ts` makes it
 * tamper-evident; this is what the rest of the program knows of it.
 */
import type { Duty } from "../domain/duty.ts";
import type { RefusalCode } from "../domain/errors.ts";
import { type LockIndex, type PubKey, ROOT_BYTES, type Root, rootOf } from "../domain/keys.ts";

/** A signing decision about one validator's message. */
export type SigningDecision = {
  readonly kind: "signing";
  readonly duty: Duty;
  readonly validator: LockIndex;
  readonly pubKey: PubKey;
  /** Root of the message without domain, as the signer sent it. */
  readonly messageRoot: Root;
  /** Who asked: the built-in signer, or the validator client and where it is. */
  readonly caller: string;
  /** `repeated`: it had been admitted before. `withheld`: admitted by the rules, not let out. */
  readonly verdict: "admitted" | "repeated" | "refused" | "withheld";
  /** Code of the refusal; null where it was admitted. */
  readonly reason: RefusalCode | null;
};

/** Something that an operator or the node itself did to what may be signed. */
export type SafetyAction = {
  readonly kind: "action";
  /** E.g. `freeze`, `unfreeze`, `skip-wait`, `import`. */
  readonly action: string;
  readonly caller: string;
  /** In words: what, on whom, and why. */
  readonly detail: string;
};
export type AuditEvent = SigningDecision | SafetyAction;

/** The chain up to and including one entry. */
export type AuditHead = {
  /** Number of the entry, from 1; 0 before the first. */
  readonly sequence: number;
  /** SHA-256 over the entry and the hash before it. */
  readonly hash: Root;
};

/** The head of a log without entries. */
export const NO_ENTRIES: AuditHead = { sequence: 0, hash: rootOf(new Uint8Array(ROOT_BYTES)) };

export interface AuditLog {
  /** Adds an entry; it becomes durable with the next synced batch, or by {@link flush}. */
  append(event: AuditEvent): void;
  /** Resolves once everything that was appended before is durable. */
  flush(): Promise<void>;
  /** AUDIT-8: so much waits for the disk that nothing may be decided any more. */
  readonly isFull: boolean;
  /** The last durable entry: what this node may state to its peers. */
  readonly head: AuditHead;
}
