import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RLP } from "micro-eth-signer/core/rlp.js";
import { decodeEnr, encodeEnr } from "../../../src/crypto/enr.ts";
import { k1PublicKey, k1Sign } from "../../../src/crypto/k1.ts";
import { keccak256 } from "../../../src/crypto/keccak.ts";
import { loadMutant } from "../../support/mutant.ts";

const SECRET = new Uint8Array(32).fill(7);
const text = (bytes: Uint8Array) => `enr:${Buffer.from(bytes).toString("base64url")}`;

/** A record with a valid signature over any content. */
function signedRecord(content: readonly (string | Uint8Array | bigint)[]): string {
  const signature = k1Sign(keccak256(RLP.encode([...content])), SECRET).subarray(0, 64);
  return text(RLP.encode([signature, ...content]));
}

const publicKey = k1PublicKey(SECRET);
const identity = ["id", "v4", "secp256k1", publicKey] as const;

test("ID-3 what is encoded decodes to the same", () => {
  const pairs = fc.dictionary(fc.stringMatching(/^[a-h]{1,6}$/), fc.uint8Array({ maxLength: 12 }), {
    maxKeys: 4,
  });
  const seqs = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
  fc.assert(
    fc.property(pairs, seqs, (extra, seq) => {
      const enr = encodeEnr({ secretKey: SECRET, seq, extra: new Map(Object.entries(extra)) });
      const record = decodeEnr(enr);
      assert(record.ok);
      assert.equal(record.value.seq, seq);
      assert.deepEqual(record.value.publicKey, publicKey);
      for (const [key, value] of Object.entries(extra)) {
        assert.deepEqual(record.value.pairs.get(key), value);
      }
    }),
    { numRuns: 40 },
  );
});

test("ID-3 trailing padding is tolerated, changed characters are not", () => {
  const enr = encodeEnr({ secretKey: SECRET });
  assert.equal(decodeEnr(`${enr}=`).ok, true);
  for (let i = 0; i < enr.length; i += 7) {
    const changed = enr.slice(0, i) + (enr[i] === "A" ? "B" : "A") + enr.slice(i + 1);
    assert.equal(decodeEnr(changed).ok, false, changed);
  }
});

test("ID-3 properly signed records of the wrong shape are refused (Obol 13, 14)", () => {
  assert.equal(decodeEnr(signedRecord([0n, ...identity])).ok, true);
  const shapes: Readonly<Record<string, readonly (string | Uint8Array | bigint)[]>> = {
    "keys out of order": [0n, "secp256k1", publicKey, "id", "v4"],
    "a repeated key": [0n, "id", "v4", ...identity],
    "another scheme": [0n, "id", "v5", "secp256k1", publicKey],
    "no key": [0n, "id", "v4"],
    "a short key": [0n, "id", "v4", "secp256k1", publicKey.subarray(1)],
    "a key without value": [0n, ...identity, "tcp"],
    "a huge sequence number": [2n ** 64n, ...identity],
    "more than 300 bytes": [0n, "a", new Uint8Array(200), ...identity],
  };
  for (const [name, content] of Object.entries(shapes)) {
    assert.equal(decodeEnr(signedRecord(content)).ok, false, name);
  }
});

test("ID-3 mutant: without the signature check anybody writes anybody's record", async () => {
  const mutant = await loadMutant<typeof import("../../../src/crypto/enr.ts")>(
    "src/crypto/enr.ts",
    [
      {
        find: "if (!isSignedBy(publicKey, digest, signature))",
        replace: "if (signature === null)",
      },
    ],
  );
  const other = k1PublicKey(new Uint8Array(32).fill(8));
  const forged = signedRecord([0n, "id", "v4", "secp256k1", other]);
  assert.equal(mutant.decodeEnr(forged).ok, true);
  assert.equal(decodeEnr(forged).ok, false);
});

test("ID-3 any text is answered, never thrown at", () => {
  fc.assert(fc.property(fc.string(), (body) => assert.equal(decodeEnr(`enr:${body}`).ok, false)));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (body) => {
      assert.equal(decodeEnr(text(body)).ok, false);
    }),
  );
});
