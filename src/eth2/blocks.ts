/**
 * A proposed block between what the beacon node produces, the value that the cluster agrees on and
 * what is published. The value is the form (1 byte: 0 full, 1 blinded), what the payload and the
 * block are worth in wei (32 bytes each, the leader's word), and the block as SSZ. Its fork is the
 * slot's, so nothing can claim another (BLOCK-1).
 */
import { type Root, rootOf, type Signature } from "../domain/keys.ts";
import type { Slot, ValidatorIndex } from "../domain/units.ts";
import { assert } from "../util/assert.ts";
import { concatBytes, fromHex, toHex } from "../util/bytes.ts";
import type { BlockContents, BlockForm } from "./blockForms.ts";
import { encodeBlockHeader } from "./blockHeader.ts";
import type { ForkName } from "./forkNames.ts";
import { FORKS, type Fork } from "./forks.ts";

/** A block as a beacon node produced it, with the metadata of the answer (`Eth-*` headers). */
export type ProducedBlock = {
  readonly fork: ForkName;
  readonly isBlinded: boolean;
  /** In wei, below 2^256. */
  readonly executionPayloadValue: bigint;
  readonly consensusBlockValue: bigint;
  /** The Beacon API's SSZ of it: block contents, a block, or a blinded block. */
  readonly ssz: Uint8Array;
};

/** A signed block for the Beacon API, in either encoding. */
export type SignedBlock = {
  readonly fork: ForkName;
  readonly isBlinded: boolean;
  readonly root: Root;
  ssz(): Uint8Array;
  json(): unknown;
};

/** A proposed block and what the rules must know of it. */
export type Proposal = ProducedBlock & {
  readonly slot: Slot;
  readonly proposerIndex: ValidatorIndex;
  readonly parentRoot: Root;
  /** Hash tree root of the block: what is signed, without domain. */
  readonly root: Root;
  readonly randaoReveal: Signature;
  /** 20 bytes as lower-case 0x hex; null where a builder is paid or there is no payload. */
  readonly feeRecipient: `0x${string}` | null;
  readonly gasLimit: number | null;
  /** Whether each blob that the block commits to is there with its proofs. */
  readonly isComplete: boolean;
  /** The Beacon API's JSON of {@link ProducedBlock.ssz}. */
  json(): unknown;
  /** The 112-byte header of the same root. */
  header(): Uint8Array;
  sign(signature: Signature): SignedBlock;
};

/** What is compared of a block that a validator client signed. */
export type SubmittedBlock = {
  readonly slot: Slot;
  readonly proposerIndex: ValidatorIndex;
  readonly root: Root;
  readonly signature: Signature;
};

const WEI_BYTES = 32;
const HEADER_BYTES = 1 + 2 * WEI_BYTES;
const FULL = 0;
const BLINDED = 1;

/** A block is looked at by every step of its duty; each form is made, read and hashed once. */
const encoded = new WeakMap<ProducedBlock, Uint8Array>();
const decoded = new WeakMap<Uint8Array, { readonly fork: Fork; readonly proposal: Proposal }>();

/** Throws a plain error for JSON that is no block of this fork and form. */
export function blockSszFromJson(fork: ForkName, isBlinded: boolean, json: unknown): Uint8Array {
  const form = formOf(FORKS[fork], isBlinded);
  if (form === null) throw new TypeError(`${fork} has no such form of a block`);
  return form.serialize(form.fromJson(json));
}

/** Throws a plain error for a body that is no signed block of this fork and form. */
export function readSubmittedBlock(
  { fork, isBlinded }: Pick<ProducedBlock, "fork" | "isBlinded">,
  body: { readonly ssz: Uint8Array } | { readonly json: unknown },
): SubmittedBlock {
  const form = formOf(FORKS[fork], isBlinded);
  if (form === null) throw new TypeError(`${fork} has no such form of a block`);
  const { message, signature } =
    "ssz" in body ? form.readSignedSsz(body.ssz) : form.readSignedJson(body.json);
  const root = rootOf(form.blockRoot({ block: message, kzgProofs: [], blobs: [] }));
  return { slot: message.slot, proposerIndex: message.proposerIndex, root, signature };
}

