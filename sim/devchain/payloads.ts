/**
 * Execution payloads without an execution client. The state transition checks the parent hash,
 * randao, timestamp and withdrawals; every other field may be anything. From Gloas (EIP-7732) the
 * payload is revealed after the block as a signed envelope and a committee attests its timeliness.
 */
import { BitArray } from "@chainsafe/ssz";
import { routes } from "@lodestar/api";
import * as params from "@lodestar/params";
import {
  computeTimeAtSlot,
  G2_POINT_AT_INFINITY,
  getExpectedWithdrawals,
  getRandaoMix,
} from "@lodestar/state-transition";
import { type electra, type gloas, ssz } from "@lodestar/types";
import { toHex } from "../../src/util/bytes.ts";
import type { ChainContext } from "./chainContext.ts";
import { asGloasState, type ChainState } from "./chainTypes.ts";
import { fakeBlockHash } from "./genesis.ts";
import { ChainRejection, refuse } from "./rejection.ts";
import { groupByRoot, sumSignatures } from "./signatures.ts";

const GAS_LIMIT = 30_000_000;
const BASE_FEE_PER_GAS = 7n;

/** The payload an execution client would build on `state`, for forks before Gloas. */
export function buildPayload(
  chain: ChainContext,
  state: ChainState,
  feeRecipient: Uint8Array,
): electra.ExecutionPayload {
  const { slot, latestExecutionPayloadHeader: parent } = state;
  const payload = ssz.electra.ExecutionPayload.defaultValue();
  payload.parentHash = parent.blockHash;
  payload.feeRecipient = feeRecipient;
  payload.prevRandao = getRandaoMix(state, state.epochCtx.epoch);
  payload.blockNumber = parent.blockNumber + 1;
  payload.gasLimit = GAS_LIMIT;
  payload.timestamp = computeTimeAtSlot(chain.config, slot, chain.genesisTime);
  payload.baseFeePerGas = BASE_FEE_PER_GAS;
  payload.withdrawals = getExpectedWithdrawals(
    chain.config.getForkSeq(slot),
    state,
  ).expectedWithdrawals;
  payload.blockHash = fakeBlockHash(payload.parentHash, `slot ${slot}`);
  return payload;
}

interface PayloadVotes {
  readonly data: gloas.PayloadAttestationData;
  readonly byPosition: Map<number, Uint8Array>;
}

/** Gloas: bids, envelopes waiting to be signed, and payload timeliness votes. */
export class PayloadPool {
  readonly #chain: ChainContext;
  readonly #unsigned = new Map<string, gloas.ExecutionPayloadEnvelope>();
  readonly #votes = new Map<string, PayloadVotes>();

  constructor(chain: ChainContext) {
    this.#chain = chain;
  }

  /** Fills the body's bid, the parent's requests and the timeliness votes on the head. */
  fillBody(body: gloas.BeaconBlockBody, state: ChainState, feeRecipient: Uint8Array): void {
    const gloasState = asGloasState(state);
    const parent = this.#chain.head.envelope?.message;
    // A parent whose payload was never revealed counts as empty: build on the last full one.
    const parentHash = parent
      ? gloasState.latestExecutionPayloadBid.blockHash
      : gloasState.latestBlockHash;
    const requests = ssz.gloas.ExecutionRequests;
    const { message } = body.signedExecutionPayloadBid;
    message.parentBlockHash = parentHash;
    message.parentBlockRoot = this.#chain.head.root;
    message.blockHash = fakeBlockHash(parentHash, `slot ${state.slot}`);
    message.prevRandao = getRandaoMix(state, state.epochCtx.epoch);
    message.feeRecipient = feeRecipient;
    message.gasLimit = BigInt(GAS_LIMIT);
    message.builderIndex = params.BUILDER_INDEX_SELF_BUILD;
    message.slot = state.slot;
    message.value = 0;
    message.executionRequestsRoot = requests.hashTreeRoot(requests.defaultValue());
    body.signedExecutionPayloadBid.signature = G2_POINT_AT_INFINITY;
    body.parentExecutionRequests = parent?.executionRequests ?? requests.defaultValue();
    body.payloadAttestations = this.#packVotes(state.slot);
  }

