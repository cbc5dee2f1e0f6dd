/** Sync committee messages and contributions on their way into blocks. */
import { BitArray } from "@chainsafe/ssz";
import { routes } from "@lodestar/api";
import * as params from "@lodestar/params";
import { G2_POINT_AT_INFINITY, isSyncCommitteeAggregator } from "@lodestar/state-transition";
import type { altair } from "@lodestar/types";
import { toHex } from "../../src/util/bytes.ts";
import type { ChainContext } from "./chainContext.ts";

import { ChainRejection, notFound, refuse } from "./rejection.ts";
import { epochAtSlot, groupByRoot, sumSignatures } from "./signatures.ts";

const SUBNET_SIZE = params.SYNC_COMMITTEE_SUBNET_SIZE;

/** Signatures of one subcommittee over one head root. */
interface SubcommitteeVotes {
  /** Messages by position in the subcommittee; one validator may hold several. */
  readonly singles: Map<number, Uint8Array>;
  best: { readonly positions: number[]; readonly signature: Uint8Array } | null;
}

interface SlotVotes {
  readonly slot: number;
  readonly subcommittees: Map<number, SubcommitteeVotes>;
}

export class SyncCommitteePool {
  readonly #chain: ChainContext;
  /** Keyed by slot and head root. */
  readonly #bySlotAndRoot = new Map<string, SlotVotes>();

  constructor(chain: ChainContext) {
    this.#chain = chain;
  }

  /** Takes messages, each judged alone: null or the reason, item by item. */
  add(messages: readonly altair.SyncCommitteeMessage[]): (ChainRejection | null)[] {
    const results: (ChainRejection | null)[] = messages.map(() => null);
    const candidates = messages.flatMap((message, position) => {
      const positions = this.#positionsOf(message);
      if (positions instanceof ChainRejection) {
        results[position] = positions;
        return [];
      }
      const { validatorIndex: index, signature, slot, beaconBlockRoot } = message;
      const root = this.#chain.signatures.roots.syncMessage(slot, beaconBlockRoot);
      return [{ message, position, positions, index, signature, root }];
    });
    for (const group of groupByRoot(candidates).values()) {
      const valid = this.#chain.signatures.checkSameRoot(group, group[0]?.root ?? refuse("empty"));
      for (const [offset, { message, position, positions, index }] of group.entries()) {
        if (valid[offset]) this.#addVerified(message, positions);
        else results[position] = new ChainRejection(400, `invalid signature of validator ${index}`);
      }
    }
    return results;
  }

  /** The contribution of the messages known for one subcommittee. */
  contribution(
    slot: number,
    subcommitteeIndex: number,
    beaconBlockRoot: Uint8Array,
  ): altair.SyncCommitteeContribution {
    const entry = this.#bySlotAndRoot.get(keyOf(slot, beaconBlockRoot));
    const votes = entry?.subcommittees.get(subcommitteeIndex);
    if (!votes || votes.singles.size === 0) notFound(`sync messages of ${subcommitteeIndex}`);
    const aggregationBits = BitArray.fromBitLen(SUBNET_SIZE);
    for (const position of votes.singles.keys()) aggregationBits.set(position, true);
    const signature = sumSignatures(votes.singles.values());
    return { slot, beaconBlockRoot, subcommitteeIndex, aggregationBits, signature };
  }

  /** Takes a signed contribution after the gossip checks of the consensus spec. */
  addContribution({ message, signature }: altair.SignedContributionAndProof): void {
    const { contribution, aggregatorIndex, selectionProof } = message;
    const { slot, subcommitteeIndex, beaconBlockRoot } = contribution;
    const { signatures } = this.#chain;
    this.#checkSlot(slot);
    const committee = this.#committeeAt(slot);
    const seats = committee.validatorIndexMap.get(aggregatorIndex) ?? [];
    if (!seats.some((seat) => Math.floor(seat / SUBNET_SIZE) === subcommitteeIndex)) {
      refuse("aggregator is not in the subcommittee");
    }
    if (!isSyncCommitteeAggregator(selectionProof)) {
      refuse(`validator ${aggregatorIndex} is not a sync committee aggregator`);
    }
    const proofRoot = signatures.roots.syncSelectionProof(slot, subcommitteeIndex);
    if (!signatures.isSignedBy(aggregatorIndex, proofRoot, selectionProof)) {
      refuse("invalid sync selection proof");
    }
    const outerRoot = signatures.roots.contributionAndProof(message);
    if (!signatures.isSignedBy(aggregatorIndex, outerRoot, signature)) {
      refuse("invalid contribution-and-proof signature");
    }
    const positions = contribution.aggregationBits.getTrueBitIndexes();
    const first = subcommitteeIndex * SUBNET_SIZE;
    const signers = positions.map((position) => committee.validatorIndices[first + position]);
    const known = signers.filter((index) => index !== undefined);
    const root = signatures.roots.syncMessage(slot, beaconBlockRoot);
    if (known.length === 0 || !signatures.isSignedByAll(known, root, contribution.signature)) {
      refuse("invalid contribution signature");
    }
    const votes = this.#votesFor(slot, beaconBlockRoot, subcommitteeIndex);
    if (positions.length > (votes.best?.positions.length ?? 0)) {
      votes.best = { positions, signature: contribution.signature };
    }
    const type = routes.events.EventType.contributionAndProof;
    this.#chain.publish({ type, message: { message, signature } });
  }

