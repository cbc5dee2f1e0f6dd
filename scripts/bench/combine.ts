/**
 * Threshold combine, bytes in and bytes out, against a bare GLS loop over points that are decoded
 * already, and against noble. All three run alternately, so that the machine's moods hit all alike.
 */
import assert from "node:assert/strict";
import { aggregateSignatures, Signature } from "@chainsafe/blst";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { sign } from "../../src/crypto/bls.ts";
import { combineSignatures, splitSecret } from "../../src/crypto/threshold.ts";
import type { SignatureShare } from "../../src/ports/bls.ts";
import type { BenchRow } from "./row.ts";
import { median } from "./statistics.ts";

const { Fr, Fp, Fp2 } = bls12_381.fields;
const ROUNDS = 200;
const NOBLE_ROUNDS = 8;
const MAX_RATIO_TO_GLS = 1.15;
const MIN_RATIO_TO_NOBLE = 15;

export async function bench(): Promise<BenchRow[]> {
  const shares = signatureShares();
  const subsets = [0, 1, 2, 3].map((left) => shares.filter((_, i) => i !== left));
  const prepared = subsets.map((subset) => ({
    subset,
    points: subset.map(({ signature }) => Signature.fromBytes(signature)),
    lambdas: lambdasOf(subset),
  }));
  for (const { subset, points, lambdas } of prepared) {
    const expected = Buffer.from(combineSignatures(subset) ?? []);
    assert(expected.equals(bareGlsLoop(points, lambdas).toBytes()), "the bare loop is right");
    assert(expected.equals(combineByNoble(subset, lambdas)), "noble agrees");
  }
  const times: { ours: number[]; gls: number[]; noble: number[] }[] = prepared.map(() => ({
    ours: [],
    gls: [],
    noble: [],
  }));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, { subset, points, lambdas }] of prepared.entries()) {
      times[i]?.gls.push(microseconds(() => bareGlsLoop(points, lambdas)));
      times[i]?.ours.push(microseconds(() => combineSignatures(subset)));
      if (round >= NOBLE_ROUNDS) continue;
      times[i]?.noble.push(microseconds(() => combineByNoble(subset, lambdas)));
    }
  }
  return prepared.flatMap(({ subset }, i) => {
    const indices = subset.map(({ index }) => index).join();
    const ours = median(times[i]?.ours ?? []);
    const [gls, noble] = [median(times[i]?.gls ?? []), median(times[i]?.noble ?? [])];
    return [
      {
        name: `combine 3-of-4, shares ${indices}, against a bare GLS loop`,
        value: ours,
        unit: "us",
        floor: gls,
        ratio: ours / gls,
        limit: `at most ${MAX_RATIO_TO_GLS}x`,
        pass: ours <= MAX_RATIO_TO_GLS * gls,
      },
      {
        name: `combine 3-of-4, shares ${indices}, against noble`,
        value: ours,
        unit: "us",
        floor: noble,
        ratio: noble / ours,
        limit: `at least ${MIN_RATIO_TO_NOBLE}x faster`,
        pass: noble >= MIN_RATIO_TO_NOBLE * ours,
      },
    ];
  });
}

/** Partial signatures of all four shares over one message. */
function signatureShares(): readonly SignatureShare[] {
  const secret = new Uint8Array(32).fill(0x11);
  // Speed does not depend on the polynomial: a fixed one keeps the run repeatable.
  const random = { bytes: (length: number) => new Uint8Array(length).fill(0x2a) };
  const shares = splitSecret({ secret, threshold: 3, shares: 4, random });
  assert(shares !== null);
  return shares.map(({ index, secret: share }) => {
    const signature = sign(share, new Uint8Array(32).fill(0x5e));
    assert(signature !== null);
    return { index, signature };
  });
}

function lambdasOf(subset: readonly SignatureShare[]): readonly bigint[] {
  return subset.map(({ index }) =>
    subset.reduce((product, { index: other }) => {
      if (other === index) return product;
      return Fr.mul(product, Fr.div(BigInt(other), Fr.create(BigInt(other - index))));
    }, 1n),
  );
}

/** Decodes each share and multiplies by its 255-bit coefficient, as a library user would. */
function combineByNoble(subset: readonly SignatureShare[], lambdas: readonly bigint[]): Uint8Array {
  let sum = bls12_381.G2.Point.ZERO;
  for (const [i, { signature }] of subset.entries()) {
    const point = bls12_381.G2.Point.fromHex(Buffer.from(signature).toString("hex"));
    sum = sum.add(point.multiplyUnsafe(lambdas[i] ?? 0n));
  }
  return sum.toBytes(true);
}

type Affine = { readonly x: Fp2Element; readonly y: Fp2Element };
type Fp2Element = { readonly c0: bigint; readonly c1: bigint };

const P = Fp.ORDER;
const ABS_X = 0xd201000000010000n;
const XI = Fp2.create({ c0: 1n, c1: 1n });
const PSI_X = Fp2.inv(Fp2.pow(XI, (P - 1n) / 3n));
const PSI_Y = Fp2.inv(Fp2.pow(XI, (P - 1n) / 2n));

/** Four 64-bit digits per coefficient on ψ's images, two bits at a time: the plain GLS method. */
function bareGlsLoop(points: readonly Signature[], lambdas: readonly bigint[]): Signature {
  const tables: Signature[][] = [];
  const digits: bigint[] = [];
  for (const [i, point] of points.entries()) {
    let image = decode(point);
    let rest = lambdas[i] ?? 0n;
    for (let k = 0; k < 4; k++) {
      if (k > 0) image = minusPsi(image);
      const one = k === 0 ? point : encode(image);
      const two = aggregateSignatures([one, one], false);
      tables.push([one, two, aggregateSignatures([two, one], false)]);
      digits.push(rest % ABS_X);
      rest /= ABS_X;
    }
  }
  let sum: Signature | null = null;
  for (let shift = 62n; shift >= 0n; shift -= 2n) {
    const list: Signature[] = sum === null ? [] : [sum, sum, sum, sum];
    for (const [j, table] of tables.entries()) {
      const multiple = table[Number(((digits[j] ?? 0n) >> shift) & 3n) - 1];
      if (multiple !== undefined) list.push(multiple);
    }
    if (list.length > 0) sum = aggregateSignatures(list, false);
  }
  assert(sum !== null);
  return sum;
}

function minusPsi({ x, y }: Affine): Affine {
  return {
    x: multiply({ c0: x.c0, c1: P - x.c1 }, PSI_X),
    y: multiply({ c0: P - y.c0, c1: y.c1 }, PSI_Y),
  };
}

function multiply(a: Fp2Element, b: Fp2Element): Fp2Element {
  return {
    c0: (a.c0 * b.c0 + (P - a.c1) * b.c1) % P,
    c1: (a.c0 * b.c1 + a.c1 * b.c0) % P,
  };
}

function decode(point: Signature): Affine {
  const hex = Buffer.from(point.toBytes(false)).toString("hex");
  const field = (i: number): bigint => BigInt(`0x${hex.slice(96 * i, 96 * (i + 1))}`);
  return { x: { c1: field(0), c0: field(1) }, y: { c1: field(2), c0: field(3) } };
}

function encode({ x, y }: Affine): Signature {
  const hex = [x.c1, x.c0, y.c1, y.c0].map((n) => n.toString(16).padStart(96, "0")).join("");
  return Signature.fromBytes(Buffer.from(hex, "hex"));
}

function microseconds(work: () => unknown): number {
  const start = performance.now();
  work();
  return (performance.now() - start) * 1000;
}
