/** BeaconBlockHeader as its 112 bytes of SSZ: what a block's signature covers, and no more. */
import { type Root, rootOf } from "../domain/keys.ts";
import { exact } from "./exact.ts";
import { ssz } from "./ssz.ts";

const BLOCK_HEADER_BYTES = 112;

type Header = ReturnType<typeof ssz.phase0.BeaconBlockHeader.defaultValue>;

const exactHeader = exact(ssz.phase0.BeaconBlockHeader);

export function encodeBlockHeader(header: Header): Uint8Array {
  return ssz.phase0.BeaconBlockHeader.serialize(header);
}

/** Null unless `bytes` are exactly one header with numbers below 2^53. */
export function decodeBlockHeader(bytes: Uint8Array): Header | null {
  if (bytes.length !== BLOCK_HEADER_BYTES) return null;
  const { slot, proposerIndex, ...roots } = exactHeader.deserialize(bytes);
  const largest = BigInt(Number.MAX_SAFE_INTEGER);
  if (slot > largest || proposerIndex > largest) return null;
  return { slot: Number(slot), proposerIndex: Number(proposerIndex), ...roots };
}

/** Hash tree root without domain: that of the whole block. */
export function blockHeaderRoot(header: Header): Root {
  return rootOf(ssz.phase0.BeaconBlockHeader.hashTreeRoot(header));
}
