/** What a validator client may ask of the node, whatever protocol carries it. */
import type { ErrorCode } from "../domain/errors.ts";
import type { Signature } from "../domain/keys.ts";
import type { CommitteeIndex, Slot, ValidatorIndex } from "../domain/units.ts";
import type { Proposal, SubmittedBlock } from "../eth2/blocks.ts";
import type { AttestationData, SubmittedAttestation } from "../eth2/types.ts";
import type { Result } from "../util/result.ts";

/** Why a request, or one item of it, was not served; `detail` names the fix where there is one. */
export type Denial = { readonly code: ErrorCode; readonly detail: string };

export interface ValidatorApi {
  /**
   * What the cluster decided for the slot, as the committee's members sign it. Waits for the
   * decision, but less than a client does ({@link VC_WAIT_BPS}).
   */
  attestationData(
    slot: Slot,
    committee: CommitteeIndex,
    signal: AbortSignal,
  ): Promise<Result<AttestationData, Denial>>;
  /**
   * Resolves once who asks for the slot's attestation data is answered at once, when the cluster
   * attests in it and it is the current one; when the duty is due at the latest.
   */
  untilAttestable(slot: Slot, signal: AbortSignal): Promise<void>;
  /** Partial signatures of a client's key shares: null where one was taken, in their order. */
  submitAttestations(
    attestations: readonly SubmittedAttestation[],
    signal: AbortSignal,
  ): Promise<readonly (Denial | null)[]>;
  /**
   * The block that the cluster decided for the slot, once t operators' clients have signed the
   * randao reveal that it carries; `reveal` is this client's share of it. Waits as above.
   */
  proposal(slot: Slot, reveal: Signature, signal: AbortSignal): Promise<Result<Proposal, Denial>>;
  /** The signature of a client's key share over the decided block; null when it was taken. */
  submitBlock(block: SubmittedBlock, signal: AbortSignal): Promise<Denial | null>;
  /** Those of the validators whose activity is the cluster's own, and no second signer's. */
  ownActivity(
    indices: readonly ValidatorIndex[],
    signal: AbortSignal,
  ): Promise<readonly ValidatorIndex[]>;
}
