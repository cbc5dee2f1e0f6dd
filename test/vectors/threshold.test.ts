/** Vector suite 5: key shares of another implementation (SSV). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { sign, verify } from "../../src/crypto/bls.ts";
import { parseSecretKey } from "../../src/crypto/points.ts";
import {
  combineSignatures,
  interpolatePublicKey,
  type KeyShare,
  recoverSecret,
} from "../../src/crypto/threshold.ts";
import { pubShareOf } from "../../src/domain/keys.ts";
import { subsetsOf } from "../support/subsets.ts";
import { readVector, vectorOptions } from "../support/vectors.ts";

type Keyset = {
  readonly validator_sk: string;
  readonly validator_pk: string;
  readonly threshold: number;
  readonly shares: Readonly<Record<string, string>>;
};

const MESSAGE = Buffer.from("5e".repeat(32), "hex");

for (const n of [4, 7]) {
  const read = () => {
    const text = readVector("threshold", `ssv-spec-keyset-${n}.json`).toString("utf8");
    const keyset: Keyset = JSON.parse(text);
    const shares = Object.entries(keyset.shares).map(
      ([index, secret]): KeyShare => ({
        index: Number(index),
        secret: Buffer.from(secret, "hex"),
      }),
    );
    return { ...keyset, shares, secretKey: Buffer.from(keyset.validator_sk, "hex") };
  };

  test(`BLS-4 any t of ${n} shares recover the secret, t-1 do not`, vectorOptions, () => {
    const { shares, threshold, secretKey } = read();
    for (const subset of subsetsOf(shares, threshold)) {
      assert.deepEqual(Buffer.from(recoverSecret(subset) ?? []), secretKey);
    }
    for (const subset of subsetsOf(shares, threshold - 1)) {
      assert.notDeepEqual(Buffer.from(recoverSecret(subset) ?? []), secretKey);
    }
  });

  test(`BLS-5 any t of ${n} signatures combine to the group's`, vectorOptions, () => {
    const { shares, threshold, secretKey } = read();
    const expected = sign(secretKey, MESSAGE);
    const signatures = shares.map(({ index, secret }) => {
      const signature = sign(secret, MESSAGE);
      assert(signature !== null);
      return { index, signature };
    });
    for (const subset of subsetsOf(signatures, threshold)) {
      assert.deepEqual(combineSignatures(subset), expected);
    }
    for (const subset of subsetsOf(signatures, threshold - 1)) {
      assert.notDeepEqual(combineSignatures(subset), expected);
    }
  });

  test(`BLS-6 the public shares of ${n} make the group key`, vectorOptions, () => {
    const { shares, threshold, validator_pk } = read();
    const publicShares = shares.map(({ secret }) => {
      const key = parseSecretKey(secret);
      assert(key !== null);
      return pubShareOf(key.publicKey);
    });
    const group = interpolatePublicKey(publicShares, threshold);
    assert.deepEqual(group, { ok: true, value: `0x${validator_pk}` });
  });

  test(`BLS-5 a wrong share of ${n} is found by its public share`, vectorOptions, () => {
    const { shares } = read();
    const [first, second] = shares;
    assert(first !== undefined && second !== undefined);
    const publicKey = parseSecretKey(first.secret)?.publicKey;
    assert(publicKey !== undefined);
    const verdict = (secret: Uint8Array): boolean =>
      verify({ publicKey, message: MESSAGE, signature: sign(secret, MESSAGE) ?? MESSAGE });
    assert.equal(verdict(first.secret), true);
    assert.equal(verdict(second.secret), false);
  });
}
