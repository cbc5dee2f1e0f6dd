/** Attestations and aggregates on their way into blocks (EIP-7549 layout, Electra and later). */
import { BitArray } from "@chainsafe/ssz";
import { routes } from "@lodestar/api";
import * as params from "@lodestar/params";
import { isAggregatorFromCommitteeLength } from "@lodestar/state-transition";
import { type electra, type phase0, ssz } from "@lodestar/types";
import { toHex } from "../../src/util/bytes.ts";
import type { ChainContext } from "./chainContext.ts";
import type { ChainAttestation, ChainState, SignedChainAggregate } from "./chainTypes.ts";
import { ChainRejection, notFound, refuse } from "./rejection.ts";
import { epochAtSlot, groupByRoot, sumSignatures } from "./signatures.ts";

/** Signatures of one committee over one AttestationData. */
interface CommitteeVotes {
  readonly length: number;
  /** Single attestations by position in the committee. */
  readonly singles: Map<number, Uint8Array>;
  /** The largest aggregate published so far. */
  best: AggregateVotes | null;
}

interface AggregateVotes {
  readonly positions: number[];
  readonly signature: Uint8Array;
}

interface DataVotes {
  readonly data: phase0.AttestationData;
  readonly committees: Map<number, CommitteeVotes>;
}

export class AttestationPool {
  readonly #chain: ChainContext;
  readonly #byDataRoot = new Map<string, DataVotes>();

  constructor(chain: ChainContext) {
    this.#chain = chain;
  }

