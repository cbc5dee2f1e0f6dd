/**
 * What is remembered of one validator: the messages that were signed with any of its key shares
 * (SLASH-7), or with its group key, and the low watermarks under which nothing is signed any more.
 * Lives in memory, so that the rules decide without touching the disk; `slashingStore.ts` keeps it
 * durable.
 */
import type { SlashingInput } from "../domain/data.ts";
import type { Root, ShareIndex } from "../domain/keys.ts";
import type { Epoch, Slot } from "../domain/units.ts";
import { assert } from "../util/assert.ts";

/**
 * `own`: a share of this node signed it. `combined`: this node holds the group's signature. `seen`:
 * it saw the group's signature elsewhere, and verified it.
 */
export const ORIGINS = ["own", "imported", "combined", "seen"] as const;
export type Origin = (typeof ORIGINS)[number];

export type RecordFields = {
  /** Null where an import gave none; such a record equals no message (SLASH-2). */
  readonly signingRoot: Root | null;
  readonly origin: Origin;
  /** Share that signed; null for records that are not our own. */
  readonly shareIndex: ShareIndex | null;
  /** Whether the same message may be signed again; see SLASH-9 for imports that contradict. */
  readonly isRepeatable: boolean;
};
export type SignedMessage = SlashingInput & RecordFields;
export type AttestationRecord = Extract<SignedMessage, { kind: "attestation" }>;
export type BlockRecord = Extract<SignedMessage, { kind: "block" }>;

/** An attestation needs a source at or above `source` and a target above `target` (EIP-3076). */
export type AttestationWatermark = { readonly source: Epoch; readonly target: Epoch };
/** A block needs a slot above `slot`. */
export type BlockWatermark = { readonly slot: Slot };

/** What the rules may ask. */
export interface HistoryView {
  readonly attestationWatermark: AttestationWatermark | null;
  readonly blockWatermark: BlockWatermark | null;
  /** Attestations whose source or target is at or above `epoch`. */
  attestationsReaching(epoch: Epoch): readonly AttestationRecord[];
  blocksAt(slot: Slot): readonly BlockRecord[];
}

export class ValidatorHistory implements HistoryView {
  // Ascending by reach: what can contradict a new message stands at the end, where the walk begins.
  readonly #attestations: AttestationRecord[] = [];
  readonly #blocks: BlockRecord[] = [];
  #attestationWatermark: AttestationWatermark | null = null;
  #blockWatermark: BlockWatermark | null = null;

  get attestationWatermark(): AttestationWatermark | null {
    return this.#attestationWatermark;
  }

  get blockWatermark(): BlockWatermark | null {
    return this.#blockWatermark;
  }

  get hasWatermark(): boolean {
    return this.#attestationWatermark !== null || this.#blockWatermark !== null;
  }

  get attestations(): readonly AttestationRecord[] {
    return this.#attestations;
  }

  get blocks(): readonly BlockRecord[] {
    return this.#blocks;
  }

  /** The highest target epoch and the highest slot that are recorded, or forgotten, added up. */
  get reach(): number {
    const attested = this.#attestations.at(-1);
    const target = Math.max(
      attested === undefined ? 0 : positionOf(attested),
      this.#attestationWatermark?.target ?? 0,
    );
    return target + Math.max(this.#blocks.at(-1)?.slot ?? 0, this.#blockWatermark?.slot ?? 0);
  }

  /** Whether the message was signed here or imported; one that was only seen is anybody's. */
  isOwn(signingRoot: Root): boolean {
    const records: readonly SignedMessage[] = [...this.#attestations, ...this.#blocks];
    return records.some((each) => each.signingRoot === signingRoot && each.origin !== "seen");
  }

  attestationsReaching(epoch: Epoch): readonly AttestationRecord[] {
    return this.#attestations.slice(firstAtOrAbove(this.#attestations, epoch));
  }

  blocksAt(slot: Slot): readonly BlockRecord[] {
    const from = firstAtOrAbove(this.#blocks, slot);
    return this.#blocks.slice(from).filter((block) => block.slot === slot);
  }

  /** The record of the same message (kind, epochs or slot, and root), if there is one. */
  find(message: SlashingInput, signingRoot: Root | null): SignedMessage | undefined {
    const candidates: readonly SignedMessage[] =
      message.kind === "block"
        ? this.blocksAt(message.slot)
        : this.attestationsReaching(positionOf(message));
    return candidates.find(
      (record) => record.signingRoot === signingRoot && isSameDuty(record, message),
    );
  }

  insert(record: SignedMessage): void {
    if (record.kind === "block") insertSorted(this.#blocks, record);
    else insertSorted(this.#attestations, record);
  }

  /** Watermarks only ever rise (SLASH-6); true when this one did. */
  raiseAttestationWatermark({ source, target }: AttestationWatermark): boolean {
    const current = this.#attestationWatermark;
    if (current !== null && source <= current.source && target <= current.target) return false;
    this.#attestationWatermark = {
      source: Math.max(source, current?.source ?? 0),
      target: Math.max(target, current?.target ?? 0),
    };
    return true;
  }

  raiseBlockWatermark({ slot }: BlockWatermark): boolean {
    if (this.#blockWatermark !== null && slot <= this.#blockWatermark.slot) return false;
    this.#blockWatermark = { slot };
    return true;
  }

  /**
   * Forgets the oldest records of each kind so that at most `kept` remain, and raises the
   * watermarks over them first: a message that contradicts a forgotten one lies under them, since
   * its target or slot is not above the forgotten one's, or its source is below (STORE-5).
   */
  prune(kept: number): readonly SignedMessage[] {
    const attestations = this.#attestations.slice(0, Math.max(0, this.#attestations.length - kept));
    const blocks = this.#blocks.slice(0, Math.max(0, this.#blocks.length - kept));
    for (const record of attestations) this.raiseAttestationWatermark(record);
    for (const record of blocks) this.raiseBlockWatermark(record);
    this.#attestations.splice(0, attestations.length);
    this.#blocks.splice(0, blocks.length);
    return [...attestations, ...blocks];
  }
}

/**
 * Where a message stands in its order: a block's slot, an attestation's reach. An imported record
 * may have its source after its target and still convict, so the reach is the higher of the two.
 */
export function positionOf(message: SlashingInput): number {
  return message.kind === "block" ? message.slot : Math.max(message.source, message.target);
}

function isSameDuty(a: SlashingInput, b: SlashingInput): boolean {
  if (a.kind === "block") return b.kind === "block" && a.slot === b.slot;
  return b.kind === "attestation" && a.source === b.source && a.target === b.target;
}

function insertSorted<T extends SignedMessage>(records: T[], record: T): void {
  const position = positionOf(record);
  assert(
    Number.isSafeInteger(position),
    "the rules admit only epochs and slots that are recordable",
  );
  const index = firstAtOrAbove(records, position + 1);
  if (index === records.length) records.push(record);
  else records.splice(index, 0, record);
}

/** Index of the first record at or above the position; the walk begins where new ones stand. */
function firstAtOrAbove(records: readonly SignedMessage[], position: number): number {
  let index = records.length;
  for (let before = records[index - 1]; before !== undefined; before = records[index - 1]) {
    if (positionOf(before) < position) break;
    index--;
  }
  return index;
}
