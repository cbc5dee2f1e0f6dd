/**
 * Remembers every vote and block a validator was ever seen to sign, also those the chain refused,
 * and names each pair that would be slashed. It is fed by the pools and by imported blocks, only
 * with messages whose signature was verified.
 */
import type { phase0 } from "@lodestar/types";
import { ssz } from "@lodestar/types";
import { toHex } from "../../src/util/bytes.ts";

export interface SeenVote {
  readonly sourceEpoch: number;
  readonly targetEpoch: number;
  readonly slot: number;
  /** Hash tree root of the AttestationData. */
  readonly dataRoot: string;
}

export interface SeenBlock {
  readonly slot: number;
  readonly blockRoot: string;
}

export type SlashableOffence =
  | {
      readonly kind: "doubleVote" | "surroundVote";
      readonly validatorIndex: number;
      /** In the order of their arrival. */
      readonly votes: readonly [SeenVote, SeenVote];
    }
  | {
      readonly kind: "doubleProposal";
      readonly validatorIndex: number;
      readonly blocks: readonly [SeenBlock, SeenBlock];
    };

export class SlashingWatcher {
  readonly #votes = new Map<number, SeenVote[]>();
  readonly #blocks = new Map<string, SeenBlock[]>();
  readonly #offences: SlashableOffence[] = [];

  /** Every offence seen since genesis, oldest first. */
  get offences(): readonly SlashableOffence[] {
    return this.#offences;
  }

  /** Distinct votes seen of one validator, oldest first. */
  votesOf(validatorIndex: number): readonly SeenVote[] {
    return this.#votes.get(validatorIndex) ?? [];
  }

  noteVote(validatorIndices: Iterable<number>, data: phase0.AttestationData): void {
    const vote: SeenVote = {
      sourceEpoch: data.source.epoch,
      targetEpoch: data.target.epoch,
      slot: data.slot,
      dataRoot: toHex(ssz.phase0.AttestationData.hashTreeRoot(data)),
    };
    for (const validatorIndex of validatorIndices) this.#noteVote(validatorIndex, vote);
  }

  noteBlock(validatorIndex: number, block: SeenBlock): void {
    const key = `${validatorIndex}:${block.slot}`;
    const seen = this.#blocks.get(key) ?? [];
    if (seen.some((earlier) => earlier.blockRoot === block.blockRoot)) return;
    for (const earlier of seen) {
      this.#offences.push({ kind: "doubleProposal", validatorIndex, blocks: [earlier, block] });
    }
    seen.push(block);
    this.#blocks.set(key, seen);
  }

  #noteVote(validatorIndex: number, vote: SeenVote): void {
    const seen = this.#votes.get(validatorIndex) ?? [];
    if (seen.some((earlier) => earlier.dataRoot === vote.dataRoot)) return;
    for (const earlier of seen) {
      const kind = slashableKind(earlier, vote);
      if (kind) this.#offences.push({ kind, validatorIndex, votes: [earlier, vote] });
    }
    seen.push(vote);
    this.#votes.set(validatorIndex, seen);
  }
}

/** `is_slashable_attestation_data` of the consensus spec, both ways round. */
function slashableKind(a: SeenVote, b: SeenVote): "doubleVote" | "surroundVote" | null {
  if (a.targetEpoch === b.targetEpoch) return "doubleVote";
  return surrounds(a, b) || surrounds(b, a) ? "surroundVote" : null;
}

function surrounds(outer: SeenVote, inner: SeenVote): boolean {
  return outer.sourceEpoch < inner.sourceEpoch && inner.targetEpoch < outer.targetEpoch;
}
