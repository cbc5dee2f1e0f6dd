/**
 * The forms in which a block is proposed, a row per fork and form in `forks.ts`: what the cluster
 * agrees on, and what it becomes once it is signed (beacon-APIs, produceBlockV3, publishBlockV2).
 */
import type { Type } from "@chainsafe/ssz";
import type { Signature } from "../domain/keys.ts";
import { MAX_BLOCK_TRANSACTIONS } from "../domain/limits.ts";
import { assert } from "../util/assert.ts";
import { columnsOf, equalBytes } from "../util/bytes.ts";

/** The parts of a block that the cluster's rules look at, whatever its fork and form. */
export type BlockValue = {
  slot: number;
  proposerIndex: number;
  parentRoot: Uint8Array;
  stateRoot: Uint8Array;
  body: {
    randaoReveal: Uint8Array;
    executionPayload?: { feeRecipient: Uint8Array; gasLimit: number };
    executionPayloadHeader?: { gasLimit: number };
    blobKzgCommitments?: readonly Uint8Array[];
  };
};
/** A block with all that is needed to publish it; no proofs and blobs where the form has none. */
export type BlockContents = { block: BlockValue; kzgProofs: Uint8Array[]; blobs: Uint8Array[] };

/** SSZ and JSON are those of the Beacon API; reading throws where the SSZ library does. */
export type BlockForm = {
  /** Throws also for bytes that {@link serialize} would not write; blobs are views of `bytes`. */
  deserialize(bytes: Uint8Array): BlockContents;
  fromJson(json: unknown): BlockContents;
  serialize(contents: BlockContents): Uint8Array;
  /** Hash tree root of the block alone: a blinded block has the root of its full one. */
  blockRoot(contents: BlockContents): Uint8Array;
  /** Hash tree root of the block's body. */
  bodyRoot(contents: BlockContents): Uint8Array;
  json(contents: BlockContents): unknown;
  signedSsz(contents: BlockContents, signature: Signature): Uint8Array;
  signedJson(contents: BlockContents, signature: Signature): unknown;
  /** What a client signed; the rest of what it sends with the block is known from the decision. */
  readSignedSsz(bytes: Uint8Array): SignedBlockValue;
  readSignedJson(json: unknown): SignedBlockValue;
};

export type SignedBlockValue = { message: BlockValue; signature: Uint8Array };
type SignedContents = Omit<BlockContents, "block"> & { signedBlock: SignedBlockValue };

type BlockType = Type<BlockValue> & {
  readonly fields: { readonly body: Pick<Type<never>, "hashTreeRoot"> };
};
/** A list of byte strings of one length. */
type BytesListType = {
  readonly limit: number;
  readonly elementType: Pick<Type<never>, "fixedSize">;
};
type Range = { readonly start: number; readonly end: number };
/** A container of a block, its proofs and its blobs, each of variable size. */
type ContentsType = {
  readonly fields: { readonly kzgProofs: BytesListType; readonly blobs: BytesListType };
  getFieldRanges(data: DataView, start: number, end: number): readonly Range[];
};

/** The block travels alone. */
export function bareForm(types: {
  readonly block: BlockType;
  readonly signed: Type<SignedBlockValue>;
}): BlockForm {
  const bare = (block: BlockValue): BlockContents => ({ block, kzgProofs: [], blobs: [] });
  return {
    deserialize: (bytes) => bare(readExactly(types.block, bytes)),
    fromJson: (json) => bare(types.block.fromJson(json)),
    serialize: ({ block }) => types.block.serialize(block),
    blockRoot: ({ block }) => types.block.hashTreeRoot(block),
    bodyRoot: ({ block }) => types.block.fields.body.hashTreeRoot(block.body as never),
    json: ({ block }) => types.block.toJson(block),
    signedSsz: ({ block }, signature) => types.signed.serialize({ message: block, signature }),
    signedJson: ({ block }, signature) => types.signed.toJson({ message: block, signature }),
    readSignedSsz: (bytes) => types.signed.deserialize(bytes),
    readSignedJson: (json) => types.signed.fromJson(json),
  };
}

/**
 * The block travels with its blobs and their proofs (EIP-4844). Those are megabytes of fixed-size
 * strings, of which there is one encoding: they are cut out in place, and only the block is read.
 */
