import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import fc from "fast-check";
import { sign, verify } from "../../../src/crypto/bls.ts";
import { parseSecretKey } from "../../../src/crypto/points.ts";
import { CURVE_ORDER, lagrangeWeights, scalarBytes } from "../../../src/crypto/shamir.ts";
import {
  combineSignatures,
  interpolatePublicKey,
  type KeyShare,
  recoverSecret,
  splitSecret,
} from "../../../src/crypto/threshold.ts";
import { type PubShare, pubShareOf } from "../../../src/domain/keys.ts";
import type { SignatureShare } from "../../../src/ports/bls.ts";
import { loadMutant } from "../../support/mutant.ts";
import { INFINITY_SIGNATURE, signatureOutsideG2 } from "../../support/points.ts";
import { seededRandom } from "../../support/random.ts";

type Threshold = typeof import("../../../src/crypto/threshold.ts");

const MESSAGE = new Uint8Array(32).fill(0x5e);
const { Fr } = bls12_381.fields;
const { Point: G2 } = bls12_381.G2;

/** A dealing with a shuffled subset of at least `threshold` of its shares. */
const dealing = fc
  .record({
    nodes: fc.integer({ min: 1, max: 13 }),
    rest: fc.integer({ min: 0, max: 12 }),
    seed: fc.integer(),
    order: fc.infiniteStream(fc.nat()),
  })
  .map(({ nodes, rest, seed, order }) => {
    const threshold = 1 + (rest % nodes);
    const secret = scalarBytes(BigInt(seed) ** 2n + 1n);
    const shares = split({ secret, threshold, nodes, seed });
    const shuffled = shares
      .map((share) => ({ share, rank: order.next().value ?? 0 }))
      .sort((a, b) => a.rank - b.rank)
      .map(({ share }) => share);
    return { nodes, threshold, secret, shares, subset: shuffled.slice(0, threshold) };
  });

function split(input: {
  readonly secret: Uint8Array;
  readonly threshold: number;
  readonly nodes: number;
  readonly seed: number;
}): readonly KeyShare[] {
  const { secret, threshold, nodes, seed } = input;
  const shares = splitSecret({ secret, threshold, shares: nodes, random: seededRandom(seed) });
  assert(shares !== null);
  return shares;
}

function signed({ index, secret }: KeyShare): SignatureShare {
  const signature = sign(secret, MESSAGE);
  assert(signature !== null);
  return { index, signature };
}

function publicShare({ secret }: KeyShare): PubShare {
  const key = parseSecretKey(secret);
  assert(key !== null);
  return pubShareOf(key.publicKey);
}

/** The textbook: Σ λ_i·S_i with noble's points and 255-bit coefficients. */
function combineByNoble(shares: readonly SignatureShare[]): Uint8Array {
  const sum = shares.reduce((total, { index, signature }) => {
    const lambda = shares.reduce((product, { index: other }) => {
      if (other === index) return product;
      return Fr.mul(product, Fr.div(BigInt(other), Fr.create(BigInt(other - index))));
    }, 1n);
    const point = bls12_381.G2.Point.fromHex(Buffer.from(signature).toString("hex"));
    return total.add(point.multiplyUnsafe(lambda));
  }, bls12_381.G2.Point.ZERO);
  return sum.toBytes(true);
}

const fixed = (): { readonly secret: Uint8Array; readonly shares: readonly KeyShare[] } => {
  const secret = scalarBytes(0xc07e41en);
  return { secret, shares: split({ secret, threshold: 3, nodes: 4, seed: 1 }) };
};

test("BLS-4 any t shares, in any order, recover the secret", () => {
  fc.assert(
    fc.property(dealing, ({ secret, subset }) => {
      assert.deepEqual(recoverSecret(subset), secret);
    }),
    { numRuns: 200 },
  );
});

test("BLS-4 one share less recovers another key", () => {
  fc.assert(
    fc.property(dealing, ({ secret, subset, threshold }) => {
      fc.pre(threshold > 1);
      assert.notDeepEqual(recoverSecret(subset.slice(1)), secret);
    }),
    { numRuns: 100 },
  );
});

test("BLS-5 any t signatures combine to the group's, as noble's arithmetic does", () => {
  fc.assert(
    fc.property(dealing, ({ secret, subset }) => {
      const shares = subset.map(signed);
      const combined = combineSignatures(shares);
      assert.deepEqual(combined, sign(secret, MESSAGE));
      assert.deepEqual(combined, combineByNoble(shares));
    }),
    { numRuns: 25 },
  );
});

test("BLS-5 more than t signatures combine to the same", () => {
  const { secret, shares } = fixed();
  assert.deepEqual(combineSignatures(shares.map(signed)), sign(secret, MESSAGE));
});

test("BLS-5 a wrong share makes a wrong signature, which the group key refuses", () => {
  const { secret, shares } = fixed();
  const [first, second, third] = shares.map(signed);
  assert(first !== undefined && second !== undefined && third !== undefined);
  const combined = combineSignatures([first, second, { ...third, signature: first.signature }]);
  const publicKey = parseSecretKey(secret)?.publicKey;
  assert(combined !== null && publicKey !== undefined);
  assert.equal(verify({ publicKey, message: MESSAGE, signature: combined }), false);
});

test("BLS-4 repeated, zero, fractional or too many indices yield nothing", () => {
  const shares = fixed().shares.slice(0, 3);
  const [first] = shares;
  assert(first !== undefined);
  const withIndex = (index: number): KeyShare[] => [{ ...first, index }, ...shares.slice(1)];
  const many = Array.from({ length: 32 }, (_, i) => ({ ...first, index: i + 1 }));
  for (const bad of [withIndex(2), withIndex(0), withIndex(-1), withIndex(1.5), [], many]) {
    assert.equal(recoverSecret(bad), null);
    assert.equal(combineSignatures(bad.map(signed)), null);
  }
});

