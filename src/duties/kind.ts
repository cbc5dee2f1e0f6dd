/**
 * A duty is a row, not a switch: everything that differs by duty answers these questions, in this
 * order, in `duties/<duty>.ts`.
 */
import type {
  AggregatedSignature,
  DutyDefinition,
  SigningTask,
  SlashingInput,
  UnsignedData,
} from "../domain/data.ts";
import type { Duty, DutyType } from "../domain/duty.ts";
import type { RejectionReason } from "../domain/errors.ts";
import type { LockIndex, Root, Signature } from "../domain/keys.ts";
import type { BasisPoints, Millis, Round, Slot } from "../domain/units.ts";
import type { Chain } from "../eth2/chain.ts";
import type { BeaconNode, ItemFailure } from "../ports/beaconNode.ts";
import type { SignatureCheck } from "../ports/bls.ts";
import type { DutySafety } from "../safety/guards.ts";
import type { Result } from "../util/result.ts";

/** What this node's beacon node says about the duty, as far as it has answered. */
export type OwnView = {
  /** Our own unsigned data for the duty; null while the beacon node has not answered. */
  readonly own: Uint8Array | null;
  /**
   * Slot of the head that the value attests or builds on; null when our beacon node does not know
   * it, undefined while it has not answered or need not be asked.
   */
  readonly headSlot: Slot | null | undefined;
};

export type Judgement =
  | { readonly kind: "accept" }
  | { readonly kind: "refuse"; readonly reason: string }
  /** Ask the beacon node again at the next head event; a refusal if time runs out. */
  | { readonly kind: "ask-again"; readonly reason: string };

export type JudgeContext<D> = {
  readonly round: Round;
  /** The last round in which the value is compared with our own view (VALUE-4). */
  readonly ownViewRounds: Round;
  readonly certified: boolean;
  readonly definitions: readonly D[];
  readonly chain: Chain;
};

/** Group signatures of this node's other duties: a block needs its proposer's randao reveal. */
export type AwaitSignature = (
  duty: Duty,
  validator: LockIndex,
  signal: AbortSignal,
) => Promise<Signature>;

/** `D` is what the scheduler knows of each validator; a row is given its own type's only. */
interface AnyDuty<D extends DutyDefinition> {
  readonly type: DutyType;
  /** What the safety gate has to know of it. */
  readonly safety: DutySafety;
  /** When the duty's data may be fetched and its consensus starts, at the latest. */
  dueAt(chain: Chain, slot: Slot): Millis;
  /** When all state of the duty is dropped. */
  expiresAt(chain: Chain, slot: Slot): Millis;
  /** Our own proposal for the duty's value, or the value itself where nobody votes on it. */
  fetch(options: {
    readonly duty: Duty;
    readonly definitions: readonly D[];
    readonly chain: Chain;
    readonly beacon: BeaconNode;
    readonly awaitSignature: AwaitSignature;
    readonly signal: AbortSignal;
  }): Promise<Uint8Array>;
  /** What each validator's share signs once the value is agreed (checked before). */
  tasks(data: UnsignedData, definitions: readonly D[], chain: Chain): readonly SigningTask[];
}

/** A signed message in the short form that is kept of it, and what it means. */
export type CompactMessage = {
  readonly slot: Slot;
  readonly messageRoot: Root;
  readonly signingRoot: Root;
  readonly slashing: SlashingInput;
};

/** How messages that can be slashed are kept: bytes that show what a signature covers. */
export interface CompactForm<D extends DutyDefinition = DutyDefinition> {
  /** Of the value as the cluster agreed on it. */
  agreed(data: UnsignedData, chain: Chain): Uint8Array;
  /** Of the message that this validator signs. */
  signed(data: UnsignedData, definition: D, chain: Chain): Uint8Array;
  /** Whether {@link agreed} is the whole value, whose root a certificate's signatures cover. */
  readonly isWhole: boolean;
  /** What is signed for a message of the slot that is known by its root alone. */
  signingRoot(messageRoot: Root, slot: Slot, chain: Chain): Root;
  /** Null when the bytes are none of this form. */
  read(bytes: Uint8Array, chain: Chain): CompactMessage | null;
  /** Whether a decision explains a message: some validator may have signed just that. */
  explains(agreed: Uint8Array, signed: Uint8Array, chain: Chain): boolean;
}

/** A duty whose value the cluster agrees on, and whose signatures the beacon node is handed. */
export interface AgreedDuty<D extends DutyDefinition = DutyDefinition> extends AnyDuty<D> {
  readonly consensus: "agree";
  /** Absent where a signature can never be slashed. */
  readonly compact?: CompactForm<D>;
  /** Whether a decided value is kept on disk, so that it survives a restart (FLOW-10). */
  readonly isDurable: boolean;
  /** Largest value, in bytes: what a peer sends beyond is not looked at (VALUE-7). */
  readonly maxValueBytes: number;
  /** VALUE-3: how long a missing value is given to arrive by itself before a peer is asked. */
  readonly pullPatienceBps: BasisPoints;
  /** The deterministic rules: the same answer on every honest node, in every round. */
  check(data: UnsignedData, definitions: readonly D[], chain: Chain): Result<void, RejectionReason>;
  /** Signatures inside a checked value that must verify: deterministic as well. */
  signatureChecks(
    data: UnsignedData,
    definitions: readonly D[],
    chain: Chain,
  ): readonly SignatureCheck[];
  /** Whether our own data is waited for before a value is judged (VALUE-4). */
  readonly needsOwnData: boolean;
  /** The block whose slot {@link OwnView} wants to know; null when the value names none. */
  attestedHead(data: UnsignedData, chain: Chain): Root | null;
  /** The own-view rules of this round. */
  judge(data: UnsignedData, view: OwnView, context: JudgeContext<D>): Judgement;
  /** Hands the group signatures to the beacon node; returns those that it did not take. */
  submit(options: {
    readonly data: UnsignedData;
    readonly signatures: readonly AggregatedSignature[];
    readonly definitions: readonly D[];
    readonly chain: Chain;
    readonly beacon: BeaconNode;
    readonly signal: AbortSignal;
  }): Promise<readonly ItemFailure[]>;
}

/** A duty whose value every node computes alike; its group signatures serve other duties. */
export interface ComputedDuty<D extends DutyDefinition = DutyDefinition> extends AnyDuty<D> {
  readonly consensus: "none";
}

export type DutyKind = AgreedDuty | ComputedDuty;

/** How messages of the duty are kept; null where a signature can never be slashed. */
export function compactFormOf(kind: DutyKind): CompactForm | null {
  return kind.consensus === "agree" ? (kind.compact ?? null) : null;
}