  /** The sync aggregate of a block at `slot`, over the head the block builds on. */
  pack(slot: number): altair.SyncAggregate {
    const entry = this.#bySlotAndRoot.get(keyOf(slot - 1, this.#chain.head.root));
    const syncCommitteeBits = BitArray.fromBitLen(params.SYNC_COMMITTEE_SIZE);
    const signatures: Uint8Array[] = [];
    for (const [index, votes] of entry?.subcommittees ?? []) {
      const chosen = this.#choose(votes);
      if (!chosen) continue;
      for (const position of chosen.positions) {
        syncCommitteeBits.set(index * SUBNET_SIZE + position, true);
      }
      signatures.push(...chosen.signatures);
    }
    const isEmpty = signatures.length === 0;
    return {
      syncCommitteeBits,
      syncCommitteeSignature: isEmpty ? G2_POINT_AT_INFINITY : sumSignatures(signatures),
    };
  }

  /** Forgets messages older than any block could still carry. */
  prune(headSlot: number): void {
    for (const [key, { slot }] of this.#bySlotAndRoot) {
      if (slot + 4 < headSlot) this.#bySlotAndRoot.delete(key);
    }
  }

  #positionsOf(message: altair.SyncCommitteeMessage): readonly number[] | ChainRejection {
    const { slot, validatorIndex } = message;
    try {
      this.#checkSlot(slot);
    } catch (error) {
      if (error instanceof ChainRejection) return error;
      throw error;
    }
    const seats = this.#committeeAt(slot).validatorIndexMap.get(validatorIndex);
    return seats ?? new ChainRejection(400, `validator ${validatorIndex} is in no sync committee`);
  }

  #checkSlot(slot: number): void {
    const now = this.#chain.currentSlot();
    if (Math.abs(slot - now) > 1) refuse(`sync message slot ${slot} is not current (${now})`);
  }

  #committeeAt(slot: number): ReturnType<EpochContext["getIndexedSyncCommittee"]> {
    return this.#chain.stateAt(this.#chain.currentSlot()).epochCtx.getIndexedSyncCommittee(slot);
  }

  #addVerified(message: altair.SyncCommitteeMessage, seats: readonly number[]): void {
    const { slot, beaconBlockRoot, validatorIndex, signature } = message;
    for (const seat of seats) {
      const votes = this.#votesFor(slot, beaconBlockRoot, Math.floor(seat / SUBNET_SIZE));
      votes.singles.set(seat % SUBNET_SIZE, signature);
    }
    this.#chain.noteLive(epochAtSlot(slot), validatorIndex);
  }

  #votesFor(slot: number, root: Uint8Array, subcommitteeIndex: number): SubcommitteeVotes {
    const key = keyOf(slot, root);
    const entry = this.#bySlotAndRoot.get(key) ?? { slot, subcommittees: new Map() };
    this.#bySlotAndRoot.set(key, entry);
    const votes = entry.subcommittees.get(subcommitteeIndex) ?? { singles: new Map(), best: null };
    entry.subcommittees.set(subcommitteeIndex, votes);
    return votes;
  }

  #choose({ singles, best }: SubcommitteeVotes): {
    positions: number[];
    signatures: Uint8Array[];
  } | null {
    if (this.#chain.packFrom === "all" && singles.size > (best?.positions.length ?? 0)) {
      return { positions: [...singles.keys()], signatures: [...singles.values()] };
    }
    return best && { positions: best.positions, signatures: [best.signature] };
  }
}

type EpochContext = ReturnType<ChainContext["stateAt"]>["epochCtx"];

function keyOf(slot: number, root: Uint8Array): string {
  return `${slot}:${toHex(root)}`;
}
