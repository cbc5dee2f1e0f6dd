/**
 * Feldman's verifiable secret sharing (FOCS '87) over G1: a dealer commits to each coefficient of
 * its polynomial, and everybody can evaluate it in the exponent. Commitments are public, so sums
 * may take variable time; multiplication of secrets is the curve library's own.
 */
import { aggregatePublicKeys, type PublicKey, SecretKey } from "@chainsafe/blst";
import type { ShareIndex } from "../domain/keys.ts";
import type { Random } from "../ports/random.ts";
import { assert } from "../util/assert.ts";
import { equalBytes } from "../util/bytes.ts";
import { bucketSum } from "./multiScalar.ts";
import { decode, parsePublicKey } from "./points.ts";
import { CURVE_ORDER, type Polynomial, scalarBytes, scalarOf } from "./shamir.ts";

/** The decoded commitments of one polynomial, constant term first; none of them is infinity. */
export type Commitments = readonly PublicKey[];

/** What the shares of `x` are checked against: one polynomial and the 32-byte share of it. */
export type ShareClaim = { readonly commitments: Commitments; readonly share: Uint8Array };

/** From this many claims on, one sum with random weights is cheaper than one check for each. */
const BATCH_FROM = 12;
/** A wrong share passes a batch with probability 2^-128. */
const WEIGHT_BYTES = 16;

/** The commitments of a polynomial without zero coefficients. */
export function commitTo(polynomial: Polynomial): Commitments {
  return polynomial.map((coefficient) => {
    const bytes = scalarBytes(coefficient);
    const point = SecretKey.fromBytes(bytes).toPublicKey();
    bytes.fill(0);
    return point;
  });
}

/** The compressed commitments, 48 bytes each. */
export function encodeCommitments(commitments: Commitments): readonly Uint8Array[] {
  return commitments.map((point) => point.toBytes());
}

/** Null when one is no point of G1 or is infinity (DKG-6). */
export function parseCommitments(encoded: readonly Uint8Array[]): Commitments | null {
  const points: PublicKey[] = [];
  for (const bytes of encoded) {
    const point = parsePublicKey(bytes);
    if (point === null) return null;
    points.push(point);
  }
  return points;
}

/** The commitments of the sum of polynomials of one degree; null when one adds up to infinity. */
export function addCommitments(all: readonly Commitments[]): Commitments | null {
  const [first] = all;
  assert(first !== undefined, "a sum has at least one summand");
  const sums: PublicKey[] = [];
  for (let power = 0; power < first.length; power++) {
    const summands = all.flatMap((commitments) => commitments.slice(power, power + 1));
    assert(summands.length === all.length, "polynomials have one degree");
    const sum = aggregatePublicKeys(summands, false);
    if (isInfinity(sum)) return null;
    sums.push(sum);
  }
  return sums;
}

/** The constant term's commitment, 48 bytes: the public key of what is shared. */
export function constantTerm(commitments: Commitments): Uint8Array {
  const [constant] = commitments;
  assert(constant !== undefined, "a polynomial has a constant term");
  return constant.toBytes();
}

/** The public key of the share of `x`, 48 bytes; null when it is infinity. */
export function evaluateCommitments(commitments: Commitments, x: ShareIndex): Uint8Array | null {
  const point = evaluateAt(commitments, x);
  return isInfinity(point) ? null : point.toBytes();
}

/** Whether `share` is the committed polynomial's value at `x`; false for zero and for no scalar. */
export function verifyShare({ commitments, share }: ShareClaim, x: ShareIndex): boolean {
  const secret = decode(() => SecretKey.fromBytes(share));
  if (secret === null) return false;
  const expected = evaluateCommitments(commitments, x);
  return expected !== null && equalBytes(secret.toPublicKey().toBytes(), expected);
}

/**
 * Whether all shares of `x` are right: Σ ρ·share·G against Σ ρ·x^k·C with weights ρ that nobody
 * could know when the shares were made. Exact for few claims.
 */
export function verifyShares(
  claims: readonly ShareClaim[],
  x: ShareIndex,
  random: Random,
): boolean {
  if (claims.length < BATCH_FROM) return claims.every((claim) => verifyShare(claim, x));
  let total = 0n;
  const points: PublicKey[] = [];
  const scalars: bigint[] = [];
  for (const { commitments, share } of claims) {
    const scalar = scalarOf(share);
    if (scalar === null) return false;
    const weight = BigInt(`0x01${Buffer.from(random.bytes(WEIGHT_BYTES)).toString("hex")}`);
    total += weight * scalar;
    let power = weight;
    for (const point of commitments) {
      points.push(point);
      scalars.push(power);
      power *= BigInt(x);
    }
  }
  total %= CURVE_ORDER;
  if (total === 0n) return false;
  const expected = SecretKey.fromBytes(scalarBytes(total)).toPublicKey().toBytes();
  const sum = bucketSum({ points, scalars }, (list) => aggregatePublicKeys(list, false));
  return equalBytes(sum.toBytes(), expected);
}

/** Horner's rule in the exponent: the small factor `x` is that many additions in one call. */
function evaluateAt(commitments: Commitments, x: ShareIndex): PublicKey {
  let sum: PublicKey | null = null;
  for (const commitment of commitments.toReversed()) {
    if (sum === null) sum = commitment;
    else sum = aggregatePublicKeys([commitment, ...new Array<PublicKey>(x).fill(sum)], false);
  }
  assert(sum !== null, "a polynomial has a constant term");
  return sum;
}

/** The compressed encoding of infinity is its flag byte and zeros. */
function isInfinity(point: PublicKey): boolean {
  return ((point.toBytes()[0] ?? 0) & 0x40) !== 0;
}
