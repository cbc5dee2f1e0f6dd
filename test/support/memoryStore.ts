/**
 * A disk in memory with a disk's faults: the n-th write fails, and reaches the platter or not; a
 * crash loses what was not synced. Several stores may be opened on one disk, one after the other.
 */
import { FaultError } from "../../src/domain/errors.ts";
import type { KeyRange, KeyValueStore, StoreOperation } from "../../src/ports/keyValueStore.ts";

export type WriteFault = {
  /** 1-based number of the write that fails, counted over the disk's whole life. */
  readonly write: number;
  /** Whether the failed write is on the platter after all. */
  readonly lands: boolean;
};

export class MemoryDisk {
  /** What survives a power cut. */
  readonly platter = new Map<string, Uint8Array>();
  writes = 0;
  fault: WriteFault | null = null;
  /** Called before a write begins; what it returns is waited for. */
  beforeWrite: (operations: readonly StoreOperation[]) => Promise<void> | void = () => undefined;

  open(): KeyValueStore {
    return new MemoryStore(this);
  }

  /** A disk with what is on the platter now: a backup, or a copied directory. */
  copy(): MemoryDisk {
    const disk = new MemoryDisk();
    for (const [key, value] of this.platter) disk.platter.set(key, value.slice());
    return disk;
  }

  /** Sets the disk back to what it was when `earlier` was copied from it. */
  restore(earlier: MemoryDisk): void {
    this.platter.clear();
    for (const [key, value] of earlier.platter) this.platter.set(key, value.slice());
  }

  apply(operations: readonly StoreOperation[]): void {
    for (const operation of operations) {
      if (operation.type === "put") this.platter.set(operation.key, operation.value.slice());
      else this.platter.delete(operation.key);
    }
  }
}

export class MemoryStore implements KeyValueStore {
  readonly #disk: MemoryDisk;
  #isOpen = true;

  constructor(disk: MemoryDisk = new MemoryDisk()) {
    this.#disk = disk;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    this.#checkOpen();
    return this.#disk.platter.get(key)?.slice();
  }

  async *entries({ gte, lt }: KeyRange): AsyncIterable<readonly [string, Uint8Array]> {
    this.#checkOpen();
    const keys = [...this.#disk.platter.keys()].filter((key) => key >= gte && key < lt).sort();
    for (const key of keys) {
      const value = this.#disk.platter.get(key);
      if (value !== undefined) yield [key, value.slice()];
    }
  }

  async batch(operations: readonly StoreOperation[]): Promise<void> {
    this.#checkOpen();
    const disk = this.#disk;
    const number = ++disk.writes;
    await disk.beforeWrite(operations);
    if (disk.fault?.write === number) {
      if (disk.fault.lands) disk.apply(operations);
      throw new FaultError("disk_failed", `write ${number} was told to fail`);
    }
    disk.apply(operations);
  }

  async close(): Promise<void> {
    this.#isOpen = false;
  }

  #checkOpen(): void {
    if (!this.#isOpen) throw new FaultError("disk_failed", "the store is closed");
  }
}
