import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { aggregateSignatures, Signature } from "@chainsafe/blst";
import { createBls, fastAggregateVerify, sign } from "../../../src/crypto/bls.ts";
import { parsePublicKey, parseSecretKey, parseSignature } from "../../../src/crypto/points.ts";
import { CURVE_ORDER, scalarBytes } from "../../../src/crypto/shamir.ts";
import { bytesOf, pubKeyOf, type Root, rootOf } from "../../../src/domain/keys.ts";
import type { SignatureCheck } from "../../../src/ports/bls.ts";
import { loadMutant } from "../../support/mutant.ts";
import {
  INFINITY_PUBLIC_KEY,
  INFINITY_SIGNATURE,
  publicKeyOutsideG1,
  signatureOutsideG2,
} from "../../support/points.ts";

type BlsModule = typeof import("../../../src/crypto/bls.ts");

const root = (fill: number): Root => rootOf(new Uint8Array(32).fill(fill));

function check(secret: bigint, signingRoot: Root): SignatureCheck {
  const key = parseSecretKey(scalarBytes(secret));
  assert(key !== null);
  return {
    publicKey: pubKeyOf(key.publicKey),
    signingRoot,
    signature: key.sign(bytesOf(signingRoot)),
  };
}

/** Two signatures over one root that are both wrong and whose sum is right. */
function cancellingPair(otherRoot = root(1)): readonly SignatureCheck[] {
  const [a, b] = [check(5n, root(1)), check(7n, otherRoot)];
  const delta = Signature.fromBytes(check(9n, root(2)).signature);
  const minusDelta = Signature.fromBytes(flipSign(delta.toBytes()));
  const add = (signature: Uint8Array, other: Signature): Uint8Array =>
    aggregateSignatures([Signature.fromBytes(signature), other]).toBytes();
  return [
    { ...a, signature: add(a.signature, delta) },
    { ...b, signature: add(b.signature, minusDelta) },
  ];
}

function flipSign(point: Uint8Array): Uint8Array {
  const out = Uint8Array.from(point);
  out[0] = (out[0] ?? 0) ^ 0x20;
  return out;
}

test("verify accepts the signature and nothing next to it", async () => {
  const bls = createBls();
  const good = check(5n, root(1));
  assert.equal(await bls.verify(good), true);
  assert.equal(await bls.verify({ ...good, signingRoot: root(2) }), false);
  assert.equal(await bls.verify({ ...good, publicKey: check(6n, root(1)).publicKey }), false);
});

test("BLS-1 malformed, infinite and outside points verify as false everywhere", async () => {
  const bls = createBls();
  const good = check(5n, root(1));
  const uncompressed = Signature.fromBytes(good.signature).toBytes(false);
  for (const signature of [
    INFINITY_SIGNATURE,
    signatureOutsideG2(),
    uncompressed,
    new Uint8Array(96),
    new Uint8Array(0),
  ]) {
    const bad = { ...good, signature };
    assert.equal(await bls.verify(bad), false);
    assert.equal(await bls.verifyBatch([bad]), false);
    assert.equal(await bls.verifyBatch([good, bad]), false);
    assert.equal(await bls.verifyBatch([check(6n, root(3)), bad]), false);
  }
  for (const key of [INFINITY_PUBLIC_KEY, publicKeyOutsideG1(), new Uint8Array(48)]) {
    const bad = { ...good, publicKey: pubKeyOf(key) };
    assert.equal(await bls.verify(bad), false);
    assert.equal(await bls.verifyBatch([good, bad]), false);
  }
});

test("BLS-1 mutant: without validation points outside the groups are taken", async () => {
  const { parseSignature: lax } = await loadMutant<typeof import("../../../src/crypto/points.ts")>(
    "src/crypto/points.ts",
    [
      {
        find: 'Signature.fromBytes(bytes, true, infinity === "infinity refused")',
        replace: "Signature.fromBytes(bytes)",
      },
    ],
  );
  for (const bytes of [signatureOutsideG2(), INFINITY_SIGNATURE]) {
    assert.notEqual(lax(bytes), null);
    assert.equal(parseSignature(bytes), null);
  }
});

test("BLS-1 a key has one encoding: the uncompressed one is refused", () => {
  const key = parsePublicKey(bytesOf(check(5n, root(1)).publicKey));
  assert(key !== null);
  assert.equal(parsePublicKey(key.toBytes(false)), null);
});

