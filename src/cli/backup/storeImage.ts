/**
 * A database in memory, as a backup carries it: what would open at the next start is opened from
 * here, and nothing is written anywhere.
 */
import { allRecords, type StoreRecord } from "../../adapters/storage/storeDump.ts";
import { UsageError } from "../../domain/errors.ts";
import type { Root } from "../../domain/keys.ts";
import { MAX_BACKUP_RECORDS_BYTES } from "../../domain/limits.ts";
import type { KeyRange, KeyValueStore, StoreOperation } from "../../ports/keyValueStore.ts";
import { readStoredChain, type StoredChain } from "../../safety/auditChain.ts";
import { openFreezes } from "../../safety/freezes.ts";
import { damagedRecords, openSlashingStore } from "../../safety/openSlashingStore.ts";
import { decodeHead, HEAD_KEY } from "../../safety/records.ts";

export class StoreImage implements KeyValueStore {
  readonly #records = new Map<string, Uint8Array>();
  #bytes = 0;

  static async of(records: AsyncIterable<StoreRecord>): Promise<StoreImage> {
    const image = new StoreImage();
    for await (const record of records) image.add(record);
    return image;
  }

  /** Throws UsageError for a database beyond all bounds, or a key that comes twice. */
  add([key, value]: StoreRecord): void {
    this.#bytes += key.length + value.length;
    if (this.#bytes > MAX_BACKUP_RECORDS_BYTES) {
      throw new UsageError(`the database has more than ${MAX_BACKUP_RECORDS_BYTES} bytes`);
    }
    if (this.#records.has(key)) throw new UsageError(`the record ${key} is there twice`);
    this.#records.set(key, value);
  }

  get size(): number {
    return this.#records.size;
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.#records.get(key));
  }

  async *entries({ gte, lt }: KeyRange): AsyncIterable<StoreRecord> {
    const sorted = [...this.#records].filter(([key]) => key >= gte && key < lt);
    yield* sorted.sort(([a], [b]) => (a < b ? -1 : 1));
  }

  batch(operations: readonly StoreOperation[]): Promise<void> {
    for (const operation of operations) {
      if (operation.type === "put") this.#records.set(operation.key, operation.value);
      else this.#records.delete(operation.key);
    }
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** What the next start would find in a database. */
export type OpenedImage = {
  readonly genesisValidatorsRoot: Root;
  /** Validators with records. */
  readonly validators: number;
  readonly audit: StoredChain;
};

/**
 * Opens the image as a node would; throws UsageError for what a node would refuse. Null for the
 * database of a node that never ran.
 */
export async function openImage(image: StoreImage): Promise<OpenedImage | null> {
  const head = await image.get(HEAD_KEY);
  if (head === undefined) return null;
  const decoded = decodeHead(head);
  if (!decoded.ok) throw damagedRecords(decoded.error);
  const { genesisValidatorsRoot } = decoded.value;
  const copy = await StoreImage.of(allRecords(image));
  const slashing = await openSlashingStore(copy, genesisValidatorsRoot);
  await openFreezes(copy);
  const audit = await readStoredChain(copy);
  if (!audit.ok) throw new UsageError(`the audit log's records are damaged: ${audit.error}`);
  return { genesisValidatorsRoot, validators: slashing.snapshot().length, audit: audit.value };
}
