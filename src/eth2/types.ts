/** Messages of the beacon chain in the project's own shapes: plain numbers and hex roots. */
import type { Root, Signature } from "../domain/keys.ts";
import type { CommitteeIndex, Epoch, Slot, ValidatorIndex } from "../domain/units.ts";
import type { ForkName } from "./forkNames.ts";

/** Consensus specs, phase 0, Checkpoint. */
export type Checkpoint = { readonly epoch: Epoch; readonly root: Root };

/** Consensus specs, phase 0, AttestationData; 128 bytes as SSZ. */
export type AttestationData = {
  readonly slot: Slot;
  readonly index: CommitteeIndex;
  readonly beaconBlockRoot: Root;
  readonly source: Checkpoint;
  readonly target: Checkpoint;
};

/**
 * One validator's signed attestation with all that any fork's submission container asks for;
 * `eth2/forks.ts` knows which container that is.
 */
export type SignedAttestation = {
  /** The fork of the attestation's slot; also the `Eth-Consensus-Version` of its submission. */
  readonly fork: ForkName;
  readonly data: AttestationData;
  readonly validatorIndex: ValidatorIndex;
  readonly committeeIndex: CommitteeIndex;
  readonly committeeLength: number;
  readonly validatorCommitteeIndex: number;
  readonly signature: Signature;
};

/** Who signed a submitted attestation: before EIP-7549 only its seat in the committee says so. */
export type AttesterSeat =
  | { readonly kind: "validator"; readonly validatorIndex: ValidatorIndex }
  | {
      readonly kind: "position";
      readonly committeeIndex: CommitteeIndex;
      readonly position: number;
    };

/** An attestation as a validator client submits it, signed with one key. */
export type SubmittedAttestation = {
  readonly data: AttestationData;
  readonly seat: AttesterSeat;
  readonly signature: Signature;
};
