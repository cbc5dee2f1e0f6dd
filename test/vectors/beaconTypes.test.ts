/** Containers of the builder specs and of other clients, in JSON and SSZ (mainnet preset). */
import "../support/mainnetPreset.ts";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Type } from "@chainsafe/ssz";
import { exact } from "../../src/eth2/exact.ts";
import { ssz } from "../../src/eth2/ssz.ts";
import { fromHex, toHex } from "../../src/util/bytes.ts";
import { readVector, vectorOptions } from "../support/vectors.ts";

const { phase0, bellatrix, capella, deneb, electra, fulu } = ssz;

function readJson(...parts: readonly string[]) {
  const file = JSON.parse(readVector("blocks", ...parts).toString("utf8"));
  return file.value?.data ?? file.value ?? file.data ?? file;
}

/** Hex is written in either case, addresses with or without their checksum. */
function assertSameJson(actual: unknown, expected: unknown): void {
  const lowerCase = (json: unknown) => JSON.parse(JSON.stringify(json).toLowerCase());
  assert.deepEqual(lowerCase(actual), lowerCase(expected));
}

function testPair<T>(type: Type<T>, fork: string, name: string): void {
  test(`ETH-3: ${fork}/${name}: the JSON is these bytes, and they are this JSON`, () => {
    const json = readJson("builder-specs", fork, `${name}.json`);
    const bytes = readVector("blocks", "builder-specs", fork, `${name}.ssz`);
    const exactType = exact(type);
    assert.deepEqual(Buffer.from(exactType.serialize(exactType.fromJson(json))), bytes);
    assertSameJson(exactType.toJson(exactType.deserialize(bytes)), json);
  });
}

describe("builder-specs", vectorOptions, () => {
  testPair(deneb.SignedBuilderBid, "deneb", "signed_builder_bid");
  testPair(electra.SignedBuilderBid, "electra", "signed_builder_bid");
  testPair(fulu.SignedBuilderBid, "fulu", "signed_builder_bid");
  const bundle = "execution_payload_and_blobs_bundle";
  testPair(deneb.ExecutionPayloadAndBlobsBundle, "deneb", bundle);
  testPair(electra.ExecutionPayloadAndBlobsBundle, "electra", bundle);
});

function testJson<T>(type: Type<T>, ...path: readonly string[]): void {
  test(`ETH-3: ${path.join("/")} survives both encodings`, () => {
    const json = readJson(...path);
    const exactType = exact(type);
    const again = exactType.deserialize(exactType.serialize(exactType.fromJson(json)));
    assertSameJson(exactType.toJson(again), json);
  });
}

describe("teku: blinded blocks and bids", vectorOptions, () => {
  for (const [fork, types] of [
    ["bellatrix", bellatrix],
    ["capella", capella],
    ["deneb", deneb],
  ] as const) {
    testJson<unknown>(
      types.SignedBlindedBeaconBlock as Type<unknown>,
      "teku-builder",
      fork,
      "signedBlindedBeaconBlock.json",
    );
    testJson<unknown>(
      types.SignedBuilderBid as Type<unknown>,
      "teku-builder",
      fork,
      "signedBuilderBid.json",
    );
  }
});

describe("prysm: JSON with a part left out or cut short", vectorOptions, () => {
  const folder = ["prysm", "api", "client", "builder", "testdata"];
  const refused = (type: Type<unknown>, name: string, reason: RegExp): void => {
    test(`ETH-3: ${name} is refused`, () => {
      assert.throws(() => exact(type).fromJson(readJson(...folder, name)), reason);
    });
  };
  // A graffito of seven bytes, and payloads without transactions.
  refused(bellatrix.BlindedBeaconBlock as Type<unknown>, "blinded-block.json", /invalid size 7/);
  refused(capella.BlindedBeaconBlock as Type<unknown>, "blinded-block-capella.json", /size 7/);
  refused(bellatrix.ExecutionPayload as Type<unknown>, "execution-payload.json", /transactions/);
  refused(capella.ExecutionPayload as Type<unknown>, "execution-payload-capella.json", /transac/);
});

describe("teku and prysm: blocks as SSZ", vectorOptions, () => {
  const read = (...path: readonly string[]) => {
    const bytes = readVector("blocks", ...path);
    const type = exact(phase0.SignedBeaconBlock);
    const block = type.deserialize(bytes);
    assert.deepEqual(Buffer.from(type.serialize(block)), bytes);
    return block.message;
  };

  test("ETH-3: blocks 8, 9 and 10 are a chain", () => {
    const chain = [8, 9, 10].map((slot) => read("teku-transition", `block-${slot}.ssz`));
    const roots = chain.map((block) => toHex(exact(phase0.BeaconBlock).hashTreeRoot(block)));
    assert.deepEqual(
      chain.slice(1).map(({ parentRoot }) => toHex(parentRoot)),
      roots.slice(0, -1),
    );
    const hex = readVector("blocks", "teku-transition", "block-8.hex").toString("utf8").trim();
    const bytes = readVector("blocks", "teku-transition", "block-8.ssz");
    assert.equal(toHex(fromHex(`0x${hex.replace(/^0x/, "")}`) ?? new Uint8Array()), toHex(bytes));
  });

  test("ETH-3: a block full of attestations is written as it was read", () => {
    const path = ["prysm", "testing", "benchmark", "benchmark_files"];
    const { body } = read(...path, "fullBlock-128Atts-16384Vals.ssz");
    assert.equal(body.attestations.length, 128);
  });

  test("ETH-3: a block whose offsets or length are wrong is refused, byte by byte", () => {
    const bytes = readVector("blocks", "teku-transition", "block-9.ssz");
    const type = exact(phase0.SignedBeaconBlock);
    for (const length of [0, 3, 4, 99, 100, bytes.length - 1]) {
      assert.throws(() => type.deserialize(bytes.subarray(0, length)), Error, `${length} bytes`);
    }
    for (const first of [0, 1, 99, 101, 255]) {
      assert.throws(() => type.deserialize(Uint8Array.from(bytes).fill(first, 0, 1)), Error);
    }
  });
});
