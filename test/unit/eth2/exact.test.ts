import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  attestationDataRoot,
  decodeAttestationData,
  encodeAttestationData,
} from "../../../src/eth2/attestationData.ts";
import { exact } from "../../../src/eth2/exact.ts";
import { FORK_NAMES } from "../../../src/eth2/forkNames.ts";
import { FORKS } from "../../../src/eth2/forks.ts";
import { ssz } from "../../../src/eth2/ssz.ts";
import type { AttestationData } from "../../../src/eth2/types.ts";

const UINT64_MAX = 2n ** 64n - 1n;
const root = (byte: string): AttestationData["beaconBlockRoot"] =>
  `0x${byte.repeat(32)}` as AttestationData["beaconBlockRoot"];
const DATA: AttestationData = {
  slot: 33,
  index: 1,
  beaconBlockRoot: root("11"),
  source: { epoch: 0, root: root("22") },
  target: { epoch: 1, root: root("33") },
};

for (const name of FORK_NAMES) {
  test(`ETH-3: the exact variants of ${name} have the same bytes, JSON and roots`, () => {
    const { BeaconBlock, AggregateAndProof, SignedBeaconBlock } = FORKS[name].types;
    for (const type of [BeaconBlock, AggregateAndProof, SignedBeaconBlock]) {
      const plain: { toJson(v: unknown): unknown; serialize(v: unknown): Uint8Array } = type;
      const value = type.defaultValue();
      const variant = exact<typeof ssz.phase0.BeaconBlock>(type as never);
      const same = variant.fromJson(plain.toJson(value));
      assert.deepEqual(variant.serialize(same), plain.serialize(value));
      assert.deepEqual(variant.toJson(same), plain.toJson(value));
      assert.deepEqual(variant.hashTreeRoot(same), type.hashTreeRoot(value as never));
    }
  });
}

test("ETH-3: every uint64 survives SSZ and JSON, where the plain type rounds or throws", () => {
  const variant = exact(ssz.phase0.Checkpoint);
  const zero = variant.defaultValue();
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: UINT64_MAX }), (epoch) => {
      const value = { ...zero, epoch };
      assert.equal(variant.deserialize(variant.serialize(value)).epoch, epoch);
      assert.equal(variant.fromJson(variant.toJson(value)).epoch, epoch);
    }),
  );
  const rounded = ssz.phase0.Checkpoint.deserialize(
    variant.serialize({ ...zero, epoch: 2n ** 53n + 1n }),
  );
  assert.notEqual(BigInt(rounded.epoch), 2n ** 53n + 1n);
});

test("attestation data is 128 bytes and comes back equal", () => {
  const bytes = encodeAttestationData(DATA);
  assert.equal(bytes.length, 128);
  assert.deepEqual(decodeAttestationData(bytes), DATA);
});

test("bytes of another length are no attestation data", () => {
  const bytes = encodeAttestationData(DATA);
  for (const length of [0, 1, 127]) {
    assert.equal(decodeAttestationData(bytes.subarray(0, length)), null);
  }
  assert.equal(decodeAttestationData(new Uint8Array([...bytes, 0])), null);
});

test("ATT-1: no 128 bytes throw, and what decodes encodes to the same bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 128, maxLength: 128 }), fc.nat(255), (bytes, sieve) => {
      // Small numbers often enough: clear the high bytes of all four of them.
      for (const offset of sieve % 2 === 0 ? [0, 8, 48, 88] : [])
        bytes.fill(0, offset + 6, offset + 8);
      const data = decodeAttestationData(bytes);
      if (data !== null) assert.deepEqual(encodeAttestationData(data), bytes);
      return data !== null || sieve % 2 === 1;
    }),
  );
});

test("ATT-1: numbers above 2^53 are refused, not rounded", () => {
  for (const offset of [0, 8, 48, 88]) {
    const bytes = encodeAttestationData(DATA);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    view.setBigUint64(offset, 2n ** 53n - 1n, true);
    assert.notEqual(decodeAttestationData(bytes), null);
    view.setBigUint64(offset, 2n ** 53n, true);
    assert.equal(decodeAttestationData(bytes), null);
    view.setBigUint64(offset, UINT64_MAX, true);
    assert.equal(decodeAttestationData(bytes), null);
  }
});

test("the root is that of the consensus specs' container", () => {
  // SHA-256 by hand over the five leaves, independent of the SSZ library.
  assert.equal(
    attestationDataRoot(DATA),
    "0x017000cf28429d34d6c7ab7f92e3dec03438b21f390bfc7149488171a58e24ef",
  );
});