  /**
   * Takes single attestations, each judged alone: the result holds null or the reason, item by
   * item. Signatures come first so that the watcher sees what a refused vote still commits to.
   */
  add(attestations: readonly electra.SingleAttestation[]): (ChainRejection | null)[] {
    const results: (ChainRejection | null)[] = attestations.map(() => null);
    const candidates = attestations.map((attestation, position) => ({
      attestation,
      position,
      index: attestation.attesterIndex,
      signature: attestation.signature,
      root: this.#chain.signatures.roots.attestation(attestation.data),
    }));
    const known = candidates.filter(({ index, position }) => {
      if (this.#chain.signatures.isKnown(index)) return true;
      results[position] = new ChainRejection(400, `unknown validator ${index}`);
      return false;
    });
    for (const group of groupByRoot(known).values()) {
      const valid = this.#chain.signatures.checkSameRoot(group, group[0]?.root ?? refuse("empty"));
      for (const [offset, { attestation, position, index }] of group.entries()) {
        results[position] = valid[offset]
          ? this.#addVerified(attestation)
          : new ChainRejection(400, `invalid signature of validator ${index}`);
      }
    }
    return results;
  }

  /** The aggregate of the single attestations known for one data root and committee. */
  aggregate(dataRoot: Uint8Array, committeeIndex: number): ChainAttestation {
    const entry = this.#byDataRoot.get(toHex(dataRoot));
    const votes = entry?.committees.get(committeeIndex);
    if (!entry || !votes || votes.singles.size === 0) {
      notFound(`attestation ${toHex(dataRoot)} of committee ${committeeIndex}`);
    }
    return {
      aggregationBits: bitsAt(votes.length, votes.singles.keys()),
      data: entry.data,
      signature: sumSignatures(votes.singles.values()),
      committeeBits: BitArray.fromSingleBit(params.MAX_COMMITTEES_PER_SLOT, committeeIndex),
    };
  }

  /** What is known of one slot: a committee's votes for one data are one attestation. */
  held(slot: number): ChainAttestation[] {
    return [...this.#byDataRoot.values()]
      .filter(({ data }) => data.slot === slot)
      .flatMap(({ data, committees }) =>
        [...committees].flatMap(([index, votes]) => {
          const { singles, best } = votes;
          const committeeBits = BitArray.fromSingleBit(params.MAX_COMMITTEES_PER_SLOT, index);
          if (singles.size > 0) {
            return [this.aggregate(ssz.phase0.AttestationData.hashTreeRoot(data), index)];
          }
          if (best === null) return [];
          const aggregationBits = bitsAt(votes.length, best.positions);
          return [{ aggregationBits, data, signature: best.signature, committeeBits }];
        }),
      );
  }

  /**
   * Takes a signed aggregate after the gossip checks of the consensus spec. The votes in it are
   * verified first, so that the watcher sees them even if the aggregator is refused.
   */
  addAggregate({ message, signature }: SignedChainAggregate): void {
    const { aggregate, aggregatorIndex, selectionProof } = message;
    const { data } = aggregate;
    const { signatures } = this.#chain;
    const { committeeIndex, committee, positions, attesters } = this.#verifyVotes(aggregate);
    this.#checkTarget(data);
    if (!committee.includes(aggregatorIndex)) refuse("aggregator is not in the committee");
    if (!isAggregatorFromCommitteeLength(committee.length, selectionProof)) {
      refuse(`validator ${aggregatorIndex} is not an aggregator`);
    }
    const proofRoot = signatures.roots.selectionProof(data.slot);
    if (!signatures.isSignedBy(aggregatorIndex, proofRoot, selectionProof)) {
      refuse("invalid selection proof");
    }
    const outerRoot = signatures.roots.aggregateAndProof(message);
    if (!signatures.isSignedBy(aggregatorIndex, outerRoot, signature)) {
      refuse("invalid aggregate-and-proof signature");
    }
    const votes = this.#votesFor(data, committeeIndex, committee.length);
    if (positions.length > (votes.best?.positions.length ?? 0)) {
      votes.best = { positions, signature: aggregate.signature };
    }
    for (const attester of attesters) this.#chain.noteLive(data.target.epoch, attester);
    this.#chain.publish({ type: routes.events.EventType.attestation, message: aggregate });
  }

  /**
   * Attestations for a block on `state`, the most newly covered validators first. One on-chain
   * attestation per AttestationData: committees are merged as EIP-7549 lays them out.
   */
  pack(state: ChainState): ChainAttestation[] {
    const packed: { fresh: number; attestation: ChainAttestation }[] = [];
    for (const entry of this.#byDataRoot.values()) {
      if (!isIncludable(state, entry.data)) continue;
      const candidate = this.#merge(state, entry);
      if (candidate.fresh > 0) packed.push(candidate);
    }
    return packed
      .sort((a, b) => b.fresh - a.fresh)
      .slice(0, params.MAX_ATTESTATIONS_ELECTRA)
      .map(({ attestation }) => attestation);
  }

  /** Forgets votes that can no longer be included. */
  prune(headSlot: number): void {
    for (const [key, { data }] of this.#byDataRoot) {
      if (data.slot + 2 * params.SLOTS_PER_EPOCH < headSlot) this.#byDataRoot.delete(key);
    }
  }

  #addVerified(attestation: electra.SingleAttestation): ChainRejection | null {
    const { data, attesterIndex, committeeIndex, signature } = attestation;
    this.#chain.watcher.noteVote([attesterIndex], data);
    try {
      this.#checkSlot(data);
      this.#checkTarget(data);
      const committee = this.#committee(data.slot, committeeIndex);
      const position = committee.indexOf(attesterIndex);
      if (position < 0) {
        refuse(`validator ${attesterIndex} is not in committee ${committeeIndex} of ${data.slot}`);
      }
      this.#votesFor(data, committeeIndex, committee.length).singles.set(position, signature);
    } catch (error) {
      if (error instanceof ChainRejection) return error;
      throw error;
    }
    this.#chain.noteLive(data.target.epoch, attesterIndex);
    const type = routes.events.EventType.singleAttestation;
    this.#chain.publish({ type, message: attestation });
    return null;
  }

  #verifyVotes({ data, committeeBits, aggregationBits, signature }: ChainAttestation): {
    readonly committeeIndex: number;
    readonly committee: Uint32Array;
    readonly positions: number[];
    readonly attesters: number[];
  } {
    this.#checkSlot(data);
    const [committeeIndex, ...others] = committeeBits.getTrueBitIndexes();
    if (committeeIndex === undefined || others.length > 0) {
      refuse("an aggregate must have exactly one committee bit");
    }
    const committee = this.#committee(data.slot, committeeIndex);
    if (aggregationBits.bitLen !== committee.length) refuse("wrong aggregation bits");
    const positions = aggregationBits.getTrueBitIndexes();
    const attesters = positions.map((position) => committee[position] ?? refuse("bit too high"));
    if (attesters.length === 0) refuse("an empty aggregate");
    const root = this.#chain.signatures.roots.attestation(data);
    if (!this.#chain.signatures.isSignedByAll(attesters, root, signature)) {
      refuse("invalid aggregate signature");
    }
    this.#chain.watcher.noteVote(attesters, data);
    return { committeeIndex, committee, positions, attesters };
  }