  /** Keeps the envelope that belongs to a block just produced, until its proposer signs it. */
  holdEnvelope(block: gloas.BeaconBlock, postState: ChainState): void {
    const bid = block.body.signedExecutionPayloadBid.message;
    const beaconBlockRoot = ssz.gloas.BeaconBlock.hashTreeRoot(block);
    const payload = ssz.gloas.ExecutionPayload.defaultValue();
    payload.parentHash = bid.parentBlockHash;
    payload.feeRecipient = bid.feeRecipient;
    payload.prevRandao = bid.prevRandao;
    payload.blockNumber = block.slot;
    payload.gasLimit = Number(bid.gasLimit);
    payload.baseFeePerGas = BASE_FEE_PER_GAS;
    payload.timestamp = computeTimeAtSlot(this.#chain.config, block.slot, this.#chain.genesisTime);
    payload.blockHash = bid.blockHash;
    payload.withdrawals = asGloasState(postState).payloadExpectedWithdrawals.toValue();
    payload.slotNumber = block.slot;
    this.#unsigned.set(toHex(beaconBlockRoot), {
      payload,
      executionRequests: ssz.gloas.ExecutionRequests.defaultValue(),
      builderIndex: params.BUILDER_INDEX_SELF_BUILD,
      beaconBlockRoot,
      parentBeaconBlockRoot: block.parentRoot,
    });
  }

  findEnvelope(beaconBlockRoot: Uint8Array): gloas.ExecutionPayloadEnvelope | undefined {
    return this.#unsigned.get(toHex(beaconBlockRoot));
  }

  importEnvelope(signed: gloas.SignedExecutionPayloadEnvelope): void {
    const { message, signature } = signed;
    const node = this.#chain.findBlock(message.beaconBlockRoot);
    if (!node?.state || !node.signed) refuse("envelope of an unknown block");
    const { body } = node.signed.message;
    if (!("signedExecutionPayloadBid" in body)) refuse("envelope of a block before Gloas");
    const bid = body.signedExecutionPayloadBid.message;
    if (!ssz.Root.equals(message.payload.blockHash, bid.blockHash)) {
      refuse("payload block hash does not match the bid");
    }
    const expected = asGloasState(node.state).payloadExpectedWithdrawals.hashTreeRoot();
    const actual = ssz.gloas.Withdrawals.hashTreeRoot(message.payload.withdrawals);
    if (!ssz.Root.equals(actual, expected)) refuse("withdrawals do not match the state");
    const root = this.#chain.signatures.roots.envelope(message);
    if (!this.#chain.signatures.isSignedBy(node.header.proposerIndex, root, signature)) {
      refuse("invalid envelope signature");
    }
    node.envelope = signed;
    const type = routes.events.EventType.executionPayloadAvailable;
    this.#chain.publish({ type, message: { slot: node.slot, blockRoot: toHex(node.root) } });
  }

  /** What the timeliness committee of `slot` should vote, or undefined without a block in it. */
  attestationData(slot: number): gloas.PayloadAttestationData | undefined {
    const { head } = this.#chain;
    if (head.slot !== slot) return undefined;
    const isPresent = head.envelope !== null;
    return {
      beaconBlockRoot: head.root,
      slot,
      payloadPresent: isPresent,
      blobDataAvailable: isPresent,
    };
  }

  addVotes(messages: readonly gloas.PayloadAttestationMessage[]): (ChainRejection | null)[] {
    const results: (ChainRejection | null)[] = messages.map(() => null);
    const candidates = messages.flatMap((message, position) => {
      const { data, signature, validatorIndex: index } = message;
      const seats = this.#seatsOf(data.slot, index);
      if (seats.length === 0) {
        const reason = `validator ${index} is not in the payload committee of slot ${data.slot}`;
        results[position] = new ChainRejection(400, reason);
        return [];
      }
      const root = this.#chain.signatures.roots.payloadAttestation(data);
      return [{ data, signature, index, position, seats, root }];
    });
    for (const [key, group] of groupByRoot(candidates)) {
      const valid = this.#chain.signatures.checkSameRoot(group, group[0]?.root ?? refuse("empty"));
      for (const [offset, { data, signature, index, position, seats }] of group.entries()) {
        if (!valid[offset]) {
          results[position] = new ChainRejection(400, `invalid signature of validator ${index}`);
          continue;
        }
        const votes = this.#votes.get(key) ?? { data, byPosition: new Map() };
        for (const seat of seats) votes.byPosition.set(seat, signature);
        this.#votes.set(key, votes);
      }
    }
    return results;
  }

  prune(headSlot: number): void {
    for (const [key, { data }] of this.#votes) {
      if (data.slot + 2 < headSlot) this.#votes.delete(key);
    }
    for (const [key, { payload }] of this.#unsigned) {
      if (payload.slotNumber + params.SLOTS_PER_EPOCH < headSlot) this.#unsigned.delete(key);
    }
  }

  #packVotes(slot: number): gloas.PayloadAttestation[] {
    const onHead = [...this.#votes.values()].filter(
      ({ data }) =>
        data.slot + 1 === slot && ssz.Root.equals(data.beaconBlockRoot, this.#chain.head.root),
    );
    return onHead.slice(0, params.MAX_PAYLOAD_ATTESTATIONS).map(({ data, byPosition }) => {
      const aggregationBits = BitArray.fromBitLen(params.PTC_SIZE);
      for (const position of byPosition.keys()) aggregationBits.set(position, true);
      return { aggregationBits, data, signature: sumSignatures(byPosition.values()) };
    });
  }

  /** A validator may hold several seats of the committee. */
  #seatsOf(slot: number, validatorIndex: number): number[] {
    if (this.#chain.config.getForkSeq(slot) < params.ForkSeq.gloas) return [];
    const { epochCtx } = this.#chain.stateAt(this.#chain.currentSlot());
    const committee = [...epochCtx.getPayloadTimelinessCommittee(slot)];
    return committee.flatMap((member, seat) => (member === validatorIndex ? [seat] : []));
  }
}
