/** Builds unsigned blocks on the head from the pools. */
import * as params from "@lodestar/params";
import {
  DataAvailabilityStatus,
  ExecutionPayloadStatus,
  G2_POINT_AT_INFINITY,
  isValidVoluntaryExit,
  stateTransition,
} from "@lodestar/state-transition";
import type { electra, gloas, phase0 } from "@lodestar/types";
import type { AttestationPool } from "./attestationPool.ts";
import type { ChainContext } from "./chainContext.ts";
import {
  asChainState,
  type ChainBlock,
  type ChainState,
  type SignedChainBlock,
} from "./chainTypes.ts";
import { buildPayload, type PayloadPool } from "./payloads.ts";
import { refuse } from "./rejection.ts";
import type { SyncCommitteePool } from "./syncCommitteePool.ts";

/** There is no execution layer and no blob network: both are reported as fine. */
export const EXTERNAL_DATA = {
  executionPayloadStatus: ExecutionPayloadStatus.valid,
  dataAvailabilityStatus: DataAvailabilityStatus.Available,
} as const;

export interface BlockPools {
  readonly attestations: AttestationPool;
  readonly syncCommittee: SyncCommitteePool;
  readonly payloads: PayloadPool;
  readonly voluntaryExits: readonly phase0.SignedVoluntaryExit[];
}

export interface ProduceRequest {
  readonly slot: number;
  readonly randaoReveal: Uint8Array;
  /** 32 bytes. */
  readonly graffiti: Uint8Array;
  /** 20 bytes; absent means what the proposer registered, else the zero address. */
  readonly feeRecipient?: Uint8Array;
  readonly skipRandaoVerification?: boolean;
}

export interface ProducedBlock {
  readonly block: ChainBlock;
  /** Consensus reward of the proposer, in gwei. */
  readonly rewardGwei: bigint;
}

/**
 * Runs the state transition without its checks to learn the state root. The checks come when the
 * signed block is imported.
 */
export function produceBlock(
  chain: ChainContext,
  pools: BlockPools,
  request: ProduceRequest & { readonly feeRecipient: Uint8Array },
): ProducedBlock {
  const { slot } = request;
  // clone(true) leaves the caches with the shared state, which serves other requests meanwhile.
  const state = asChainState(chain.stateAt(slot).clone(true));
  const proposerIndex = state.epochCtx.getBeaconProposer(slot);
  if (!request.skipRandaoVerification) {
    const root = chain.signatures.roots.randao(slot);
    if (!chain.signatures.isSignedBy(proposerIndex, root, request.randaoReveal)) {
      refuse(`randao reveal is not of validator ${proposerIndex}, the proposer of slot ${slot}`);
    }
  }
  const block = {
    slot,
    proposerIndex,
    parentRoot: chain.head.root,
    stateRoot: new Uint8Array(32),
    body: buildBody(chain, pools, { ...request, state }),
  } as ChainBlock;
  const unsigned = { message: block, signature: G2_POINT_AT_INFINITY } as SignedChainBlock;
  const post = stateTransition(state, unsigned, {
    ...EXTERNAL_DATA,
    verifyStateRoot: false,
    verifyProposer: false,
    verifySignatures: false,
  });
  block.stateRoot = post.hashTreeRoot();
  if (isGloas(chain, slot)) {
    pools.payloads.holdEnvelope(block as gloas.BeaconBlock, asChainState(post));
  }
  const { attestations, syncAggregate, slashing } = post.proposerRewards;
  return { block, rewardGwei: BigInt(attestations + syncAggregate + slashing) };
}

interface BodyRequest extends ProduceRequest {
  readonly feeRecipient: Uint8Array;
  readonly state: ChainState;
}

function buildBody(
  chain: ChainContext,
  pools: BlockPools,
  { state, slot, feeRecipient, ...request }: BodyRequest,
): ChainBlock["body"] {
  const body = chain.typesAt(slot).BeaconBlockBody.defaultValue();
  const seq = chain.config.getForkSeq(slot);
  body.randaoReveal = request.randaoReveal;
  body.graffiti = request.graffiti;
  body.eth1Data = state.eth1Data.toValue();
  body.attestations = pools.attestations.pack(state);
  body.syncAggregate = pools.syncCommittee.pack(slot);
  body.voluntaryExits = pools.voluntaryExits
    .filter((exit) => isValidVoluntaryExit(seq, state, exit, true))
    .slice(0, params.MAX_VOLUNTARY_EXITS);
  if (isGloas(chain, slot)) {
    pools.payloads.fillBody(body as gloas.BeaconBlockBody, state, feeRecipient);
  } else {
    const beforeGloas = body as electra.BeaconBlockBody;
    beforeGloas.executionPayload = buildPayload(chain, state, feeRecipient);
  }
  return body;
}

function isGloas(chain: ChainContext, slot: number): boolean {
  return chain.config.getForkSeq(slot) >= params.ForkSeq.gloas;
}
