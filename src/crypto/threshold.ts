/**
 * Threshold BLS: any t of n key shares make the group's key or its signature, fewer say nothing
 * (Boldyreva, PKC 2003). Share i lies at x = i on a polynomial of degree t−1 in the exponent.
 */
import { aggregatePublicKeys, PublicKey, Signature } from "@chainsafe/blst";
import {
  bytesOf,
  type PubKey,
  type PubShare,
  pubKeyOf,
  type ShareIndex,
  type Signature as SignatureBytes,
} from "../domain/keys.ts";
import { MAX_NODES } from "../domain/limits.ts";
import type { SignatureShare } from "../ports/bls.ts";
import type { Random } from "../ports/random.ts";
import { assert } from "../util/assert.ts";
import { BoundedCache } from "../util/boundedCache.ts";
import { equalBytes } from "../util/bytes.ts";
import { err, ok, type Result } from "../util/result.ts";
import { addSignatures, multiplyG2 } from "./gls.ts";
import { bucketSum, multiScalar } from "./multiScalar.ts";
import { isInG2, parseCurvePoint, parsePublicKey } from "./points.ts";
import {
  areShareIndices,
  evaluate,
  interpolate,
  invertScalar,
  type LagrangeWeights,
  lagrangeWeights,
  randomPolynomial,
  scalarBytes,
  scalarOf,
} from "./shamir.ts";

/** One key share; `secret` has 32 bytes. */
export type KeyShare = { readonly index: ShareIndex; readonly secret: Uint8Array };

/** What is wrong with a list of public shares, and with which of them (0-based) where one is. */
export type PubShareFault = { readonly position: number | null; readonly reason: string };

/** The bit of a compressed point's first byte that picks the larger of ±y (zcash serialization). */
const SIGN_BIT = 0x20;
/** Sets of signers seen in practice: all 3-of-4 to 7-of-10, and some of larger clusters. */
const MAX_CACHED_SIGNER_SETS = 1024;

const weightsAtZero = new BoundedCache<string, LagrangeWeights>(MAX_CACHED_SIGNER_SETS);

/**
 * Splits a 32-byte secret key into shares 1…n of which any `threshold` recover it.
 * Null when `secret` is no key.
 */
export function splitSecret(input: {
  readonly secret: Uint8Array;
  readonly threshold: number;
  readonly shares: number;
  readonly random: Random;
}): readonly KeyShare[] | null {
  const { threshold, shares, random } = input;
  assert(threshold >= 1 && threshold <= shares && shares <= MAX_NODES, "1 ≤ t ≤ n ≤ MAX_NODES");
  const secret = scalarOf(input.secret);
  if (secret === null) return null;
  const polynomial = randomPolynomial({ secret, threshold, random });
  return Array.from({ length: shares }, (_, i) => {
    const share = evaluate(polynomial, i + 1);
    assert(share !== 0n, "a share is zero with probability 2^-255");
    return { index: i + 1, secret: scalarBytes(share) };
  });
}

/**
 * The secret at zero of the polynomial through all given shares, 32 bytes. With fewer shares than
 * the threshold the result is another key: compare its public key with the group's. Null when
 * indices repeat, a share is no scalar, or the result is zero.
 */
export function recoverSecret(shares: readonly KeyShare[]): Uint8Array | null {
  if (!areShareIndices(shares.map((share) => share.index))) return null;
  const points: { index: ShareIndex; value: bigint }[] = [];
  for (const { index, secret } of shares) {
    const value = scalarOf(secret);
    if (value === null) return null;
    points.push({ index, value });
  }
  const secret = interpolate(points);
  return secret === 0n ? null : scalarBytes(secret);
}

/**
 * The group signature from partial signatures over one message: Σ λ_i·S_i with Lagrange weights at
 * zero. The sum is checked to lie in G2 and not at infinity, to which the last to speak can take
 * it; not to be a valid signature: verify it under the group key (BLS-5). Null when it is none,
 * when a share is no point of the curve, or indices repeat (BLS-4).
 *
 * The weights are small integers over one small divisor, so the sum costs a handful of additions;
 * only a divisor other than 1 needs a multiplication by a full-size scalar, by the GLS route.
 */
