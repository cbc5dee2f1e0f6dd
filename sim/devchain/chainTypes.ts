/** The Lodestar types this chain works with: every fork from Electra on. */

import type { routes } from "@lodestar/api";
import type { ForkName } from "@lodestar/params";
import type {
  CachedBeaconStateAllForks,
  CachedBeaconStateElectra,
  CachedBeaconStateGloas,
} from "@lodestar/state-transition";
import type {
  Attestation,
  BeaconBlock,
  gloas,
  phase0,
  SignedAggregateAndProof,
  SignedBeaconBlock,
  SSZTypesFor,
} from "@lodestar/types";

export type DevForkName = ForkName.electra | ForkName.fulu | ForkName.gloas;
export type ChainSszTypes = SSZTypesFor<DevForkName>;
export type ChainBlock = BeaconBlock<DevForkName>;
export type SignedChainBlock = SignedBeaconBlock<DevForkName>;
export type ChainAttestation = Attestation<DevForkName>;
export type SignedChainAggregate = SignedAggregateAndProof<DevForkName>;
export type ChainEvent = routes.events.BeaconEvent;

/** The fields every fork of this chain has; a Gloas state lacks only the payload header. */
export type ChainState = CachedBeaconStateElectra;

export function asChainState(state: CachedBeaconStateAllForks): ChainState {
  return state as ChainState;
}

export function asGloasState(state: ChainState): CachedBeaconStateGloas {
  return state as unknown as CachedBeaconStateGloas;
}

/** An imported block. `state` is its post state, or null once it is older than the kept window. */
export interface ChainNode {
  readonly root: Uint8Array;
  readonly slot: number;
  readonly header: phase0.BeaconBlockHeader;
  /** Null for genesis only. */
  readonly signed: SignedChainBlock | null;
  readonly parent: ChainNode | null;
  state: ChainState | null;
  /** The revealed execution payload of a Gloas block. */
  envelope: gloas.SignedExecutionPayloadEnvelope | null;
}
