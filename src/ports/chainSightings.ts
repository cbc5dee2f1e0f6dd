import type { Root, Signature } from "../domain/keys.ts";
import type { CommitteeIndex, Epoch, Slot, ValidatorIndex } from "../domain/units.ts";
import type { AttestationData } from "../eth2/types.ts";

/** A block's 112-byte header and its proposer's signature. */
export type SignedHeader = { readonly header: Uint8Array; readonly signature: Signature };

/** An attestation as a block or the pool holds it: usually of many validators. */
export type SeenAttestation = {
  readonly data: AttestationData;
  /** Whose members' bits follow each other; ascending. */
  readonly committees: readonly CommitteeIndex[];
  readonly bits: SeatBits;
  readonly signature: Signature;
};
/** Who of the committees signed; positions count on from one committee to the next. */
export type SeatBits = {
  readonly length: number;
  readonly set: number;
  has(position: number): boolean;
};

export type BlockEvent = { readonly slot: Slot; readonly block: Root };

/**
 * What beacon nodes show of signatures, whoever made them. Calls throw `FaultError` when the world
 * failed and `signal.reason` when the signal aborts first.
 */
export interface ChainSightings {
  /** Null when the node does not know the block. */
  signedHeader(block: Root, signal: AbortSignal): Promise<SignedHeader | null>;
  blockAttestations(block: Root, signal: AbortSignal): Promise<readonly SeenAttestation[]>;
  /** Attestations of the slot that no block holds yet, as far as the node keeps them. */
  poolAttestations(slot: Slot, signal: AbortSignal): Promise<readonly SeenAttestation[]>;
  /** Members of the slot's committees on the canonical chain, by the committee's index. */
  committees(
    slot: Slot,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<CommitteeIndex, readonly ValidatorIndex[]>>;
  /** Those of the validators that the node saw active in the epoch. */
  liveValidators(
    epoch: Epoch,
    indices: readonly ValidatorIndex[],
    signal: AbortSignal,
  ): Promise<readonly ValidatorIndex[]>;
  /** Each block that an endpoint imported, canonical or not, until the signal aborts. */
  onBlock(handler: (event: BlockEvent) => void, signal: AbortSignal): void;
  /** Validators that a slashing just heard of convicts, until the signal aborts. */
  onSlashing(handler: (indices: readonly ValidatorIndex[]) => void, signal: AbortSignal): void;
}
