/** Operations of the `validator` namespace: duties, production, aggregation, registrations. */
import type { routes } from "@lodestar/api";
import { ApiError, type ApplicationMethods } from "@lodestar/api/server";
import * as params from "@lodestar/params";
import { type BlockContents, type gloas, isElectraAttestation } from "@lodestar/types";
import { fromHex, toHex } from "../../../src/util/bytes.ts";
import type { ProducedBlock } from "../blockProducer.ts";
import type { DevChain } from "../chain.ts";
import type { ChainState, DevForkName } from "../chainTypes.ts";
import { notFound, refuse } from "../rejection.ts";
import { judgeEach, submitBatch } from "./batch.ts";
import type { NodeView } from "./nodeView.ts";

type ValidatorMethods = ApplicationMethods<routes.validator.Endpoints>;

const WEI_PER_GWEI = 1_000_000_000n;

export function createValidatorRoutes(view: NodeView): Partial<ValidatorMethods> {
  return { ...dutyRoutes(view), ...blockRoutes(view), ...voteRoutes(view), ...setupRoutes(view) };
}

function dutyRoutes({ chain }: NodeView): Partial<ValidatorMethods> {
  const dependentOn = (epoch: number) => ({
    executionOptimistic: false,
    dependentRoot: chain.dependentRoot(epoch),
  });
  return {
    getProposerDuties: async ({ epoch }) => ({
      data: listProposers(chain, epoch),
      meta: dependentOn(epoch),
    }),
    getProposerDutiesV2: async ({ epoch }) => {
      // From Fulu the lookahead fixes proposers an epoch earlier (EIP-7917).
      const seq = chain.config.getForkSeq(epoch * params.SLOTS_PER_EPOCH);
      const root = seq >= params.ForkSeq.fulu ? epoch - 1 : epoch;
      return { data: listProposers(chain, epoch), meta: dependentOn(root) };
    },
    getAttesterDuties: async ({ epoch, indices }) => {
      const state = chain.dutyState(epoch);
      const assignments = state.epochCtx.getCommitteeAssignments(epoch, indices);
      const data = [...assignments.values()].map((duty) => ({
        ...duty,
        pubkey: pubkeyOf(state, duty.validatorIndex),
      }));
      return { data, meta: dependentOn(epoch - 1) };
    },
    getSyncCommitteeDuties: async ({ epoch, indices }) => {
      const state = chain.stateAt(chain.currentSlot());
      const { validatorIndexMap } = syncCommitteeAt(state, epoch);
      const data = indices.flatMap((validatorIndex) => {
        const validatorSyncCommitteeIndices = validatorIndexMap.get(validatorIndex);
        if (!validatorSyncCommitteeIndices) return [];
        const pubkey = pubkeyOf(state, validatorIndex);
        return [{ pubkey, validatorIndex, validatorSyncCommitteeIndices }];
      });
      return { data, meta: { executionOptimistic: false } };
    },
    getPtcDuties: async ({ epoch, indices }) => {
      const state = chain.dutyState(epoch);
      const first = epoch * params.SLOTS_PER_EPOCH;
      if (chain.config.getForkSeq(first) < params.ForkSeq.gloas)
        refuse("no such duty before Gloas");
      const data = Array.from({ length: params.SLOTS_PER_EPOCH }, (_, offset) => {
        const slot = first + offset;
        const committee = new Set(state.epochCtx.getPayloadTimelinessCommittee(slot));
        return indices
          .filter((index) => committee.has(index))
          .map((validatorIndex) => ({
            pubkey: pubkeyOf(state, validatorIndex),
            validatorIndex,
            slot,
          }));
      }).flat();
      return { data, meta: dependentOn(epoch - 1) };
    },
    getLiveness: async ({ epoch, indices }) => ({
      data: indices.map((index) => ({ index, isLive: chain.isLive(epoch, index) })),
    }),
  };
}

function blockRoutes({ chain }: NodeView): Partial<ValidatorMethods> {
  return {
    produceBlockV3: async (args) => {
      const produced = produce(chain, args);
      const contents = { block: produced.block, kzgProofs: [], blobs: [] };
      return {
        data: contents as BlockContents<DevForkName>,
        meta: {
          version: chain.forkAt(args.slot),
          executionPayloadBlinded: false,
          executionPayloadValue: 0n,
          consensusBlockValue: produced.rewardGwei * WEI_PER_GWEI,
          executionPayloadSource:
            "engine" as routes.validator.ProduceBlockV3Meta["executionPayloadSource"],
        },
      };
    },
    produceBlockV4: async (args) => {
      if (args.includePayload) {
        throw new ApiError(501, "this chain keeps the envelope: ask with include_payload=false");
      }
      const produced = produce(chain, args);
      return {
        data: produced.block as gloas.BeaconBlock,
        meta: {
          version: chain.forkAt(args.slot),
          consensusBlockValue: produced.rewardGwei * WEI_PER_GWEI,
          executionPayloadValue: 0n,
          executionPayloadIncluded: false,
        },
      };
    },
    getExecutionPayloadEnvelope: async ({ beaconBlockRoot }) => {
      const data = chain.payloads.findEnvelope(beaconBlockRoot) ?? notFound("envelope");
      return { data, meta: { version: chain.forkAt(data.payload.slotNumber) } };
    },
  };
}

