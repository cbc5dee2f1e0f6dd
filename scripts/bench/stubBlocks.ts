/**
 * The stub beacon node's side of proposals: each slot is a validator of the cluster's to propose,
 * and a block is as large as the benchmark asks. What was published first is kept with its time.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { virtualBlock } from "../../sim/virtualBlocks.ts";
import { readSubmittedBlock, type SubmittedBlock } from "../../src/eth2/blocks.ts";
import { assert } from "../../src/util/assert.ts";
import { fromHex } from "../../src/util/bytes.ts";
import { rootOfNumber } from "./stubBeacon.ts";

export type BlockRecord = {
  /** `performance.now()` just after the first block of the slot was written. */
  readonly readyAt: number;
  /** `performance.now()` when the first signed block was read to its end; null before. */
  publishedAt: number | null;
  published: SubmittedBlock | null;
};

const FORM = { fork: "fulu", isBlinded: false } as const;

export class StubBlocks {
  readonly #pubKeys: readonly string[];
  readonly #slotsPerEpoch: number;
  readonly #feeRecipient: string;
  readonly #blobs: number;
  readonly #slots = new Map<number, BlockRecord>();
  /** Made once per slot: what a beacon node does meanwhile is not what is measured. */
  readonly #made = new Map<number, Uint8Array>();

  constructor(options: {
    readonly pubKeys: readonly string[];
    readonly slotsPerEpoch: number;
    readonly feeRecipient: string;
    /** Blobs of each block: about 137 kB with their proofs. */
    readonly blobs: number;
  }) {
    this.#pubKeys = options.pubKeys;
    this.#slotsPerEpoch = options.slotsPerEpoch;
    this.#feeRecipient = options.feeRecipient;
    this.#blobs = options.blobs;
  }

  record(slot: number): BlockRecord | undefined {
    return this.#slots.get(slot);
  }

  proposerOf(slot: number): number {
    return slot % this.#pubKeys.length;
  }

  duties(epoch: number): readonly object[] {
    return Array.from({ length: this.#slotsPerEpoch }, (_, i) => {
      const slot = epoch * this.#slotsPerEpoch + i;
      const index = this.proposerOf(slot);
      return { pubkey: this.#pubKeys[index], validator_index: String(index), slot: String(slot) };
    });
  }

  /** `GET /eth/v3/validator/blocks/{slot}`. */
  give(slot: number, reveal: string, response: ServerResponse): void {
    const bytes = this.#made.get(slot) ?? this.#make(slot, reveal);
    response.writeHead(200, {
      "content-type": "application/octet-stream",
      "content-length": bytes.length,
      "eth-consensus-version": "fulu",
      "eth-execution-payload-blinded": "false",
      "eth-execution-payload-value": "7",
      "eth-consensus-block-value": "11",
    });
    response.end(bytes, () => {
      if (this.#slots.has(slot)) return;
      this.#slots.set(slot, { readyAt: performance.now(), publishedAt: null, published: null });
    });
  }

  /** `POST /eth/v2/beacon/blocks`: an accepted block is whole. */
  take(request: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const publishedAt = performance.now();
      response.writeHead(200).end();
      const published = readSubmittedBlock(FORM, { ssz: Buffer.concat(chunks) });
      const record = this.#slots.get(published.slot);
      assert(record !== undefined, "what is published was asked for");
      if (record.publishedAt !== null) return;
      record.publishedAt = publishedAt;
      record.published = published;
    });
  }

  #make(slot: number, reveal: string): Uint8Array {
    const block = virtualBlock({
      slot,
      proposerIndex: this.proposerOf(slot),
      parentRoot: fromHex(rootOfNumber(slot - 1)) ?? new Uint8Array(),
      randaoReveal: fromHex(reveal) ?? new Uint8Array(),
      feeRecipient: this.#feeRecipient,
      blobs: this.#blobs,
    });
    this.#made.set(slot, block.ssz);
    return block.ssz;
  }
}
