import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  createIdentity,
  formatIdentityKey,
  parseIdentityKey,
} from "../../../src/crypto/identity.ts";
import {
  addressOf,
  generateK1SecretKey,
  isK1SecretKey,
  k1Backend,
  k1PublicKey,
  k1Recover,
  k1Sign,
  k1Verify,
  portableBackend,
} from "../../../src/crypto/k1.ts";
import { loadMutant } from "../../support/mutant.ts";
import { seededRandom } from "../../support/random.ts";

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const SECRET = new Uint8Array(32).fill(7);
const DIGEST = new Uint8Array(32).fill(9);

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const secretKey = bytes32.filter(isK1SecretKey);

/** The other signature that ECDSA accepts: S negated, V flipped. */
function highS(signature: Uint8Array): Uint8Array {
  const s = BigInt(`0x${Buffer.from(signature.subarray(32, 64)).toString("hex")}`);
  const negated = Buffer.from((ORDER - s).toString(16).padStart(64, "0"), "hex");
  return new Uint8Array([...signature.subarray(0, 32), ...negated, 1 - (signature[64] ?? 0)]);
}

const withV = (signature: Uint8Array, v: number) => signature.with(64, v);

test("ID-2 the backend in use gives the portable one's results", () => {
  fc.assert(
    fc.property(secretKey, bytes32, bytes32, (secret, digest, other) => {
      const signature = k1Backend.sign(digest, secret);
      assert.deepEqual(signature, portableBackend.sign(digest, secret));
      const compact = signature.subarray(0, 64);
      for (const recoveryId of [0, 1] as const) {
        for (const message of [digest, other]) {
          assert.deepEqual(
            k1Backend.recover(message, compact, recoveryId),
            portableBackend.recover(message, compact, recoveryId),
          );
        }
      }
      const publicKey = portableBackend.publicKey(secret);
      assert.deepEqual(k1Backend.publicKey(secret), publicKey);
      // Every other x is on the curve.
      for (const key of [publicKey, other].map((x) => Uint8Array.of(2, ...x.slice(-32)))) {
        assert.equal(k1Backend.isPublicKey(key), portableBackend.isPublicKey(key));
      }
      assert.deepEqual(
        k1Backend.sharedPoint(secret, publicKey),
        portableBackend.sharedPoint(secret, publicKey),
      );
    }),
    { numRuns: 25 },
  );
});

test("ID-2 without the native binary the portable backend signs the same", async () => {
  const mutant = await loadMutant<typeof import("../../../src/crypto/k1.ts")>("src/crypto/k1.ts", [
    { find: 'await import("secp256k1/bindings.js")', replace: 'await import("secp256k1/none.js")' },
  ]);
  assert.equal(mutant.k1Backend.name, "portable");
  assert.deepEqual(mutant.k1Sign(DIGEST, SECRET), k1Sign(DIGEST, SECRET));
});

test("ID-2 a native binary with other results is not used", async () => {
  const mutant = await loadMutant<typeof import("../../../src/crypto/k1.ts")>("src/crypto/k1.ts", [
    { find: "return join(signature, recid);", replace: "return join(signature, 1 - recid);" },
  ]);
  assert.equal(mutant.k1Backend.name, "portable");
});

test("ID-2 both backends know what is no point", () => {
  const point = portableBackend.publicKey(SECRET);
  const others = [point.with(0, 4), point.with(0, 0), new Uint8Array(33), point.fill(255, 1)];
  for (const backend of [k1Backend, portableBackend]) {
    assert.ok(backend.isPublicKey(portableBackend.publicKey(SECRET)));
    for (const bytes of others) assert.equal(backend.isPublicKey(bytes), false);
  }
});

test("ID-2 both backends find nothing in what is no signature", () => {
  const broken = [new Uint8Array(64), new Uint8Array(64).fill(255)];
  for (const backend of [k1Backend, portableBackend]) {
    for (const compact of broken) assert.equal(backend.recover(DIGEST, compact, 0), null);
  }
});