  #checkSlot({ slot }: phase0.AttestationData): void {
    const now = this.#chain.currentSlot();
    if (slot > now || slot + params.SLOTS_PER_EPOCH < now) {
      refuse(`attestation slot ${slot} is out of range at slot ${now}`);
    }
  }

  #checkTarget({ slot, target, beaconBlockRoot }: phase0.AttestationData): void {
    if (target.epoch !== epochAtSlot(slot)) refuse("target epoch does not match the slot");
    if (!this.#chain.findBlock(beaconBlockRoot)) refuse("unknown beacon block root");
    const expected = this.#chain.rootAt(target.epoch * params.SLOTS_PER_EPOCH);
    if (!ssz.Root.equals(target.root, expected)) refuse("wrong target root");
  }

  #committee(slot: number, committeeIndex: number): Uint32Array {
    const context = this.#chain.stateAt(this.#chain.currentSlot()).epochCtx;
    if (committeeIndex >= context.getCommitteeCountPerSlot(epochAtSlot(slot))) {
      refuse(`no committee ${committeeIndex} at slot ${slot}`);
    }
    return context.getBeaconCommittee(slot, committeeIndex);
  }

  #votesFor(data: phase0.AttestationData, committeeIndex: number, length: number): CommitteeVotes {
    const key = toHex(ssz.phase0.AttestationData.hashTreeRoot(data));
    const entry = this.#byDataRoot.get(key) ?? { data, committees: new Map() };
    this.#byDataRoot.set(key, entry);
    const votes = entry.committees.get(committeeIndex) ?? {
      length,
      singles: new Map(),
      best: null,
    };
    entry.committees.set(committeeIndex, votes);
    return votes;
  }

  #merge(
    state: ChainState,
    { data, committees }: DataVotes,
  ): { fresh: number; attestation: ChainAttestation } {
    const participation = participationOf(state, data.target.epoch);
    const committeeBits = BitArray.fromBitLen(params.MAX_COMMITTEES_PER_SLOT);
    const signatures: Uint8Array[] = [];
    const bits: number[] = [];
    let offset = 0;
    let fresh = 0;
    for (const [index, votes] of [...committees].sort(([a], [b]) => a - b)) {
      const chosen = this.#choose(votes);
      if (!chosen) continue;
      const committee = state.epochCtx.getBeaconCommittee(data.slot, index);
      for (const position of chosen.positions) {
        bits.push(offset + position);
        if (participation.get(committee[position] ?? refuse("bit too high")) === 0) fresh++;
      }
      signatures.push(...chosen.signatures);
      committeeBits.set(index, true);
      offset += votes.length;
    }
    const signature = fresh > 0 ? sumSignatures(signatures) : new Uint8Array(96);
    const aggregationBits = bitsAt(offset, bits);
    return { fresh, attestation: { aggregationBits, data, signature, committeeBits } };
  }

  #choose(votes: CommitteeVotes): { positions: number[]; signatures: Uint8Array[] } | null {
    const { singles, best } = votes;
    if (this.#chain.packFrom === "all" && singles.size > (best?.positions.length ?? 0)) {
      return { positions: [...singles.keys()], signatures: [...singles.values()] };
    }
    return best && { positions: best.positions, signatures: [best.signature] };
  }
}

function isIncludable(
  state: ChainState,
  { slot, target, source }: phase0.AttestationData,
): boolean {
  const { epoch } = state.epochCtx;
  if (slot + params.MIN_ATTESTATION_INCLUSION_DELAY > state.slot) return false;
  if (target.epoch !== epoch && target.epoch !== epoch - 1) return false;
  const justified =
    target.epoch === epoch ? state.currentJustifiedCheckpoint : state.previousJustifiedCheckpoint;
  return ssz.phase0.Checkpoint.equals(source, justified.toValue());
}

function participationOf(
  state: ChainState,
  epoch: number,
): ChainState["currentEpochParticipation"] {
  return epoch === state.epochCtx.epoch
    ? state.currentEpochParticipation
    : state.previousEpochParticipation;
}

function bitsAt(length: number, positions: Iterable<number>): BitArray {
  const bits = BitArray.fromBitLen(length);
  for (const position of positions) bits.set(position, true);
  return bits;
}
