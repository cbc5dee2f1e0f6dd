/** AttestationData between its 128 SSZ bytes, the project's shape and the SSZ library's. */
import { bytesOf, type Root, rootOf } from "../domain/keys.ts";
import { exact } from "./exact.ts";
import { ssz } from "./ssz.ts";
import type { AttestationData } from "./types.ts";

export const ATTESTATION_DATA_BYTES = 128;

type Value = ReturnType<typeof ssz.phase0.AttestationData.defaultValue>;

const exactAttestationData = exact(ssz.phase0.AttestationData);
/** As the exact SSZ type reads it: numbers are bigint. */
export type ExactAttestationData = ReturnType<typeof exactAttestationData.defaultValue>;

export function attestationDataValue(data: AttestationData): Value {
  return {
    slot: data.slot,
    index: data.index,
    beaconBlockRoot: bytesOf(data.beaconBlockRoot),
    source: { epoch: data.source.epoch, root: bytesOf(data.source.root) },
    target: { epoch: data.target.epoch, root: bytesOf(data.target.root) },
  };
}

export function encodeAttestationData(data: AttestationData): Uint8Array {
  return ssz.phase0.AttestationData.serialize(attestationDataValue(data));
}

/**
 * ATT-1: null unless `bytes` are exactly one AttestationData with numbers below 2^53. The plain
 * type would round larger ones, and two different values must never decode to the same data.
 */
export function decodeAttestationData(bytes: Uint8Array): AttestationData | null {
  if (bytes.length !== ATTESTATION_DATA_BYTES) return null;
  return attestationDataOf(exactAttestationData.deserialize(bytes));
}

/** The project's shape; null when a number is 2^53 or larger, or negative, as JSON may have it. */
export function attestationDataOf(value: ExactAttestationData): AttestationData | null {
  const { slot, index, beaconBlockRoot, source, target } = value;
  const largest = BigInt(Number.MAX_SAFE_INTEGER);
  const numbers = [slot, index, source.epoch, target.epoch];
  if (numbers.some((number) => number < 0n || number > largest)) return null;
  return {
    slot: Number(slot),
    index: Number(index),
    beaconBlockRoot: rootOf(beaconBlockRoot),
    source: { epoch: Number(source.epoch), root: rootOf(source.root) },
    target: { epoch: Number(target.epoch), root: rootOf(target.root) },
  };
}

/** As the Beacon API writes it. */
export function attestationDataJson(data: AttestationData): unknown {
  return ssz.phase0.AttestationData.toJson(attestationDataValue(data));
}

/** Hash tree root without domain. */
export function attestationDataRoot(data: AttestationData): Root {
  return rootOf(ssz.phase0.AttestationData.hashTreeRoot(attestationDataValue(data)));
}