test("ID-1 a signature has one accepted form", () => {
  const publicKey = k1PublicKey(SECRET);
  const signature = k1Sign(DIGEST, SECRET);
  const accepts = (candidate: Uint8Array) =>
    k1Verify({ publicKey, digest: DIGEST, signature: candidate });
  assert.equal(accepts(signature), true);
  const v = signature[64] ?? 0;
  for (const other of [
    highS(signature),
    withV(signature, 1 - v),
    withV(signature, 27 + v),
    withV(signature, 2),
    signature.subarray(0, 64),
    new Uint8Array([...signature, 0]),
    signature.with(0, (signature[0] ?? 0) ^ 1),
  ]) {
    assert.equal(accepts(other), false);
  }
});

test("ID-1 mutant: without the canonical form a second signature passes", async () => {
  const mutant = await loadMutant<typeof import("../../../src/crypto/k1.ts")>("src/crypto/k1.ts", [
    { find: "if (!isCanonical(signature)) return false;", replace: "" },
  ]);
  const publicKey = mutant.k1PublicKey(SECRET);
  const signature = highS(mutant.k1Sign(DIGEST, SECRET));
  assert.equal(mutant.k1Verify({ publicKey, digest: DIGEST, signature }), true);
});

test("k1Recover reads V as wallets write it, and high S", () => {
  const publicKey = k1PublicKey(SECRET);
  const signature = k1Sign(DIGEST, SECRET);
  const wallet = withV(signature, 27 + (signature[64] ?? 0));
  for (const form of [signature, wallet, highS(signature)]) {
    assert.deepEqual(k1Recover(DIGEST, form), publicKey);
  }
  for (const v of [2, 3, 26, 29, 255]) assert.equal(k1Recover(DIGEST, withV(signature, v)), null);
  assert.equal(k1Recover(DIGEST.subarray(1), signature), null);
});

test("addressOf equals the published address of a well-known key", () => {
  // The first account of the mnemonic "test test … junk", in every development chain.
  const key = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
  const address = addressOf(k1PublicKey(Buffer.from(key, "hex")));
  assert.equal(Buffer.from(address).toString("hex"), "f39fd6e51aad88f6f4ce6ab8827279cfffb92266");
});

test("an identity verifies its operators by index and nobody else", () => {
  const random = seededRandom(1);
  const secrets = [0, 1, 2].map(() => generateK1SecretKey(random));
  const operators = secrets.map(k1PublicKey);
  const identities = secrets.map((secret) => {
    const identity = createIdentity({ secretKey: secret, operators });
    assert(identity !== null);
    return identity;
  });
  const [first, second] = identities;
  assert(first !== undefined && second !== undefined);
  assert.deepEqual([first.self, second.self, first.nodes], [0, 1, 3]);
  const signature = second.sign(DIGEST);
  assert.equal(first.verify(1, DIGEST, signature), true);
  assert.equal(first.verify(0, DIGEST, signature), false);
  assert.equal(first.verify(3, DIGEST, signature), false);
  assert.equal(first.verify(-1, DIGEST, signature), false);
  assert.equal(first.verify(1, new Uint8Array(32), signature), false);
  assert.equal(first.verify(1, new Uint8Array(31), signature), false);
});

test("a key that is no operator's makes no identity", () => {
  assert.equal(createIdentity({ secretKey: SECRET, operators: [k1PublicKey(DIGEST)] }), null);
});

test("ID-4 identity key files hold 64 hex digits", () => {
  const text = formatIdentityKey(SECRET);
  assert.match(text, /^[0-9a-f]{64}$/);
  for (const form of [text, `${text}\n`, ` ${text}\r\n`, text.toUpperCase()]) {
    assert.deepEqual(parseIdentityKey(form), SECRET);
  }
  const order = ORDER.toString(16);
  for (const bad of ["", "0x", `0x${text}`, text.slice(2), `${text}00`, "0".repeat(64), order]) {
    assert.equal(parseIdentityKey(bad), null);
  }
});
