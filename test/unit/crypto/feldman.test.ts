/** Verifiable secret sharing, sealing and the proof of a shared point, each against its attacks. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aggregatePublicKeys, SecretKey } from "@chainsafe/blst";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { proveSharedPoint, verifySharedPoint } from "../../../src/crypto/dleq.ts";
import {
  addCommitments,
  commitTo,
  constantTerm,
  encodeCommitments,
  evaluateCommitments,
  parseCommitments,
  verifyShare,
  verifyShares,
} from "../../../src/crypto/feldman.ts";
import { generateK1SecretKey, k1PublicKey, k1SharedPoint } from "../../../src/crypto/k1.ts";
import { bucketSum } from "../../../src/crypto/multiScalar.ts";
import { openBytes, sealBytes } from "../../../src/crypto/sealing.ts";
import { seededRandom as secretRandom } from "../../../src/crypto/seededRandom.ts";
import {
  evaluate,
  type Polynomial,
  randomPolynomial,
  randomScalar,
  scalarBytes,
} from "../../../src/crypto/shamir.ts";
import { seededRandom } from "../../support/random.ts";

const random = seededRandom("feldman");
const G1 = bls12_381.G1.Point;

function polynomial(threshold = 3): Polynomial {
  return randomPolynomial({ secret: randomScalar(random), threshold, random });
}

function claimsOf(count: number, x: number) {
  return Array.from({ length: count }, () => {
    const coefficients = polynomial();
    return { commitments: commitTo(coefficients), share: scalarBytes(evaluate(coefficients, x)) };
  });
}

describe("Feldman's sharing", () => {
  it("evaluates in the exponent what the dealer evaluates in the field", () => {
    const coefficients = polynomial(5);
    const commitments = commitTo(coefficients);
    for (const x of [1, 2, 7, 31]) {
      const expected = G1.BASE.multiply(evaluate(coefficients, x)).toBytes(true);
      assert.deepEqual(evaluateCommitments(commitments, x), Uint8Array.from(expected));
    }
    assert.deepEqual(
      constantTerm(commitments),
      Uint8Array.from(G1.BASE.multiply(coefficients[0] ?? 0n).toBytes(true)),
    );
  });

  it("adds polynomials, and refuses sums that cancel", () => {
    const [a, b] = [polynomial(), polynomial()];
    const sum = addCommitments([commitTo(a), commitTo(b)]);
    assert(sum !== null, "they do not cancel");
    const share = scalarBytes((evaluate(a, 4) + evaluate(b, 4)) % G1.Fn.ORDER);
    assert(verifyShare({ commitments: sum, share }, 4), "the sum's share is the shares' sum");
    const opposite = a.map((coefficient) => G1.Fn.ORDER - coefficient);
    assert.equal(addCommitments([commitTo(a), commitTo(opposite)]), null);
  });

  for (const count of [1, 40]) {
    it(`accepts ${count} right shares, and no batch with a wrong one`, () => {
      const claims = claimsOf(count, 3);
      assert(verifyShares(claims, 3, random), "right shares");
      assert(!verifyShares(claims, 2, random), "of another operator");
      for (const position of [0, count - 1]) {
        const wrong = claims.map((claim, i) =>
          i === position ? { ...claim, share: scalarBytes(randomScalar(random)) } : claim,
        );
        assert(!verifyShares(wrong, 3, random), `a wrong one at ${position}`);
        const zero = claims.map((claim, i) =>
          i === position ? { ...claim, share: new Uint8Array(32) } : claim,
        );
        assert(!verifyShares(zero, 3, random), `zero at ${position}`);
      }
    });
  }

  it("is not fooled by two wrong shares that cancel", () => {
    const claims = claimsOf(40, 3);
    const shifted = claims.map((claim, i) => {
      if (i > 1) return claim;
      const share = BigInt(`0x${Buffer.from(claim.share).toString("hex")}`);
      const moved = (share + (i === 0 ? 1n : G1.Fn.ORDER - 1n)) % G1.Fn.ORDER;
      return { ...claim, share: scalarBytes(moved) };
    });
    assert(!verifyShares(shifted, 3, random), "random weights tell them apart");
  });

  it("reads only points of the group other than infinity", () => {
    const encoded = encodeCommitments(commitTo(polynomial()));
    assert(parseCommitments(encoded) !== null, "what was written is read");
    const infinity = Uint8Array.of(0xc0, ...new Uint8Array(47));
    assert.equal(parseCommitments([...encoded.slice(0, 2), infinity]), null);
    assert.equal(parseCommitments([new Uint8Array(48)]), null);
  });
});

describe("a sum of many points", () => {
  it("is the one that multiplications make, zero scalars and repeated points included", () => {
    const scalars = [0n, 1n, 15n, 16n, 2n ** 128n - 1n, 7n, 7n];
    const points = scalars.map((_, i) => SecretKey.fromBytes(scalarBytes(BigInt(i % 6) + 1n)));
    const keys = points.map((key) => key.toPublicKey());
    const total = scalars.reduce((sum, scalar, i) => sum + scalar * (BigInt(i % 6) + 1n), 0n);
    const sum = bucketSum({ points: keys, scalars }, (list) => aggregatePublicKeys(list, false));
    assert.deepEqual(sum.toBytes(), Uint8Array.from(G1.BASE.multiply(total).toBytes(true)));
  });
});

describe("the proof of a shared point", () => {
  const [alice, bob] = [generateK1SecretKey(random), generateK1SecretKey(random)];
  const claim = {
    context: Buffer.from("a purpose"),
    publicKey: k1PublicKey(alice),
    base: k1PublicKey(bob),
    sharedPoint: k1SharedPoint(alice, k1PublicKey(bob)),
  };
  const proof = proveSharedPoint(claim, alice);

  it("convinces, and both sides share the point", () => {
    assert(verifySharedPoint(claim, proof), "it is the point");
    assert.deepEqual(k1SharedPoint(bob, k1PublicKey(alice)), claim.sharedPoint);
    assert.deepEqual(proveSharedPoint(claim, alice), proof, "a claim has one proof");
  });

  it("convinces of nothing else", () => {
    const other = k1PublicKey(generateK1SecretKey(random));
    for (const changed of [
      { ...claim, sharedPoint: other },
      { ...claim, base: other },
      { ...claim, publicKey: other },
      { ...claim, context: Buffer.from("another purpose") },
      { ...claim, sharedPoint: new Uint8Array(33) },
    ]) {
      assert(!verifySharedPoint(changed, proof), "another claim");
    }
    for (let i = 0; i < proof.length; i += 9) {
      assert(!verifySharedPoint(claim, proof.with(i, (proof[i] ?? 0) ^ 1)), `byte ${i}`);
    }
    assert(!verifySharedPoint(claim, new Uint8Array(64)), "zeros");
    assert(!verifySharedPoint(claim, proof.subarray(1)), "a byte less");
  });

  it("needs the secret: made with another one it convinces nobody", () => {
    const forged = proveSharedPoint(claim, bob);
    assert(!verifySharedPoint(claim, forged), "the wrong secret");
  });
});

describe("sealing", () => {
  const seal = { sharedPoint: new Uint8Array(33).fill(2), context: Buffer.from("place") };
  const text = new Uint8Array(64).fill(9);

  it("opens with the same point and context, and with no other", () => {
    const sealed = sealBytes(seal, text);
    assert.deepEqual(openBytes(seal, sealed), text);
    assert.equal(openBytes({ ...seal, context: Buffer.from("elsewhere") }, sealed), null);
    assert.equal(openBytes({ ...seal, sharedPoint: new Uint8Array(33).fill(3) }, sealed), null);
    assert.equal(openBytes(seal, sealed.with(70, (sealed[70] ?? 0) ^ 1)), null);
    assert.equal(openBytes(seal, new Uint8Array(3)), null);
  });
});

describe("bytes of a seed", () => {
  it("repeat for one label, and differ between labels and seeds", () => {
    const [seed, label] = [new Uint8Array(32).fill(1), Buffer.from("one")];
    const bytes = secretRandom(seed, label).bytes(100);
    assert.deepEqual(secretRandom(seed, label).bytes(100), bytes);
    assert.notDeepEqual(secretRandom(seed, Buffer.from("two")).bytes(100), bytes);
    assert.notDeepEqual(secretRandom(new Uint8Array(32), label).bytes(100), bytes);
    const stream = secretRandom(seed, label);
    assert.notDeepEqual(stream.bytes(48), stream.bytes(48), "a stream goes on");
  });
});
