/**
 * What flows between the workflow's components. The workflow never looks inside `value`: only
 * `duties/` and `eth2/` do.
 */
import type { Brand } from "../util/brand.ts";
import type { Duty } from "./duty.ts";
import type { LockIndex, PubKey, Root, ShareIndex, Signature } from "./keys.ts";
import type { CommitteeIndex, Epoch, Slot, ValidatorIndex } from "./units.ts";

/** One of the cluster's validators that has the duty. */
export type DutyDefinition = {
  readonly validator: LockIndex;
  readonly pubKey: PubKey;
  readonly validatorIndex: ValidatorIndex;
};
/** The committee seat it attests from in the duty's slot. */
export type AttesterDefinition = DutyDefinition & {
  readonly committeeIndex: CommitteeIndex;
  readonly committeeLength: number;
  readonly committeesAtSlot: number;
  readonly validatorCommitteeIndex: number;
};
/** What the cluster lock says about its blocks. */
export type ProposerDefinition = DutyDefinition & {
  /** Execution-layer address, 20 bytes as lower-case 0x hex. */
  readonly feeRecipient: `0x${string}`;
  /** Null where the lock names none. */
  readonly targetGasLimit: number | null;
};
/** Who of the cluster has the duty; what else is known depends on its type. */
export type DutyDefinitions = readonly DutyDefinition[];

/** A value to be agreed, or agreed, for a duty: the exact bytes and their SHA-256. */
export type UnsignedData = {
  readonly duty: Duty;
  readonly value: Uint8Array;
  readonly root: Root;
};

/** What EIP-3076 must know of a message before it may be signed. */
export type SlashingInput =
  | { readonly kind: "attestation"; readonly source: Epoch; readonly target: Epoch }
  | { readonly kind: "block"; readonly slot: Slot };

/** One message that one validator's share is to sign for a duty. */
export type SigningTask = {
  readonly validator: LockIndex;
  readonly pubKey: PubKey;
  /** Hash tree root of the message without domain; what travels between peers. */
  readonly messageRoot: Root;
  /** Root with domain; what BLS signs. */
  readonly signingRoot: Root;
  /** Null where a signature can never be slashed. */
  readonly slashing: SlashingInput | null;
};

/** A signature by one key share over one validator's message. */
export type PartialSignature = {
  readonly validator: LockIndex;
  readonly messageRoot: Root;
  readonly signature: Signature;
};

/** All partial signatures of one share for one duty: the unit that travels between peers. */
export type PartialSignatureSet = {
  readonly duty: Duty;
  readonly shareIndex: ShareIndex;
  readonly signatures: readonly PartialSignature[];
};

/** A group signature over one validator's message, valid under the validator's public key. */
export type AggregatedSignature = {
  readonly validator: LockIndex;
  readonly messageRoot: Root;
  readonly signature: Signature;
};
export type AggregatedSet = {
  readonly duty: Duty;
  readonly signatures: readonly AggregatedSignature[];
};

/** Author authenticated, duty expected, size within limits; no BLS signature checked. */
export type Received<T> = Brand<T, "Received">;
/** Every BLS signature checked; minted only in `core/signatureVerifier.ts`. */
export type Verified<T> = Brand<T, "Verified">;
/** Safety gate passed, record durable on disk; minted only in `safety/gate.ts`. */
export type Admitted<T> = Verified<T> & Brand<T, "Admitted">;
