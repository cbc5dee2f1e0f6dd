/**
 * The attack on joint Feldman without proofs and commitments: who sees all other constant terms
 * first makes the group key a key that he knows, and gives honest receivers shares that fit.
 */
import { bls12_381 } from "@noble/curves/bls12-381.js";

const { G1 } = bls12_381;
const { Fr } = bls12_381.fields;

/** The secret that the group key will be the key of. */
export const ROGUE_SECRET = 0x1234_5678_9abc_def0n;
/** Shares that he hands to the operators with share index 1 and 2. */
export const ROGUE_SHARES = [1_111n, 2_222n] as const;

/**
 * For t = 3: commitments of a polynomial in the exponent through (0, A), (1, s1·G) and (2, s2·G),
 * with A = y·G − Σ others.
 */
export function rogueKeyCommitments(
  honest: readonly Uint8Array[],
  others: readonly Uint8Array[],
): readonly Uint8Array[] {
  let constant = G1.Point.BASE.multiply(ROGUE_SECRET);
  for (const other of others) constant = constant.subtract(G1.Point.fromBytes(other));
  const [p1, p2] = ROGUE_SHARES.map((share) => G1.Point.BASE.multiply(share));
  if (p1 === undefined || p2 === undefined) return honest;
  const half = Fr.inv(2n);
  const minus = (scalar: bigint): bigint => Fr.neg(scalar);
  const first = constant
    .multiply(minus(Fr.mul(3n, half)))
    .add(p1.multiply(2n))
    .add(p2.multiply(minus(half)));
  const second = constant
    .multiply(half)
    .add(p1.multiply(minus(1n)))
    .add(p2.multiply(half));
  return [constant, first, second].map((point) => point.toBytes(true));
}