export function encodeProposal(produced: ProducedBlock): Uint8Array {
  const value = encoded.get(produced) ?? encode(produced);
  encoded.set(produced, value);
  return value;
}

function encode(produced: ProducedBlock): Uint8Array {
  const { isBlinded, executionPayloadValue, consensusBlockValue, ssz } = produced;
  return concatBytes(
    Uint8Array.of(isBlinded ? BLINDED : FULL),
    weiBytes(executionPayloadValue),
    weiBytes(consensusBlockValue),
    ssz,
  );
}

/**
 * Null unless `value` is exactly one block of the fork in its one encoding: two different values
 * never decode to the same block and metadata (BLOCK-1).
 */
export function decodeProposal(fork: Fork, value: Uint8Array): Proposal | null {
  const known = decoded.get(value);
  if (known?.fork === fork) return known.proposal;
  const proposal = decode(fork, value);
  if (proposal !== null) decoded.set(value, { fork, proposal });
  return proposal;
}

function decode(fork: Fork, value: Uint8Array): Proposal | null {
  const [flag] = value;
  if (value.length <= HEADER_BYTES || (flag !== FULL && flag !== BLINDED)) return null;
  const isBlinded = flag === BLINDED;
  const ssz = value.subarray(HEADER_BYTES);
  const form = formOf(fork, isBlinded);
  const contents = form === null ? null : deserialize(form, ssz);
  if (form === null || contents === null) return null;
  const { slot, proposerIndex, parentRoot, stateRoot, body } = contents.block;
  const root = rootOf(form.blockRoot(contents));
  const { executionPayload: payload, executionPayloadHeader: header } = body;
  return {
    fork: fork.name,
    isBlinded,
    executionPayloadValue: weiAt(value, 1),
    consensusBlockValue: weiAt(value, 1 + WEI_BYTES),
    ssz,
    slot,
    proposerIndex,
    parentRoot: rootOf(parentRoot),
    root,
    randaoReveal: body.randaoReveal,
    feeRecipient: payload === undefined ? null : toHex(payload.feeRecipient),
    gasLimit: payload?.gasLimit ?? header?.gasLimit ?? null,
    isComplete: isBlinded || hasBlobs(contents, fork.blocks?.proofsPerBlob ?? 0),
    json: () => form.json(contents),
    header: () => {
      const bodyRoot = form.bodyRoot(contents);
      return encodeBlockHeader({ slot, proposerIndex, parentRoot, stateRoot, bodyRoot });
    },
    sign: (signature) => ({
      fork: fork.name,
      isBlinded,
      root,
      ssz: () => form.signedSsz(contents, signature),
      json: () => form.signedJson(contents, signature),
    }),
  };
}

function deserialize(form: BlockForm, ssz: Uint8Array): BlockContents | null {
  try {
    return form.deserialize(ssz);
  } catch (error) {
    // The SSZ library reports malformed bytes by throwing plain errors.
    if (error instanceof Error) return null;
    throw error;
  }
}

function hasBlobs({ block, kzgProofs, blobs }: BlockContents, proofsPerBlob: number): boolean {
  const commitments = block.body.blobKzgCommitments?.length ?? 0;
  return blobs.length === commitments && kzgProofs.length === commitments * proofsPerBlob;
}

function formOf(fork: Fork, isBlinded: boolean): BlockForm | null {
  return (isBlinded ? fork.blocks?.blinded : fork.blocks?.full) ?? null;
}

function weiBytes(wei: bigint): Uint8Array {
  const bytes = fromHex(`0x${wei.toString(16).padStart(2 * WEI_BYTES, "0")}`);
  assert(wei >= 0n && bytes?.length === WEI_BYTES, "an amount of wei is below 2^256");
  return bytes;
}

function weiAt(value: Uint8Array, offset: number): bigint {
  return BigInt(toHex(value.subarray(offset, offset + WEI_BYTES)));
}