export function combineSignatures(shares: readonly SignatureShare[]): SignatureBytes | null {
  const indices = shares.map((share) => share.index);
  if (!areShareIndices(indices)) return null;
  const { weights, divisor } = cachedWeights(indices);
  const terms: { point: Signature; scalar: bigint }[] = [];
  for (const [i, share] of shares.entries()) {
    const weight = weights[i] ?? 0n;
    const point = parseCurvePoint(weight < 0n ? negated(share.signature) : share.signature);
    if (point === null) return null;
    terms.push({ point, scalar: weight < 0n ? -weight : weight });
  }
  const sum = multiScalar(terms, addSignatures);
  if (!isInG2(sum)) return null;
  return (divisor === 1n ? sum : multiplyG2(sum, invertScalar(divisor))).toBytes();
}

/** A signature that was verified, and how often it counts. */
export type WeightedSignature = { readonly signature: SignatureBytes; readonly weight: bigint };

/** Σ weight·signature of at least one, with positive weights. */
export function sumSignatures(all: readonly WeightedSignature[]): SignatureBytes {
  // Verified signatures were found to lie in their group.
  const points = all.map(({ signature }) => Signature.fromBytes(signature));
  const sum = bucketSum({ points, scalars: all.map(({ weight }) => weight) }, addSignatures);
  return sum.toBytes();
}

/**
 * The group key of the public shares of operators 1…n, after checking that they are distinct
 * points of G1 which all lie on one polynomial of degree `threshold` − 1 (BLS-6).
 */
export function interpolatePublicKey(
  pubShares: readonly PubShare[],
  threshold: number,
): Result<PubKey, PubShareFault> {
  assert(threshold >= 1 && threshold <= pubShares.length, "1 ≤ t ≤ n");
  assert(pubShares.length <= MAX_NODES, "n ≤ MAX_NODES");
  const encoded = pubShares.map(bytesOf);
  for (const [position, pubShare] of pubShares.entries()) {
    if (parsePublicKey(bytesOf(pubShare)) === null) {
      return err({ position, reason: "is no valid BLS public key" });
    }
    if (pubShares.indexOf(pubShare) !== position) {
      return err({ position, reason: "is the same as another public share" });
    }
  }
  const base = encoded.slice(0, threshold);
  for (const [position, bytes] of encoded.entries()) {
    if (position >= threshold && !equalBytes(evaluateInExponent(base, position + 1), bytes)) {
      const reason = `does not lie on the polynomial of the first ${threshold} public shares`;
      return err({ position, reason });
    }
  }
  const group = evaluateInExponent(base, 0);
  if (parsePublicKey(group) === null) {
    return err({ position: null, reason: "cancel to the point at infinity" });
  }
  return ok(pubKeyOf(group));
}

/** The point at `x` of the polynomial through valid points at 1…t: 48 bytes. */
function evaluateInExponent(points: readonly Uint8Array[], x: number): Uint8Array {
  const indices = points.map((_, i) => i + 1);
  const { weights, divisor } = lagrangeWeights(indices, x);
  assert(divisor === 1n, "between consecutive integers Lagrange weights are integers");
  const terms = points.map((bytes, i) => {
    const weight = weights[i] ?? 0n;
    // Valid when the caller checked it: negation keeps a point in its group.
    const point = PublicKey.fromBytes(weight < 0n ? negated(bytes) : bytes);
    return { point, scalar: weight < 0n ? -weight : weight };
  });
  return multiScalar(terms, (list) => aggregatePublicKeys(list, false)).toBytes();
}

function cachedWeights(indices: readonly ShareIndex[]): LagrangeWeights {
  const key = indices.join();
  const known = weightsAtZero.get(key);
  if (known !== undefined) return known;
  const weights = lagrangeWeights(indices, 0);
  weightsAtZero.set(key, weights);
  return weights;
}

/** The compressed encoding of −P. Of anything malformed it makes something else malformed. */
function negated(point: Uint8Array): Uint8Array {
  const out = Uint8Array.from(point);
  out[0] = (out[0] ?? 0) ^ SIGN_BIT;
  return out;
}
