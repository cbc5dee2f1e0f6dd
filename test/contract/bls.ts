/** What every {@link Bls} promises about signatures and shares, on the curve and off it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { KeyScheme } from "../../sim/keys.ts";
import { SeededRandom } from "../../sim/random.ts";
import { splitSecret } from "../../src/crypto/threshold.ts";
import { pubKeyOf, pubShareOf, type Root } from "../../src/domain/keys.ts";
import type { SignatureCheck } from "../../src/ports/bls.ts";
import { assert as check } from "../../src/util/assert.ts";

const ROOT = `0x${"a1".repeat(32)}` as Root;
const OTHER_ROOT = `0x${"b2".repeat(32)}` as Root;
const THRESHOLD = 3;

/** A key of four shares. */
function keysOf(scheme: KeyScheme) {
  const random = new SeededRandom("bls contract");
  const secret = new Uint8Array(32).fill(7);
  const shares = splitSecret({ secret, threshold: THRESHOLD, shares: 4, random });
  check(shares !== null, "the secret is a key");
  return {
    publicKey: pubKeyOf(scheme.publicKeyOf(secret)),
    signature: scheme.sign(secret, ROOT),
    shares: shares.map(({ secret: share }, i) => ({
      index: i + 1,
      publicKey: pubShareOf(scheme.publicKeyOf(share)),
      signature: scheme.sign(share, ROOT),
    })),
  };
}

export function testBls(name: string, scheme: KeyScheme): void {
  const { bls } = scheme;
  const { publicKey, signature, shares } = keysOf(scheme);
  const good: SignatureCheck = { publicKey, signingRoot: ROOT, signature };
  const strangers: readonly (readonly [string, SignatureCheck])[] = [
    ["another message", { ...good, signingRoot: OTHER_ROOT }],
    ["another key", { ...good, publicKey: shares[0]?.publicKey ?? publicKey }],
    ["another signature", { ...good, signature: shares[0]?.signature ?? signature }],
    ["zeros", { ...good, signature: new Uint8Array(96) }],
    ["infinity", { ...good, signature: Uint8Array.of(0xc0, ...new Uint8Array(95)) }],
    ["a short signature", { ...good, signature: signature.subarray(0, 95) }],
    ["a long signature", { ...good, signature: Uint8Array.of(...signature, 0) }],
    ["bytes that are no element", { ...good, signature: new Uint8Array(96).fill(0xff) }],
  ];

  test(`${name}: verifies what the key signed, and false for anything else`, async () => {
    assert.equal(await bls.verify(good), true);
    for (const [what, each] of strangers) assert.equal(await bls.verify(each), false, what);
  });

  test(`${name}: a batch is as good as its worst member, and none is true`, async () => {
    assert.equal(await bls.verifyBatch([]), true);
    const singles = shares.map((share) => ({ ...share, signingRoot: ROOT }));
    assert.equal(await bls.verifyBatch([good, ...singles]), true);
    for (const [what, each] of strangers) {
      assert.equal(await bls.verifyBatch([good, each, ...singles]), false, what);
    }
  });

  test(`${name}: wrong signatures that cancel each other do not make a batch`, async () => {
    const [first, second] = shares;
    check(first !== undefined && second !== undefined, "there are four shares");
    const swapped = [
      { publicKey: first.publicKey, signingRoot: ROOT, signature: second.signature },
      { publicKey: second.publicKey, signingRoot: ROOT, signature: first.signature },
    ];
    assert.equal(await bls.verifyBatch(swapped), false);
  });
  testShares(name, scheme);
}

function testShares(name: string, scheme: KeyScheme): void {
  const { bls } = scheme;
  const { publicKey, signature, shares } = keysOf(scheme);
  const good: SignatureCheck = { publicKey, signingRoot: ROOT, signature };

  test(`${name}: any t shares make the group signature, and fewer do not`, async () => {
    for (let left = 0; left < shares.length; left++) {
      const some = shares.filter((_, i) => i !== left);
      assert.deepEqual(await bls.combine(some), signature);
    }
    assert.deepEqual(await bls.combine(shares), signature);
    const few = await bls.combine(shares.slice(0, THRESHOLD - 1));
    assert(few !== null);
    assert.equal(await bls.verify({ ...good, signature: few }), false);
  });

  test(`${name}: combines nothing with a share that is no element or has no place`, async () => {
    const [first, ...rest] = shares;
    check(first !== undefined, "there are four shares");
    for (const bad of [
      { ...first, signature: new Uint8Array(96).fill(0xff) },
      { ...first, signature: first.signature.subarray(1) },
      { ...first, index: 0 },
      { ...first, index: 2 },
    ]) {
      assert.equal(await bls.combine([bad, ...rest]), null);
    }
  });

  test(`${name}: a share that signed something else spoils the group signature only`, async () => {
    const [first, ...rest] = shares;
    check(first !== undefined, "there are four shares");
    const spoilt = await bls.combine([{ ...first, signature }, ...rest.slice(0, 2)]);
    assert(spoilt !== null, "it is an element all the same");
    assert.equal(await bls.verify({ ...good, signature: spoilt }), false);
  });
}
