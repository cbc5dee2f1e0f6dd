/** Blocks of the virtual chain: the last fork's, empty but for what a test or a lie asks. */
import type { ProducedBlock } from "../src/eth2/blocks.ts";
import { FORKS } from "../src/eth2/forks.ts";
import { ssz } from "../src/eth2/ssz.ts";
import { fromHex } from "../src/util/bytes.ts";

export const FEE_RECIPIENT = `0x${"fe".repeat(20)}` as const;
export const GAS_LIMIT = 30_000_000;
export const BLOB_BYTES = 131_072;

export type BlockChange = {
  readonly slot?: number;
  readonly proposerIndex?: number;
  readonly parentRoot?: Uint8Array;
  readonly randaoReveal?: Uint8Array;
  /** 32 bytes: what makes two blocks of one slot differ. */
  readonly graffiti?: Uint8Array;
  readonly feeRecipient?: string;
  readonly gasLimit?: number;
  readonly blobs?: number;
  /** Commitments beside the blobs that are there. */
  readonly missingBlobs?: number;
  readonly isBlinded?: boolean;
};

const PROOFS_PER_BLOB = FORKS.fulu.blocks?.proofsPerBlob ?? 0;

export function virtualBlock(change: BlockChange): ProducedBlock {
  const { blobs = 0, missingBlobs = 0, isBlinded = false } = change;
  const meta = { fork: "fulu", executionPayloadValue: 7n, consensusBlockValue: 11n } as const;
  if (isBlinded) {
    const block = ssz.fulu.BlindedBeaconBlock.defaultValue();
    fill(block, change);
    block.body.executionPayloadHeader.gasLimit = change.gasLimit ?? GAS_LIMIT;
    return { ...meta, isBlinded, ssz: ssz.fulu.BlindedBeaconBlock.serialize(block) };
  }
  const contents = ssz.fulu.BlockContents.defaultValue();
  fill(contents.block, change);
  const payload = contents.block.body.executionPayload;
  payload.feeRecipient = fromHex(change.feeRecipient ?? FEE_RECIPIENT) ?? payload.feeRecipient;
  payload.gasLimit = change.gasLimit ?? GAS_LIMIT;
  contents.block.body.blobKzgCommitments = filled(blobs + missingBlobs, 48);
  contents.blobs = filled(blobs, BLOB_BYTES);
  contents.kzgProofs = filled(blobs * PROOFS_PER_BLOB, 48);
  return { ...meta, isBlinded, ssz: ssz.fulu.BlockContents.serialize(contents) };
}

type Fillable = {
  slot: number;
  proposerIndex: number;
  parentRoot: Uint8Array;
  body: { randaoReveal: Uint8Array; graffiti: Uint8Array };
};

function fill(block: Fillable, change: BlockChange): void {
  block.slot = change.slot ?? block.slot;
  block.proposerIndex = change.proposerIndex ?? block.proposerIndex;
  block.parentRoot = change.parentRoot ?? block.parentRoot;
  block.body.randaoReveal = change.randaoReveal ?? block.body.randaoReveal;
  block.body.graffiti = change.graffiti ?? block.body.graffiti;
}

function filled(count: number, size: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => new Uint8Array(size).fill(i + 1));
}
