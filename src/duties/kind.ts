/**
 * A duty is a row, not a switch: everything that differs by duty answers these questions, in this
 * order, in `duties/<duty>.ts`.
 */
import type {
  AggregatedSignature,
  DutyDefinitions,
  SigningTask,
  UnsignedData,
} from "../domain/data.ts";
import type { Duty, DutyType } from "../domain/duty.ts";
import type { RejectionReason } from "../domain/errors.ts";
import type { Root } from "../domain/keys.ts";
import type { Millis, Round, Slot } from "../domain/units.ts";
import type { Chain } from "../eth2/chain.ts";
import type { BeaconNode, ItemFailure } from "../ports/beaconNode.ts";
import type { Result } from "../util/result.ts";

/** What this node's beacon node says about the duty, as far as it has answered. */
export type OwnView = {
  /** Our own unsigned data for the duty; null while the beacon node has not answered. */
  readonly own: Uint8Array | null;
  /** Slot of the attested head; null when our beacon node does not know it, undefined: silent. */
  readonly headSlot: Slot | null | undefined;
};

export type Judgement =
  | { readonly kind: "accept" }
  | { readonly kind: "refuse"; readonly reason: string }
  /** Ask the beacon node again at the next head event; a refusal if time runs out. */
  | { readonly kind: "ask-again"; readonly reason: string };

export type RoundContext = { readonly round: Round; readonly certified: boolean };

export interface DutyKind {
  readonly type: DutyType;
  /** When the duty's data may be fetched and its consensus starts, at the latest. */
  dueAt(chain: Chain, slot: Slot): Millis;
  /** When all state of the duty is dropped. */
  expiresAt(chain: Chain, slot: Slot): Millis;
  /** Our own proposal for the duty's value. */
  fetch(options: {
    readonly duty: Duty;
    readonly definitions: DutyDefinitions;
    readonly chain: Chain;
    readonly beacon: BeaconNode;
    readonly signal: AbortSignal;
  }): Promise<Uint8Array>;
  /** The deterministic rules: the same answer on every honest node, in every round. */
  check(
    data: UnsignedData,
    definitions: DutyDefinitions,
    chain: Chain,
  ): Result<void, RejectionReason>;
  /** The block whose slot {@link OwnView} wants to know; null when the value names none. */
  attestedHead(data: UnsignedData): Root | null;
  /** The own-view rules of this round. */
  judge(data: UnsignedData, view: OwnView, context: RoundContext): Judgement;
  /** What each validator's share signs once the value is agreed (checked before). */
  tasks(data: UnsignedData, definitions: DutyDefinitions, chain: Chain): readonly SigningTask[];
  /** Hands the group signatures to the beacon node; returns those that it did not take. */
  submit(options: {
    readonly data: UnsignedData;
    readonly signatures: readonly AggregatedSignature[];
    readonly definitions: DutyDefinitions;
    readonly chain: Chain;
    readonly beacon: BeaconNode;
    readonly signal: AbortSignal;
  }): Promise<readonly ItemFailure[]>;
}