function voteRoutes(view: NodeView): Partial<ValidatorMethods> {
  const { chain, injector } = view;
  return {
    produceAttestationData: async ({ slot }) => ({ data: view.attestationData(slot) }),
    producePayloadAttestationData: async ({ slot }) => {
      const meta = { version: chain.forkAt(slot) };
      const data = chain.payloads.attestationData(slot);
      return data ? { data, meta } : { status: 204, data: undefined, meta };
    },
    getAggregatedAttestationV2: async ({ attestationDataRoot, slot, committeeIndex }) => ({
      data: chain.attestations.aggregate(attestationDataRoot, committeeIndex),
      meta: { version: chain.forkAt(slot) },
    }),
    publishAggregateAndProofsV2: async ({ signedAggregateAndProofs }) => {
      submitBatch(signedAggregateAndProofs, injector.faults.failItems, (items) =>
        judgeEach(items, (item) => {
          const { aggregate } = item.message;
          if (!isElectraAttestation(aggregate)) refuse("a pre-Electra aggregate");
          chain.attestations.addAggregate({
            message: { ...item.message, aggregate },
            signature: item.signature,
          });
        }),
      );
    },
    produceSyncCommitteeContribution: async ({ slot, subcommitteeIndex, beaconBlockRoot }) => ({
      data: chain.syncCommittee.contribution(slot, subcommitteeIndex, beaconBlockRoot),
    }),
    publishContributionAndProofs: async ({ contributionAndProofs }) => {
      submitBatch(contributionAndProofs, injector.faults.failItems, (items) =>
        judgeEach(items, (item) => chain.syncCommittee.addContribution(item)),
      );
    },
  };
}

/** There are no subnets here, so subscriptions are accepted and forgotten. */
function setupRoutes({ chain }: NodeView): Partial<ValidatorMethods> {
  const accept = (): Promise<void> => Promise.resolve();
  return {
    prepareBeaconCommitteeSubnet: accept,
    prepareSyncCommitteeSubnets: accept,
    prepareBeaconProposer: async ({ proposers }) => {
      for (const { validatorIndex, feeRecipient } of proposers) {
        chain.feeRecipients.set(Number(validatorIndex), parseAddress(feeRecipient));
      }
    },
    registerValidator: async ({ registrations }) => {
      const { signatures } = chain;
      submitBatch(registrations, [], (items) =>
        judgeEach(items, ({ message, signature }) => {
          const index = signatures.indexOf(message.pubkey);
          if (index === null) refuse(`unknown validator ${toHex(message.pubkey)}`);
          if (!signatures.isSignedBy(index, signatures.roots.registration(message), signature)) {
            refuse("invalid registration signature");
          }
        }),
      );
    },
  };
}

export function listProposers(chain: DevChain, epoch: number): routes.validator.ProposerDutyList {
  const state = chain.dutyState(epoch);
  const { epochCtx } = state;
  const proposers =
    epoch === epochCtx.epoch
      ? epochCtx.getBeaconProposers()
      : epoch > epochCtx.epoch
        ? epochCtx.getBeaconProposersNextEpoch()
        : epochCtx.getBeaconProposersPrevEpoch();
  return (proposers ?? notFound(`proposers of epoch ${epoch}`)).map((validatorIndex, offset) => ({
    slot: epoch * params.SLOTS_PER_EPOCH + offset,
    validatorIndex,
    pubkey: pubkeyOf(state, validatorIndex),
  }));
}

function syncCommitteeAt(
  state: ChainState,
  epoch: number,
): ReturnType<ChainState["epochCtx"]["getIndexedSyncCommitteeAtEpoch"]> {
  const periodOf = (e: number): number => Math.floor(e / params.EPOCHS_PER_SYNC_COMMITTEE_PERIOD);
  const ahead = periodOf(epoch) - periodOf(state.epochCtx.epoch);
  if (ahead < 0 || ahead > 1) refuse(`no sync committee known for epoch ${epoch}`);
  return state.epochCtx.getIndexedSyncCommitteeAtEpoch(epoch);
}

interface ProduceArgs {
  readonly slot: number;
  readonly randaoReveal: Uint8Array;
  readonly graffiti?: string | undefined;
  readonly feeRecipient?: string | undefined;
  readonly skipRandaoVerification?: boolean | undefined;
}

function produce(chain: DevChain, args: ProduceArgs): ProducedBlock {
  return chain.produce({
    slot: args.slot,
    randaoReveal: args.randaoReveal,
    graffiti: encodeGraffiti(args.graffiti ?? ""),
    skipRandaoVerification: args.skipRandaoVerification ?? false,
    ...(args.feeRecipient !== undefined && { feeRecipient: parseAddress(args.feeRecipient) }),
  });
}

/** The route's codec has decoded the hex of the query as UTF-8, padding included. */
function encodeGraffiti(text: string): Uint8Array {
  const padded = new Uint8Array(32);
  padded.set(new TextEncoder().encode(text).subarray(0, 32));
  return padded;
}

function parseAddress(text: string): Uint8Array {
  const bytes = fromHex(text);
  if (bytes?.length !== 20) refuse(`not an execution address: ${text}`);
  return bytes;
}

function pubkeyOf(state: ChainState, validatorIndex: number): Uint8Array {
  return state.validators.getReadonly(validatorIndex).pubkey;
}