export function contentsForm(types: {
  readonly block: BlockType;
  readonly contents: Type<BlockContents> & ContentsType;
  readonly signed: Type<SignedContents> &
    ContentsType & { readonly fields: { readonly signedBlock: Type<SignedBlockValue> } };
}): BlockForm {
  const signed = (contents: BlockContents, signature: Signature): SignedContents => ({
    signedBlock: { message: contents.block, signature },
    kzgProofs: contents.kzgProofs,
    blobs: contents.blobs,
  });
  return {
    deserialize: (bytes) => {
      const [block, kzgProofs, blobs] = partsOf(types.contents, bytes);
      return { block: readExactly(types.block, block), kzgProofs, blobs };
    },
    fromJson: (json) => types.contents.fromJson(json),
    serialize: (contents) => types.contents.serialize(contents),
    blockRoot: ({ block }) => types.block.hashTreeRoot(block),
    bodyRoot: ({ block }) => types.block.fields.body.hashTreeRoot(block.body as never),
    json: (contents) => types.contents.toJson(contents),
    signedSsz: (contents, signature) => types.signed.serialize(signed(contents, signature)),
    signedJson: (contents, signature) => types.signed.toJson(signed(contents, signature)),
    readSignedSsz: (bytes) => {
      const [signedBlock] = partsOf(types.signed, bytes);
      return types.signed.fields.signedBlock.deserialize(signedBlock);
    },
    readSignedJson: (json) => types.signed.fromJson(json).signedBlock,
  };
}

/** The plain types round numbers above 2^53; writing the block again shows it. */
function readExactly(type: BlockType, bytes: Uint8Array): BlockValue {
  const count = transactionsIn(type, bytes);
  if (count > MAX_BLOCK_TRANSACTIONS) throw new RangeError(`${count} transactions are too many`);
  const block = type.deserialize(bytes);
  if (!equalBytes(type.serialize(block), bytes)) throw new TypeError("not the one encoding of it");
  return block;
}

const TRANSACTIONS = ["body", "executionPayload", "transactions"];
const OFFSET_BYTES = 4;

/**
 * How many transactions the block says it has, before any is read: each costs 26 hashes, however
 * short it is, and the list's own limit is a million (BLOCK-9). None where the form has no payload.
 */
function transactionsIn(block: unknown, bytes: Uint8Array): number {
  let [type, part] = [block, bytes];
  for (const name of TRANSACTIONS) {
    if (!isContainer(type) || !(name in type.fields)) return 0;
    const data = new DataView(part.buffer, part.byteOffset, part.length);
    const range = type.getFieldRanges(data, 0, part.length)[Object.keys(type.fields).indexOf(name)];
    assert(range !== undefined, "each field has its place");
    type = type.fields[name];
    part = part.subarray(range.start, range.end);
  }
  // The first item's offset is the size of all offsets.
  if (part.length < OFFSET_BYTES) return 0;
  const first = new DataView(part.buffer, part.byteOffset, part.length).getUint32(0, true);
  return first / OFFSET_BYTES;
}

type Container = Pick<ContentsType, "getFieldRanges"> & {
  readonly fields: Readonly<Record<string, unknown>>;
};

function isContainer(type: unknown): type is Container {
  return typeof Reflect.get(Object(type), "getFieldRanges") === "function";
}

function partsOf(
  type: ContentsType,
  bytes: Uint8Array,
): [block: Uint8Array, kzgProofs: Uint8Array[], blobs: Uint8Array[]] {
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const [block, proofs, blobs] = type
    .getFieldRanges(data, 0, bytes.length)
    .map(({ start, end }) => bytes.subarray(start, end));
  assert(block !== undefined && proofs !== undefined && blobs !== undefined, "three fields");
  return [block, itemsOf(type.fields.kzgProofs, proofs), itemsOf(type.fields.blobs, blobs)];
}

function itemsOf({ limit, elementType }: BytesListType, bytes: Uint8Array): Uint8Array[] {
  const { fixedSize } = elementType;
  assert(fixedSize !== null && fixedSize > 0, "an item has a fixed size");
  const count = Math.floor(bytes.length / fixedSize);
  const items = columnsOf(bytes, fixedSize, count);
  if (items === null || count > limit) throw new RangeError(`${bytes.length} bytes are no list`);
  return [...items];
}
