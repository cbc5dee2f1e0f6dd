import type { AttesterDefinition } from "../domain/data.ts";
import type { PubKey, Root, Signature } from "../domain/keys.ts";
import type { Epoch, Slot, ValidatorIndex } from "../domain/units.ts";
import type { ProducedBlock, SignedBlock } from "../eth2/blocks.ts";
import type { AttestationData, SignedAttestation } from "../eth2/types.ts";
import type { ChainSightings } from "./chainSightings.ts";

export type Genesis = {
  /** Unix seconds. */
  readonly genesisTime: number;
  readonly genesisValidatorsRoot: Root;
};

export type SyncStatus = {
  readonly headSlot: Slot;
  readonly isSyncing: boolean;
  readonly isElOffline: boolean;
};

/** Status as the Beacon API spells it, e.g. `active_ongoing`, `pending_queued`. */
export type ValidatorState = {
  readonly pubKey: PubKey;
  readonly index: ValidatorIndex;
  readonly status: string;
};

/** An attester duty as the beacon node answers it, before it is matched with the cluster lock. */
export type AttesterDuty = Omit<AttesterDefinition, "validator"> & { readonly slot: Slot };
export type AttesterDuties = {
  readonly dependentRoot: Root;
  readonly duties: readonly AttesterDuty[];
};

/** Who proposes in a slot. */
export type ProposerDuty = {
  readonly slot: Slot;
  readonly pubKey: PubKey;
  readonly validatorIndex: ValidatorIndex;
};
export type ProposerDuties = {
  /** Root of the last block before the epoch: version 1 of the route. */
  readonly dependentRoot: Root;
  readonly duties: readonly ProposerDuty[];
};

/** Whom a validator's blocks pay. */
export type ProposerPreparation = {
  readonly validatorIndex: ValidatorIndex;
  /** 20 bytes as 0x hex. */
  readonly feeRecipient: `0x${string}`;
};

export type HeadEvent = {
  readonly slot: Slot;
  readonly block: Root;
  readonly previousDutyDependentRoot: Root;
  readonly currentDutyDependentRoot: Root;
};

/** One item of a batch that the beacon node did not take. */
export type ItemFailure = { readonly index: number; readonly message: string };

/**
 * The beacon node(s) of this operator: the typed subset of the Beacon API that the node calls.
 * Several endpoints hide behind one port (fallback, submissions to all). Every call throws
 * `FaultError` when the world failed and `signal.reason` when the signal aborts first.
 */
export interface BeaconNode extends ChainSightings {
  genesis(signal: AbortSignal): Promise<Genesis>;
  /** `/eth/v1/config/spec` as it came: names to decimal or hex texts. */
  spec(signal: AbortSignal): Promise<Readonly<Record<string, unknown>>>;
  syncStatus(signal: AbortSignal): Promise<SyncStatus>;
  /** States of those validators that the chain knows. */
  validators(pubKeys: readonly PubKey[], signal: AbortSignal): Promise<readonly ValidatorState[]>;
  attesterDuties(
    epoch: Epoch,
    indices: readonly ValidatorIndex[],
    signal: AbortSignal,
  ): Promise<AttesterDuties>;
  attestationData(slot: Slot, signal: AbortSignal): Promise<AttestationData>;
  /** Slot of a known block, null when the node does not know it. */
  blockSlot(root: Root, signal: AbortSignal): Promise<Slot | null>;
  /** Submits to every endpoint; resolves when one took them, with the items that none took. */
  submitAttestations(
    attestations: readonly SignedAttestation[],
    signal: AbortSignal,
  ): Promise<readonly ItemFailure[]>;
  /** All proposers of the epoch, the cluster's and others. */
  proposerDuties(epoch: Epoch, signal: AbortSignal): Promise<ProposerDuties>;
  /** A block for the slot, as the best endpoint builds it. */
  produceBlock(
    slot: Slot,
    options: { readonly randaoReveal: Signature },
    signal: AbortSignal,
  ): Promise<ProducedBlock>;
  /**
   * Publishes through every endpoint; resolves when one took it. Throws `beacon_rejected` when all
   * that answered refused it.
   */
  publishBlock(block: SignedBlock, signal: AbortSignal): Promise<void>;
  /** Tells every endpoint; resolves when one took it. */
  prepareProposers(
    preparations: readonly ProposerPreparation[],
    signal: AbortSignal,
  ): Promise<void>;
  /** Head events of any endpoint, each block at most once, until the signal aborts. */
  onHead(handler: (event: HeadEvent) => void, signal: AbortSignal): void;
}
