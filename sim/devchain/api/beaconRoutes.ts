/** Operations of the `beacon` namespace: genesis, states, blocks and pools. */
import type { routes } from "@lodestar/api";
import { ApiError, type ApplicationMethods } from "@lodestar/api/server";
import * as params from "@lodestar/params";
import { type gloas, isElectraSingleAttestation } from "@lodestar/types";
import { fromHex } from "../../../src/util/bytes.ts";
import type { ChainNode, ChainState, SignedChainBlock } from "../chainTypes.ts";
import { notFound, refuse } from "../rejection.ts";
import { submitBatch } from "./batch.ts";
import type { NodeView } from "./nodeView.ts";

type BeaconMethods = ApplicationMethods<routes.beacon.Endpoints>;
type ValidatorResponse = routes.beacon.ValidatorResponse;

const NOT_FINAL = { executionOptimistic: false, finalized: false };

export function createBeaconRoutes(view: NodeView): Partial<BeaconMethods> {
  return { ...stateRoutes(view), ...blockRoutes(view), ...poolRoutes(view) };
}

function stateRoutes(view: NodeView): Partial<BeaconMethods> {
  const { chain } = view;
  const find = (id: string | number): ChainState => findState(view, id);
  return {
    getGenesis: async () => ({
      data: {
        genesisTime: chain.genesisTime,
        genesisValidatorsRoot: chain.config.genesisValidatorsRoot,
        genesisForkVersion: chain.config.GENESIS_FORK_VERSION,
      },
    }),
    getStateRoot: async ({ stateId }) => ({
      data: { root: find(stateId).hashTreeRoot() },
      meta: NOT_FINAL,
    }),
    getStateFork: async ({ stateId }) => ({ data: find(stateId).fork.toValue(), meta: NOT_FINAL }),
    getStateFinalityCheckpoints: async ({ stateId }) => {
      const state = find(stateId);
      return {
        data: {
          previousJustified: state.previousJustifiedCheckpoint.toValue(),
          currentJustified: state.currentJustifiedCheckpoint.toValue(),
          finalized: state.finalizedCheckpoint.toValue(),
        },
        meta: NOT_FINAL,
      };
    },
    getStateValidators: async ({ stateId, ...filter }) => ({
      data: listValidators(find(stateId), filter),
      meta: NOT_FINAL,
    }),
    postStateValidators: async ({ stateId, ...filter }) => ({
      data: listValidators(find(stateId), filter),
      meta: NOT_FINAL,
    }),
    getStateValidator: async ({ stateId, validatorId }) => {
      const state = find(stateId);
      const index = validatorIndexOf(state, validatorId);
      if (index === null) notFound(`validator ${validatorId}`);
      return { data: describeValidator(state, index), meta: NOT_FINAL };
    },
    getEpochCommittees: async ({ stateId, epoch, index, slot }) => ({
      data: listCommittees(find(stateId), epoch).filter(
        (committee) =>
          (index === undefined || committee.index === index) &&
          (slot === undefined || committee.slot === slot),
      ),
      meta: NOT_FINAL,
    }),
    getEpochSyncCommittees: async ({ stateId, epoch }) => {
      const { epochCtx } = find(stateId);
      const committee = epochCtx.getIndexedSyncCommitteeAtEpoch(epoch ?? epochCtx.epoch);
      const validators = [...committee.validatorIndices];
      const size = params.SYNC_COMMITTEE_SUBNET_SIZE;
      const validatorAggregates = Array.from(
        { length: params.SYNC_COMMITTEE_SUBNET_COUNT },
        (_, index) => validators.slice(index * size, (index + 1) * size),
      );
      return { data: { validators, validatorAggregates }, meta: NOT_FINAL };
    },
  };
}

function blockRoutes(view: NodeView): Partial<BeaconMethods> {
  const { chain } = view;
  const find = (id: string | number): ChainNode =>
    chain.blocks.findById(view.head, id) ?? notFound(`block ${id}`);
  const metaOf = (node: ChainNode): typeof NOT_FINAL => ({
    executionOptimistic: false,
    finalized: node.slot <= chain.headState.finalizedCheckpoint.epoch * params.SLOTS_PER_EPOCH,
  });
  return {
    getBlockHeader: async ({ blockId }) => {
      const node = find(blockId);
      return { data: describeHeader(node), meta: metaOf(node) };
    },
    getBlockHeaders: async ({ slot, parentRoot }) => {
      const node =
        parentRoot === undefined
          ? chain.blocks.findById(view.head, slot ?? "head")
          : chain.blocks.findChild(parentRoot);
      return { data: node ? [describeHeader(node)] : [], meta: NOT_FINAL };
    },
    getBlockRoot: async ({ blockId }) => {
      const node = find(blockId);
      return { data: { root: node.root }, meta: metaOf(node) };
    },
    getBlockV2: async ({ blockId }) => {
      const node = find(blockId);
      const version = chain.forkAt(node.slot);
      return { data: node.signed ?? notFound("genesis body"), meta: { version, ...metaOf(node) } };
    },
    getBlockAttestationsV2: async ({ blockId }) => {
      const node = find(blockId);
      const version = chain.forkAt(node.slot);
      const data = node.signed?.message.body.attestations ?? [];
      return { data, meta: { version, ...metaOf(node) } };
    },
    publishBlockV2: async ({ signedBlockContents }) => {
      chain.importBlock(signedBlockContents.signedBlock as SignedChainBlock);
    },
    publishExecutionPayloadEnvelope: async ({ signedEnvelopeOrContents }) => {
      const signed: gloas.SignedExecutionPayloadEnvelope =
        "signedExecutionPayloadEnvelope" in signedEnvelopeOrContents
          ? signedEnvelopeOrContents.signedExecutionPayloadEnvelope
          : signedEnvelopeOrContents;
      chain.payloads.importEnvelope(signed);
    },
  };
}

