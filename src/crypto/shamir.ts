/**
 * Shamir's secret sharing in Fr, the scalar field of BLS12-381: a secret is the value at zero of a
 * random polynomial of degree t−1, share i its value at i (Shamir, CACM 22(11), 1979).
 *
 * Not constant time: the BigInt arithmetic runs when keys are dealt, split or recovered, offline.
 * Nothing of it runs on secrets while a node performs duties.
 */
import { bls12_381 } from "@noble/curves/bls12-381.js";
import type { ShareIndex } from "../domain/keys.ts";
import { MAX_NODES } from "../domain/limits.ts";
import type { Random } from "../ports/random.ts";
import { assert } from "../util/assert.ts";
import { SECRET_KEY_BYTES } from "./points.ts";

const { Fr } = bls12_381.fields;

/** Order r of the groups G1 and G2. */
export const CURVE_ORDER: bigint = Fr.ORDER;

/** Coefficients from the constant term upwards. */
export type Polynomial = readonly bigint[];

/**
 * Lagrange weights as integers over one common divisor: f(at) = Σ weights[i]·f(x_i) / divisor for
 * every polynomial f of degree below the number of points. With small indices the weights have a
 * few bits instead of 255, and the divisor is 1 in most cases.
 */
export type LagrangeWeights = { readonly weights: readonly bigint[]; readonly divisor: bigint };

/** Whether `index` can be an x-coordinate: a positive 32-bit integer (SSV's are operator ids). */
function isShareIndex(index: number): boolean {
  return Number.isInteger(index) && index >= 1 && index <= 0xffff_ffff;
}

/** Whether `indices` can be interpolated: some, not too many, each valid, no two equal (BLS-4). */
export function areShareIndices(indices: readonly ShareIndex[]): boolean {
  return (
    indices.length >= 1 &&
    indices.length <= MAX_NODES &&
    indices.every(isShareIndex) &&
    new Set(indices).size === indices.length
  );
}

/** A polynomial of degree `threshold` − 1 with the given value at zero, else uniformly random. */
export function randomPolynomial(input: {
  readonly secret: bigint;
  readonly threshold: number;
  readonly random: Random;
}): Polynomial {
  const { secret, threshold, random } = input;
  assert(Fr.isValidNot0(secret), "a shared secret is a scalar other than zero");
  assert(threshold >= 1 && threshold <= MAX_NODES, `no threshold: ${threshold}`);
  const polynomial = [secret];
  while (polynomial.length < threshold) polynomial.push(randomScalar(random));
  return polynomial;
}

/** Uniform in 1…r−1 up to a bias of 2^-128: 48 bytes reduced, as RFC 9380 §5.2 does it. */
export function randomScalar(random: Random): bigint {
  const scalar = Fr.create(integerOf(random.bytes(48)));
  assert(scalar !== 0n, "48 random bytes are not a multiple of the curve order");
  return scalar;
}

/** f(x), by Horner's rule. */
export function evaluate(polynomial: Polynomial, x: ShareIndex): bigint {
  assert(isShareIndex(x), `no share index: ${x}`);
  const point = BigInt(x);
  return polynomial.reduceRight((sum, term) => Fr.add(Fr.mul(sum, point), term), 0n);
}

/** Weights to evaluate at `at` (0: the shared secret) what is known at `indices`. */
export function lagrangeWeights(indices: readonly ShareIndex[], at: number): LagrangeWeights {
  assert(areShareIndices(indices), "indices are distinct positive integers");
  const fractions = indices.map((index) => basisAt(index, { indices, at }));
  const divisor = fractions.reduce((lcm, f) => (lcm / gcd(lcm, f.denominator)) * f.denominator, 1n);
  const weights = fractions.map((f) => (divisor / f.denominator) * f.numerator);
  return { weights, divisor };
}

/** The value at zero of the polynomial through the shares. */
export function interpolate(
  shares: readonly { readonly index: ShareIndex; readonly value: bigint }[],
): bigint {
  const { weights, divisor } = lagrangeWeights(
    shares.map((share) => share.index),
    0,
  );
  const sum = shares.reduce(
    (total, share, i) => Fr.add(total, Fr.mul(Fr.create(weights[i] ?? 0n), share.value)),
    0n,
  );
  return Fr.div(sum, divisor);
}

/** The sum of 32-byte scalars, null when it is zero. Each must lie in 1…r−1. */
export function addScalars(all: readonly Uint8Array[]): Uint8Array | null {
  const sum = all.reduce((total, bytes) => {
    const scalar = scalarOf(bytes);
    assert(scalar !== null, "summands are scalars");
    return Fr.add(total, scalar);
  }, 0n);
  return sum === 0n ? null : scalarBytes(sum);
}

/** 1/n mod r. */
export function invertScalar(n: bigint): bigint {
  return Fr.inv(Fr.create(n));
}

/** The integer of 32 big-endian bytes; null unless it lies in 1…r−1. */
export function scalarOf(bytes: Uint8Array): bigint | null {
  if (bytes.length !== SECRET_KEY_BYTES) return null;
  const scalar = integerOf(bytes);
  return Fr.isValidNot0(scalar) ? scalar : null;
}

/** 32 big-endian bytes of a scalar. */
export function scalarBytes(scalar: bigint): Uint8Array {
  return Fr.toBytes(scalar);
}

function integerOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
}

/** ∏ (at − j) / (index − j) over the other indices j, in lowest terms, denominator positive. */
function basisAt(
  index: ShareIndex,
  points: { readonly indices: readonly ShareIndex[]; readonly at: number },
): { readonly numerator: bigint; readonly denominator: bigint } {
  let numerator = 1n;
  let denominator = 1n;
  for (const other of points.indices) {
    if (other === index) continue;
    numerator *= BigInt(points.at - other);
    denominator *= BigInt(index - other);
  }
  const common = gcd(abs(numerator), abs(denominator)) * (denominator < 0n ? -1n : 1n);
  return { numerator: numerator / common, denominator: denominator / common };
}

function gcd(a: bigint, b: bigint): bigint {
  let [x, y] = [a, b];
  while (y !== 0n) [x, y] = [y, x % y];
  return x;
}

function abs(n: bigint): bigint {
  return n < 0n ? -n : n;
}