test("BLS-1 secret keys lie in 1 to r-1", () => {
  assert.notEqual(parseSecretKey(scalarBytes(CURVE_ORDER - 1n)), null);
  const order = Buffer.from(CURVE_ORDER.toString(16), "hex");
  for (const bytes of [new Uint8Array(32), order, new Uint8Array(32).fill(255)]) {
    assert.equal(parseSecretKey(bytes), null);
    assert.equal(sign(bytes, new Uint8Array(32)), null);
  }
  assert.equal(parseSecretKey(new Uint8Array(31).fill(1)), null);
});

test("verifyBatch accepts mixed roots, and none at all", async () => {
  const bls = createBls();
  assert.equal(await bls.verifyBatch([]), true);
  const checks = [5n, 6n, 7n, 8n].map((secret, i) => check(secret, root(i % 2)));
  assert.equal(await bls.verifyBatch(checks), true);
  const swapped = checks.map((item, i) => ({ ...item, signingRoot: root((i + 1) % 2) }));
  assert.equal(await bls.verifyBatch(swapped), false);
});

test("BLS-3 verifyBatch refuses wrong signatures that cancel", async () => {
  const pair = cancellingPair();
  const bls = createBls();
  assert.equal(await bls.verifyBatch(pair), false);
  assert.equal(await bls.verifyBatch([...pair, check(8n, root(3))]), false);
  // Over two roots nothing is folded: the weights are those of the batch itself.
  for (let i = 0; i < 8; i++) {
    assert.equal(await bls.verifyBatch(cancellingPair(root(2))), false);
  }
  const sum = aggregateSignatures(pair.map(({ signature }) => Signature.fromBytes(signature)));
  const adding = fastAggregateVerify({
    publicKeys: pair.map(({ publicKey }) => bytesOf(publicKey)),
    message: bytesOf(root(1)),
    signature: sum.toBytes(),
  });
  assert.equal(adding, true, "the danger is there: as a plain sum they verify");
});

test("BLS-3 mutant: without random weights the cancelling pair passes", async () => {
  const mutant = await loadMutant<BlsModule>("src/crypto/bls.ts", [
    {
      find: "  aggregateWithRandomness,\n",
      replace: "  aggregatePublicKeys, aggregateSerializedSignatures,\n",
    },
    {
      find: "aggregateWithRandomness(pairs)",
      replace:
        "({ pk: aggregatePublicKeys(pairs.map((p) => p.pk)), " +
        "sig: aggregateSerializedSignatures(pairs.map((p) => p.sig), true) })",
    },
  ]);
  assert.equal(await mutant.createBls().verifyBatch(cancellingPair()), true);
});

describe("BLS-7: what verified is remembered", () => {
  test("for its key, root and signature, and for no other three", async () => {
    const bls = createBls();
    const good = check(5n, root(1));
    assert.equal(await bls.verifyBatch([good]), true);
    const { publicKey } = check(6n, root(1));
    for (const other of [
      { ...good, signingRoot: root(2) },
      { ...good, publicKey },
      { ...good, signature: check(6n, root(1)).signature },
    ]) {
      assert.equal(await bls.verify(other), false);
      assert.equal(await bls.verifyBatch([good, other]), false);
    }
    assert.equal(await bls.verify(good), true);
  });

  test("a wrong signature is remembered of nobody, nor what stood in its batch", async () => {
    const mutant = await loadMutant<BlsModule>("src/crypto/bls.ts", [
      { find: "if (areValid) for (const check of open)", replace: "for (const check of open)" },
      { find: "if (isValid) verified.add(check);", replace: "verified.add(check);" },
    ]);
    const wrong = { ...check(5n, root(1)), signingRoot: root(2) };
    for (const [bls, isFooled] of [
      [createBls(), false],
      [mutant.createBls(), true],
    ] as const) {
      assert.equal(await bls.verifyBatch([wrong]), false);
      assert.equal(await bls.verifyBatch([wrong]), isFooled, "the mutant believes what it saw");
      const alone = { ...check(6n, root(1)), signingRoot: root(2) };
      assert.equal(await bls.verify(alone), false);
      assert.equal(await bls.verify(alone), isFooled);
    }
  });
});
