/** Vector suite 15: the interop keys of beacon-chain test networks. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseSecretKey } from "../../src/crypto/points.ts";
import { readVector, vectorOptions } from "../support/vectors.ts";

test("BLS-1 interop secret keys have the listed public keys", vectorOptions, () => {
  const text = readVector("keys", "keygen_10_validators.yaml").toString("utf8");
  const pairs = [...text.matchAll(/privkey: '0x(\w+)',\s+pubkey: '0x(\w+)'/g)];
  for (const [, secret = "", publicKey] of pairs) {
    const key = parseSecretKey(Buffer.from(secret, "hex"));
    assert.equal(Buffer.from(key?.publicKey ?? []).toString("hex"), publicKey);
  }
  assert.equal(pairs.length, 10);
});
