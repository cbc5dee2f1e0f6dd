/** Suites 24 (deposit data) and 11 (outputs of SSV's ceremony) on the code that makes ours. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { describe, it } from "node:test";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { writeDepositFile } from "../../src/cluster/depositFile.ts";
import { newDefinition } from "../../src/cluster/newDefinition.ts";
import { preSigningOf } from "../../src/cluster/preSigned.ts";
import { batchVerify } from "../../src/crypto/bls.ts";
import { parseSecretKey } from "../../src/crypto/points.ts";
import { lagrangeWeights } from "../../src/crypto/shamir.ts";
import { bytesOf } from "../../src/domain/keys.ts";
import { faulty } from "../../src/domain/quorum.ts";
import { depositDataRoot, depositMessageRoot, depositSigningRoot } from "../../src/eth2/deposit.ts";
import { fromHex } from "../../src/util/bytes.ts";
import { readVector, vectorOptions, vectorPath } from "../support/vectors.ts";

const G1 = bls12_381.G1.Point;
const PUBLIC_KEY_BYTES = 48;
const SIGNATURE_BYTES = 96;

type DepositEntry = Readonly<
  Record<
    | "pubkey"
    | "withdrawal_credentials"
    | "signature"
    | "deposit_message_root"
    | "deposit_data_root"
    | "fork_version",
    string
  >
> & { readonly amount: number };

function filesIn(folder: string, name: RegExp): readonly string[] {
  if (vectorOptions.skip !== false) return [];
  return readdirSync(vectorPath(folder), { recursive: true, encoding: "utf8" })
    .filter((path) => name.test(path))
    .map((path) => `${folder}/${path}`)
    .sort();
}

function bytes(bare: string): Uint8Array {
  const value = fromHex(`0x${bare.replace(/^0x/, "")}`);
  assert(value !== null, `${bare} is hex`);
  return value;
}

/** What is wrong with an entry; none for a valid one. */
function faultsOf(entry: DepositEntry): readonly string[] {
  const message = {
    pubkey: bytes(entry.pubkey),
    withdrawalCredentials: bytes(entry.withdrawal_credentials),
    amount: BigInt(entry.amount),
  };
  const data = { ...message, signature: bytes(entry.signature) };
  const signingRoot = depositSigningRoot(message, bytes(entry.fork_version));
  const isSigned = batchVerify([
    { publicKey: message.pubkey, message: bytesOf(signingRoot), signature: data.signature },
  ]);
  return [
    ...(depositMessageRoot(message) === `0x${entry.deposit_message_root}` ? [] : ["message root"]),
    ...(depositDataRoot(data) === `0x${entry.deposit_data_root}` ? [] : ["data root"]),
    ...(isSigned ? [] : ["signature"]),
  ];
}

describe("suite 24: deposit data", vectorOptions, () => {
  const files = [
    ...filesIn("deposit", /deposit_data.*\.json$/),
    ...filesIn("ssv-dkg", /deposit_?data.*\.json$/),
  ];

  it("of the deposit CLI, Lighthouse and SSV has our roots, and verifies", () => {
    let entries = 0;
    for (const file of files.filter((name) => !/invalid/.test(name))) {
      for (const entry of JSON.parse(readVector(file).toString()) as readonly DepositEntry[]) {
        assert.deepEqual(faultsOf(entry), [], file);
        entries++;
      }
    }
    assert(entries >= 15, `${entries} entries`);
  });

  it("that is invalid is refused", () => {
    const invalid = files.filter((name) => /invalid/.test(name));
    assert.equal(invalid.length, 3);
    for (const file of invalid) {
      const parsed = JSON.parse(readVector(file).toString()) as readonly DepositEntry[];
      assert(
        parsed.some((entry) => faultsOf(entry).length > 0),
        file,
      );
    }
  });

  it("made by the ceremony's code is Charon's golden file, byte for byte", () => {
    const inputs = JSON.parse(readVector("charon/literals/deposit_inputs.json").toString()) as {
      readonly private_keys: readonly string[];
      readonly withdrawal_addresses: readonly string[];
    };
    const forkVersion = "0x00001020";
    const definition = newDefinition({
      name: "golden",
      enrs: [],
      threshold: 3,
      forkVersion,
      validators: inputs.withdrawal_addresses.map((withdrawalAddress) => ({
        feeRecipient: withdrawalAddress,
        withdrawalAddress,
      })),
      createdAt: "2023-01-01T00:00:00Z",
      uuid: "0194fdc2-fa2f-4cc0-81d3-ff12045b73c8",
      depositAmounts: [32_000_000_000n],
      targetGasLimit: 60_000_000,
      isCompounding: true,
    });
    const deposits = inputs.private_keys.flatMap((secret, v) => {
      const key = parseSecretKey(bytes(secret));
      assert(key !== null, "a secret key");
      return preSigningOf(definition, v, key.publicKey).deposits.map(({ message, root }) => ({
        ...message,
        signature: key.sign(bytesOf(root)),
      }));
    });
    const golden = readVector("charon/deposit/TestMarshalDepositData.golden").toString();
    assert.equal(writeDepositFile(deposits, forkVersion).trim(), golden.trim());
  });
});

type KeyShares = {
  readonly shares: readonly {
    readonly payload: {
      readonly publicKey: string;
      readonly operatorIds: readonly number[];
      readonly sharesData: string;
    };
  }[];
};

/** Whether every n − f public shares, at x = operator id, make the validator's key. */
function makeTheKey(payload: KeyShares["shares"][number]["payload"]): boolean {
  const { operatorIds, sharesData, publicKey } = payload;
  const data = bytes(sharesData).subarray(SIGNATURE_BYTES);
  const nodes = operatorIds.length;
  const points = operatorIds.map((_, i) =>
    G1.fromBytes(data.slice(i * PUBLIC_KEY_BYTES, (i + 1) * PUBLIC_KEY_BYTES)),
  );
  const expected = G1.fromBytes(bytes(publicKey));
  const threshold = nodes - faulty(nodes);
  if (new Set(operatorIds).size !== nodes) return false;
  return Array.from({ length: nodes - threshold + 1 }, (_, start) => start).every((start) => {
    const indices = operatorIds.slice(start, start + threshold);
    const { weights, divisor } = lagrangeWeights(indices, 0);
    const sum = weights.reduce((total, weight, i) => {
      const point = points[start + i] ?? G1.ZERO;
      const scalar = G1.Fn.create(weight);
      return scalar === 0n ? total : total.add(point.multiplyUnsafe(scalar));
    }, G1.ZERO);
    return sum.equals(expected.multiplyUnsafe(G1.Fn.create(divisor)));
  });
}

describe("suite 11: outputs of SSV's ceremony", vectorOptions, () => {
  it("interpolate to the validator's key with our weights, and the spoiled one does not", () => {
    let valid = 0;
    const spoiled: string[] = [];
    for (const file of filesIn("ssv-dkg", /keyshares.*\.json$/)) {
      const { shares } = JSON.parse(readVector(file).toString()) as KeyShares;
      for (const { payload } of shares) {
        if (makeTheKey(payload)) valid++;
        else spoiled.push(file);
      }
    }
    assert(valid >= 13, `${valid} sets of shares`);
    assert.deepEqual(spoiled, ["ssv-dkg/validator/keyshares--duplicate-payload-operator.json"]);
  });
});
