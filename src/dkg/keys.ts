/** What the dealings of all operators make: group keys and public shares (DKG-9). */
import {
  addCommitments,
  type Commitments,
  constantTerm,
  evaluateCommitments,
} from "../crypto/feldman.ts";
import {
  type PeerIndex,
  type PubKey,
  type PubShare,
  pubKeyOf,
  pubShareOf,
  type Root,
  shareIndexOf,
} from "../domain/keys.ts";
import { err, ok, type Result } from "../util/result.ts";
import { keysHashOf } from "./digests.ts";

export type CeremonyKeys = {
  readonly groupKeys: readonly PubKey[];
  /** For each validator the public share of every operator, in their order. */
  readonly pubShares: readonly (readonly PubShare[])[];
  readonly keysHash: Root;
};

/**
 * From each dealer's commitments for each validator. The error is for what honest dealers make with
 * probability 2^-255: a sum that is infinity, or a key that appears twice.
 */
export function deriveKeys(
  dealings: readonly (readonly Commitments[])[],
  nodes: number,
): Result<CeremonyKeys, string> {
  const groupKeys: PubKey[] = [];
  const pubShares: (readonly PubShare[])[] = [];
  const seen = new Set<string>();
  for (const validator of dealings[0]?.keys() ?? []) {
    const summands = dealings.flatMap((dealing) => dealing.slice(validator, validator + 1));
    const sum = addCommitments(summands);
    if (sum === null) return err(`the commitments for validator ${validator} cancel`);
    const shares: PubShare[] = [];
    for (let receiver: PeerIndex = 0; receiver < nodes; receiver++) {
      const share = evaluateCommitments(sum, shareIndexOf(receiver));
      if (share === null) return err(`operator ${receiver}'s share of ${validator} is zero`);
      shares.push(pubShareOf(share));
    }
    const groupKey = pubKeyOf(constantTerm(sum));
    for (const key of [groupKey, ...shares]) {
      if (seen.has(key)) return err(`a key of validator ${validator} appears twice`);
      seen.add(key);
    }
    groupKeys.push(groupKey);
    pubShares.push(shares);
  }
  return ok({ groupKeys, pubShares, keysHash: keysHashOf({ groupKeys, pubShares }) });
}
