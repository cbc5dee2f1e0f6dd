/**
 * Vector suites 24 and 11: deposit files of other tools, and what another implementation's
 * ceremonies made, on the code path that makes and checks this program's own.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import {
  depositFileFaults,
  parseDepositFile,
  writeDepositFile,
} from "../../src/cluster/depositFile.ts";
import { newDefinition } from "../../src/cluster/newDefinition.ts";
import { preSigningOf } from "../../src/cluster/preSigned.ts";
import { parseSecretKey } from "../../src/crypto/points.ts";
import { invertScalar, lagrangeWeights } from "../../src/crypto/shamir.ts";
import { bytesOf } from "../../src/domain/keys.ts";
import { findVectors, readVector, vectorOptions } from "../support/vectors.ts";

const GOERLI = "0x00001020";
const isValid = (text: string): boolean => {
  const file = parseDepositFile(text);
  return file.ok && depositFileFaults(file.value).length === 0;
};

test("LOCK-10 the deposits of Charon's golden file, byte for byte", vectorOptions, () => {
  const inputs = JSON.parse(readVector("charon/literals/deposit_inputs.json").toString("utf8"));
  const golden = readVector("charon/deposit/TestMarshalDepositData.golden").toString("utf8");
  const definition = newDefinition({
    name: "golden",
    enrs: [],
    threshold: 3,
    forkVersion: GOERLI,
    validators: inputs.withdrawal_addresses.map((withdrawalAddress: string) => ({
      feeRecipient: withdrawalAddress,
      withdrawalAddress,
    })),
    createdAt: "2026-01-02T03:04:05Z",
    uuid: "",
    depositAmounts: [32_000_000_000n],
    targetGasLimit: 30_000_000,
    // The golden file's credentials are of type 0x02.
    isCompounding: true,
  });
  const deposits = inputs.private_keys.flatMap((key: string, i: number) => {
    const secret = parseSecretKey(Buffer.from(key, "hex"));
    assert.ok(secret !== null);
    return preSigningOf(definition, i, secret.publicKey).deposits.map(({ message, root }) => ({
      ...message,
      signature: secret.sign(bytesOf(root)),
    }));
  });
  assert.equal(writeDepositFile(deposits, GOERLI).trim(), golden.trim());
  assert.ok(isValid(golden));
});

test("every valid deposit file of the staking tools verifies", vectorOptions, () => {
  const files = [
    ...findVectors("deposit", /deposit_data.*\.json$/),
    ...findVectors("ssv-dkg", /deposit_data\.json$/),
    ["ssv-dkg", "validator", "depositdata--valid.json"].join("/"),
  ];
  assert.ok(files.length >= 19, `${files.length} files`);
  for (const file of files) assert.ok(isValid(readVector(file).toString("utf8")), file);
});

test("deposit files with a wrong fork, key or signature are refused", vectorOptions, () => {
  const files = findVectors("ssv-dkg/validator", /^depositdata--invalid.*\.json$/);
  assert.equal(files.length, 3);
  for (const file of files) assert.ok(!isValid(readVector(file).toString("utf8")), file);
});

test(
  "BLS-6 the public shares of SSV's ceremonies make their validators' keys",
  vectorOptions,
  () => {
    const files = [
      ...findVectors("ssv-dkg", /^keyshares\.json$/),
      "ssv-dkg/validator/keyshares--valid.json",
    ];
    const validators = files.flatMap(
      (file) => JSON.parse(readVector(file).toString("utf8")).shares,
    );
    assert.ok(validators.length >= 14, `${validators.length} validators`);
    for (const { data, payload } of validators) {
      const ids: readonly number[] = payload.operatorIds;
      const threshold = ids.length - Math.floor((ids.length - 1) / 3);
      const bytes = Buffer.from(payload.sharesData.slice(2), "hex").subarray(96);
      const keys = ids.map((_, i) => bytes.subarray(48 * i, 48 * (i + 1)).toString("hex"));
      for (const from of [0, ids.length - threshold]) {
        const made = keyAtZero(ids.slice(from, from + threshold), keys.slice(from));
        assert.equal(`0x${made}`, data.publicKey);
      }
      const fewer = keyAtZero(ids.slice(0, threshold - 1), keys);
      assert.notEqual(`0x${fewer}`, data.publicKey, "one share less makes another key");
    }
  },
);

/** The sum of public keys at the operators' ids, weighted by our Lagrange weights at zero. */
function keyAtZero(ids: readonly number[], keys: readonly string[]): string {
  const { Point } = bls12_381.G1;
  const { Fn } = Point;
  const { weights, divisor } = lagrangeWeights(ids, 0);
  const sum = ids.reduce((total, _, i) => {
    const weight = Fn.mul(Fn.create(weights[i] ?? 0n), invertScalar(divisor));
    return total.add(Point.fromHex(keys[i] ?? "").multiply(weight));
  }, Point.ZERO);
  return sum.toHex(true);
}
