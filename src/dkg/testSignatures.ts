/**
 * That any t key shares make the same signature (DKG-10): over the lock hash, which is no message
 * of the chain. All sets of t where there are few, else as many as it takes to imply the others.
 */

import { sumSignatures, type WeightedSignature } from "../crypto/threshold.ts";
import type { Signature } from "../domain/keys.ts";
import type { Random } from "../ports/random.ts";
import { equalBytes } from "../util/bytes.ts";
import type { CeremonyShape } from "../wire/ceremonyBodies.ts";
import { combined, firstOperators } from "./partials.ts";

/** Up to so many validators each is tested by itself, above that a sum with random weights. */
const MAX_TESTED_ALONE = 4;
/** Sets that are tried one by one; 7 of 10 are 120, while 21 of 31 are 44 million. */
const MAX_SETS = 256;
const WEIGHT_BYTES = 8;

/** `byOperator`: verified signatures, one per validator. */
export function subsetsAgree(
  byOperator: readonly (readonly Signature[])[],
  { nodes, threshold, validators }: CeremonyShape,
  random: Random,
): boolean {
  const sets = setsOf(nodes, threshold);
  const columns =
    validators <= MAX_TESTED_ALONE
      ? Array.from({ length: validators }, (_, v) => byOperator.map((row) => row[v]))
      : [weightedSums(byOperator, validators, random)];
  return columns.every((column) => {
    const [first, ...others] = sets.map((set) => combined(column, set));
    return first !== undefined && others.every((other) => equalBytes(other, first));
  });
}

/**
 * Every set of t, or where those are too many, the first t−1 operators with each other one: if all
 * of these agree, the n points lie on one polynomial of degree t−1, and so every set agrees.
 */
export function setsOf(nodes: number, threshold: number): readonly (readonly number[])[] {
  let count = 1;
  for (let i = 0; i < threshold; i++) count = (count * (nodes - i)) / (i + 1);
  if (count <= MAX_SETS) return subsets(firstOperators(nodes), threshold);
  const base = firstOperators(threshold - 1);
  return firstOperators(nodes)
    .slice(threshold - 1)
    .map((other) => [...base, other]);
}

/** One sum per operator; the same weights for all, or the sums would lie on no polynomial. */
function weightedSums(
  byOperator: readonly (readonly Signature[])[],
  validators: number,
  random: Random,
): readonly Signature[] {
  const weights = Array.from(
    { length: validators },
    () => BigInt(`0x${Buffer.from(random.bytes(WEIGHT_BYTES)).toString("hex")}`) + 1n,
  );
  return byOperator.map((row) =>
    sumSignatures(
      weights.flatMap((weight, v): readonly WeightedSignature[] => {
        const signature = row[v];
        return signature === undefined ? [] : [{ signature, weight }];
      }),
    ),
  );
}

function subsets(items: readonly number[], size: number): readonly (readonly number[])[] {
  if (size === 0) return [[]];
  return items.flatMap((item, i) =>
    subsets(items.slice(i + 1), size - 1).map((rest) => [item, ...rest]),
  );
}
