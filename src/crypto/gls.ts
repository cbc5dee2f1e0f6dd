/**
 * Multiplication of a point of G2 by a full-size scalar through the endomorphism ψ (Galbraith, Lin
 * and Scott, "Endomorphisms for Faster Elliptic Curve Cryptography on a Large Class of Curves",
 * EUROCRYPT 2009; Galbraith and Scott, Pairing 2008, for G2 of pairing-friendly curves): ψ
 * untwists, applies Frobenius and twists back. On G2 it multiplies by p ≡ x (mod r), x being the
 * curve's 64-bit parameter, so that a 255-bit scalar becomes four 64-bit digits in base |x|.
 *
 * Valid inside G2 only: callers pass points whose subgroup was checked. Variable time: public data.
 */
import { aggregateSignatures, Signature } from "@chainsafe/blst";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { assert } from "../util/assert.ts";
import { multiScalar, type Term } from "./multiScalar.ts";
import { CURVE_ORDER } from "./shamir.ts";

const { Fp, Fp2 } = bls12_381.fields;
const P = Fp.ORDER;
const FIELD_BYTES = 48;

/** |x| of BLS12-381, where x is negative (draft-irtf-cfrg-pairing-friendly-curves-11, §4.2.1). */
const ABS_X = 0xd201000000010000n;
assert(ABS_X ** 4n - ABS_X ** 2n + 1n === CURVE_ORDER, "r = x⁴ − x² + 1");
/** Four digits in base |x|: r < |x|⁴. */
const DIGITS = 4;

type Fp2Element = { readonly c0: bigint; readonly c1: bigint };
type AffinePoint = { readonly x: Fp2Element; readonly y: Fp2Element };

// The curve over Fp2 is y² = x³ + 4ξ with ξ = 1 + i. Its twist divides x by ξ^(1/3) and y by
// ξ^(1/2); across Frobenius these become powers of ξ in Fp2 (Bowe, ePrint 2019/814, §2).
const XI: Fp2Element = Fp2.create({ c0: 1n, c1: 1n });
const PSI_X: Fp2Element = Fp2.inv(Fp2.pow(XI, (P - 1n) / 3n));
const PSI_Y: Fp2Element = Fp2.inv(Fp2.pow(XI, (P - 1n) / 2n));

/** `scalar`·`point` for a point of G2 other than infinity, 0 < scalar < r. */
export function multiplyG2(point: Signature, scalar: bigint): Signature {
  assert(scalar > 0n && scalar < CURVE_ORDER, "a scalar lies in 1…r−1");
  const terms: Term<Signature>[] = [];
  let image = affineOf(point);
  let rest = scalar;
  for (let digit = 0; digit < DIGITS; digit++) {
    // |x|·Q = −ψ(Q), since x is negative: the base's powers are ±ψ, ψ², …, one map at a time.
    if (digit > 0) image = negate(psi(image));
    const value = rest % ABS_X;
    if (value > 0n) terms.push({ point: digit === 0 ? point : pointOf(image), scalar: value });
    rest /= ABS_X;
  }
  assert(rest === 0n, "a scalar has four digits in base |x|");
  return multiScalar(terms, addSignatures);
}

/** The sum of decoded signatures. */
export function addSignatures(points: Signature[]): Signature {
  return aggregateSignatures(points, false);
}

function psi(point: AffinePoint): AffinePoint {
  return {
    x: multiplyFp2(conjugate(point.x), PSI_X),
    y: multiplyFp2(conjugate(point.y), PSI_Y),
  };
}

function negate({ x, y }: AffinePoint): AffinePoint {
  return { x, y: { c0: negateFp(y.c0), c1: negateFp(y.c1) } };
}

function conjugate({ c0, c1 }: Fp2Element): Fp2Element {
  return { c0, c1: negateFp(c1) };
}

function negateFp(a: bigint): bigint {
  return a === 0n ? 0n : P - a;
}

function multiplyFp2(a: Fp2Element, b: Fp2Element): Fp2Element {
  return {
    c0: (a.c0 * b.c0 + (P - a.c1) * b.c1) % P,
    c1: (a.c0 * b.c1 + a.c1 * b.c0) % P,
  };
}

/** Uncompressed form (zcash serialization): x.c1 ‖ x.c0 ‖ y.c1 ‖ y.c0, 48 bytes each. */
function affineOf(point: Signature): AffinePoint {
  const hex = Buffer.from(point.toBytes(false)).toString("hex");
  const field = (index: number): bigint =>
    BigInt(`0x${hex.slice(2 * FIELD_BYTES * index, 2 * FIELD_BYTES * (index + 1))}`);
  return { x: { c1: field(0), c0: field(1) }, y: { c1: field(2), c0: field(3) } };
}

function pointOf({ x, y }: AffinePoint): Signature {
  const hex = [x.c1, x.c0, y.c1, y.c0].map((n) => n.toString(16).padStart(2 * FIELD_BYTES, "0"));
  return Signature.fromBytes(Buffer.from(hex.join(""), "hex"));
}
