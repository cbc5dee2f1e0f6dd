/**
 * The forms in which a block is proposed, a row per fork and form in `forks.ts`: what the cluster
 * agrees on, and what it becomes once it is signed (beacon-APIs, produceBlockV3, publishBlockV2).
 */
import type { Type } from "@chainsafe/ssz";
import type { Signature } from "../domain/keys.ts";

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

/** The block travels alone. */
export function bareForm(types: {
  readonly block: BlockType;
  readonly signed: Type<SignedBlockValue>;
}): BlockForm {
  const bare = (block: BlockValue): BlockContents => ({ block, kzgProofs: [], blobs: [] });
  return {
    deserialize: (bytes) => bare(types.block.deserialize(bytes)),
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

/** The block travels with its blobs and their proofs (EIP-4844). */
export function contentsForm(types: {
  readonly block: BlockType;
  readonly contents: Type<BlockContents>;
  readonly signed: Type<SignedContents>;
}): BlockForm {
  const signed = (contents: BlockContents, signature: Signature): SignedContents => ({
    signedBlock: { message: contents.block, signature },
    kzgProofs: contents.kzgProofs,
    blobs: contents.blobs,
  });
  return {
    deserialize: (bytes) => types.contents.deserialize(bytes),
    fromJson: (json) => types.contents.fromJson(json),
    serialize: (contents) => types.contents.serialize(contents),
    blockRoot: ({ block }) => types.block.hashTreeRoot(block),
    bodyRoot: ({ block }) => types.block.fields.body.hashTreeRoot(block.body as never),
    json: (contents) => types.contents.toJson(contents),
    signedSsz: (contents, signature) => types.signed.serialize(signed(contents, signature)),
    signedJson: (contents, signature) => types.signed.toJson(signed(contents, signature)),
    readSignedSsz: (bytes) => types.signed.deserialize(bytes).signedBlock,
    readSignedJson: (json) => types.signed.fromJson(json).signedBlock,
  };
}