test("BLS-4 mutant: without the check of indices a repeated one goes through", async () => {
  const mutant = await loadMutant<Threshold>("src/crypto/threshold.ts", [
    {
      file: "src/crypto/shamir.ts",
      find: "new Set(indices).size === indices.length",
      replace: "true",
    },
  ]);
  const [first, second] = fixed().shares;
  assert(first !== undefined && second !== undefined);
  const repeated = [signed(first), signed({ ...second, index: 1 })];
  assert.notEqual(mutant.combineSignatures(repeated), null);
  assert.equal(combineSignatures(repeated), null);
});

test("BLS-1 a share at infinity or outside G2 yields nothing, with either sign", () => {
  const shares = fixed().shares.map(signed);
  for (const signature of [INFINITY_SIGNATURE, signatureOutsideG2(), new Uint8Array(95)]) {
    for (let at = 0; at < 3; at++) {
      const bad = shares
        .slice(0, 3)
        .map((share, i) => (i === at ? { ...share, signature } : share));
      assert.equal(combineSignatures(bad), null);
    }
  }
});

describe("BLS-5 the last to speak can choose the sum", () => {
  const [first, second, , last] = fixed().shares.map(signed);
  assert(first !== undefined && second !== undefined && last !== undefined);
  // Weights at zero of shares 1, 2, 4: (8, -6, 1) / 3.
  const sum = G2.fromBytes(first.signature)
    .multiply(8n)
    .subtract(G2.fromBytes(second.signature).multiply(6n));
  const cancelling = { ...last, signature: sum.negate().toBytes() };

  test("and a sum at infinity is nothing", () => {
    assert.equal(combineSignatures([first, second, cancelling]), null);
  });

  test("mutant: a sum that is not looked at throws where it is multiplied", async () => {
    const mutant = await loadMutant<Threshold>("src/crypto/threshold.ts", [
      { find: "if (!isInG2(sum)) return null;", replace: "" },
    ]);
    assert.throws(() => mutant.combineSignatures([first, second, cancelling]), /not on curve/);
  });
});

test("shares that are no scalars yield nothing", () => {
  const [first, ...others] = fixed().shares.slice(0, 3);
  assert(first !== undefined);
  const order = Buffer.from(CURVE_ORDER.toString(16), "hex");
  for (const secret of [new Uint8Array(32), order, new Uint8Array(31)]) {
    assert.equal(recoverSecret([{ ...first, secret }, ...others]), null);
    assert.equal(splitSecret({ secret, threshold: 2, shares: 3, random: seededRandom(1) }), null);
  }
});

test("the same random bytes deal the same shares, others deal others", () => {
  const secret = scalarBytes(5n);
  const deal = (seed: number) => split({ secret, threshold: 3, nodes: 4, seed });
  assert.deepEqual(deal(1), deal(1));
  assert.notDeepEqual(deal(1), deal(2));
});

test("Lagrange weights are small integers: divisor 1 for three of the four 3-of-4 sets", () => {
  assert.deepEqual(lagrangeWeights([1, 2, 3], 0), { weights: [3n, -3n, 1n], divisor: 1n });
  assert.deepEqual(lagrangeWeights([2, 3, 4], 0), { weights: [6n, -8n, 3n], divisor: 1n });
  assert.deepEqual(lagrangeWeights([1, 3, 4], 0), { weights: [2n, -2n, 1n], divisor: 1n });
  assert.deepEqual(lagrangeWeights([1, 2, 4], 0), { weights: [8n, -6n, 1n], divisor: 3n });
});

test("BLS-6 public shares make the group key", () => {
  fc.assert(
    fc.property(dealing, ({ secret, shares, threshold }) => {
      // With t = 1 every share is the whole key, and equal shares are refused.
      fc.pre(threshold > 1 || shares.length === 1);
      const group = interpolatePublicKey(shares.map(publicShare), threshold);
      assert.deepEqual(group, { ok: true, value: publicShare({ index: 1, secret }) });
    }),
    { numRuns: 40 },
  );
});

test("BLS-6 a public share off the polynomial, repeated or malformed is named", () => {
  const shares = fixed().shares.map(publicShare);
  const foreign = publicShare({ index: 1, secret: scalarBytes(99n) });
  const fault = (list: readonly PubShare[]) => {
    const group = interpolatePublicKey(list, 3);
    return group.ok ? null : group.error.position;
  };
  assert.equal(fault(shares), null);
  assert.equal(fault(shares.with(3, foreign)), 3);
  // With n = t + 1 a wrong one among the first t shows at the last.
  assert.equal(fault(shares.with(0, foreign)), 3);
  assert.equal(fault(shares.with(2, shares[0] ?? foreign)), 2);
  assert.equal(fault(shares.with(1, pubShareOf(new Uint8Array(48)))), 1);
});

test("BLS-6 mutant: without the check a share of another key is taken", async () => {
  const mutant = await loadMutant<Threshold>("src/crypto/threshold.ts", [
    { find: "if (position >= threshold && ", replace: "if (position < 0 && " },
  ]);
  const foreign = publicShare({ index: 4, secret: scalarBytes(99n) });
  const shares = fixed().shares.map(publicShare).with(3, foreign);
  assert.equal(mutant.interpolatePublicKey(shares, 3).ok, true);
  assert.equal(interpolatePublicKey(shares, 3).ok, false);
});