function poolRoutes({ chain, injector }: NodeView): Partial<BeaconMethods> {
  return {
    getPoolAttestationsV2: async ({ slot = chain.currentSlot() }) => {
      return { data: chain.attestations.held(slot), meta: { version: chain.forkAt(slot) } };
    },
    submitPoolAttestationsV2: async ({ signedAttestations }) => {
      const electra = signedAttestations.map((attestation) =>
        isElectraSingleAttestation(attestation) ? attestation : refuse("a pre-Electra attestation"),
      );
      submitBatch(electra, injector.faults.failItems, (items) => chain.attestations.add(items));
    },
    submitPoolSyncCommitteeSignatures: async ({ signatures }) => {
      submitBatch(signatures, injector.faults.failItems, (items) => chain.syncCommittee.add(items));
    },
    submitPayloadAttestationMessages: async ({ payloadAttestationMessages }) => {
      submitBatch(payloadAttestationMessages, injector.faults.failItems, (items) =>
        chain.payloads.addVotes(items),
      );
    },
    submitPoolVoluntaryExit: async ({ signedVoluntaryExit }) => {
      chain.addVoluntaryExit(signedVoluntaryExit);
    },
    getPoolVoluntaryExits: async () => ({ data: [...chain.voluntaryExits] }),
  };
}

/** A stale node's "head" is the state of its own head, not advanced to the clock. */
function findState(view: NodeView, id: string | number): ChainState {
  const isStale = view.injector.faults.staleHeadBlocks > 0;
  const state = id === "head" && isStale ? view.head.state : view.chain.findState(id);
  return state ?? notFound(`state ${id}`);
}

function describeHeader(node: ChainNode): routes.beacon.BlockHeaderResponse {
  const signature = node.signed?.signature ?? new Uint8Array(96);
  return { root: node.root, canonical: true, header: { message: node.header, signature } };
}

function listCommittees(state: ChainState, epoch = state.epochCtx.epoch) {
  if (Math.abs(epoch - state.epochCtx.epoch) > 1) {
    throw new ApiError(400, `epoch ${epoch} is not within one epoch of ${state.epochCtx.epoch}`);
  }
  const { committees } = state.epochCtx.getShufflingAtEpoch(epoch);
  return committees.flatMap((slotCommittees, slotInEpoch) =>
    slotCommittees.map((validators, index) => ({
      index,
      slot: epoch * params.SLOTS_PER_EPOCH + slotInEpoch,
      validators: [...validators],
    })),
  );
}

interface ValidatorFilter {
  readonly validatorIds?: routes.beacon.ValidatorId[] | undefined;
  readonly statuses?: routes.beacon.ValidatorStatus[] | undefined;
}

/** An id that no validator has is left out, as the Beacon API says. */
export function listValidators(state: ChainState, filter: ValidatorFilter): ValidatorResponse[] {
  const { validatorIds = [], statuses = [] } = filter;
  const indices =
    validatorIds.length > 0
      ? validatorIds.flatMap((id) => validatorIndexOf(state, id) ?? [])
      : Array.from({ length: state.validators.length }, (_, index) => index);
  const wanted = new Set<string>(statuses);
  return indices
    .map((index) => describeValidator(state, index))
    .filter(
      ({ status }) =>
        wanted.size === 0 || wanted.has(status) || wanted.has(status.split("_")[0] ?? status),
    );
}

function validatorIndexOf(state: ChainState, id: routes.beacon.ValidatorId): number | null {
  const text = String(id);
  if (text.startsWith("0x")) {
    const pubkey = fromHex(text);
    if (!pubkey) throw new ApiError(400, `not a validator id: ${text}`);
    return state.epochCtx.getValidatorIndex(pubkey);
  }
  const index = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(index)) throw new ApiError(400, `not a validator id: ${text}`);
  return index < state.validators.length ? index : null;
}

function describeValidator(state: ChainState, index: number): ValidatorResponse {
  const validator = state.validators.getReadonly(index).toValue();
  const status = statusOf(validator, state.epochCtx.epoch);
  return { index, balance: state.balances.get(index), status, validator };
}

/** https://hackmd.io/ofFJ5gOmQpu1jjHilHbdQQ, the status table the Beacon API refers to. */
function statusOf(
  validator: ValidatorResponse["validator"],
  epoch: number,
): ValidatorResponse["status"] {
  const { activationEpoch, exitEpoch, withdrawableEpoch, slashed } = validator;
  const never = params.FAR_FUTURE_EPOCH;
  if (epoch < activationEpoch) {
    return validator.activationEligibilityEpoch === never
      ? "pending_initialized"
      : "pending_queued";
  }
  if (epoch < exitEpoch) {
    if (slashed) return "active_slashed";
    return exitEpoch === never ? "active_ongoing" : "active_exiting";
  }
  if (epoch < withdrawableEpoch) return slashed ? "exited_slashed" : "exited_unslashed";
  return validator.effectiveBalance > 0 ? "withdrawal_possible" : "withdrawal_done";
}
