/**
 * A disk in memory with a disk's faults: syncs take time, the n-th write fails and reaches the
 * platter or not, and a power cut loses what was not synced. Several stores may be opened on one
 * disk, one after the other; a store that lost its power never answers again.
 */
import { FaultError } from "../src/domain/errors.ts";
import type { Millis } from "../src/domain/units.ts";
import type { KeyRange, KeyValueStore, StoreOperation } from "../src/ports/keyValueStore.ts";
import { AuditPlatter, VirtualAuditFile } from "./virtualAuditFile.ts";
import type { WriteFate } from "./writeFate.ts";

export type WriteFault = {
  /** 1-based number of the write that fails, counted over the disk's whole life. */
  readonly write: number;
  /** Whether the failed write is on the platter after all. */
  readonly lands: boolean;
};

/** Resolves after a time; where nothing waits, at once. */
type Wait = (delayMs: Millis) => Promise<void>;

export class VirtualDisk {
  /** What survives a power cut. */
  readonly platter = new Map<string, Uint8Array>();
  readonly audit = new AuditPlatter();
  writes = 0;
  fault: WriteFault | null = null;
  /** Called before a write begins; what it returns is waited for. */
  beforeWrite: (operations: readonly StoreOperation[]) => Promise<void> | void = () => undefined;
  /** Draws the fate of each write, where the disk is one of a simulated machine. */
  fateOf: () => WriteFate = () => ({ syncMs: 0, fault: null });
  /** The same for each sync of the audit file. */
  fateOfAudit: () => WriteFate = () => ({ syncMs: 0, fault: null });
  readonly #wait: Wait;
  #sorted: readonly string[] | null = null;

  constructor(wait: Wait = () => Promise.resolve()) {
    this.#wait = wait;
  }

  open(): VirtualStore {
    return new VirtualStore(this);
  }

  openAudit(): VirtualAuditFile {
    return new VirtualAuditFile({
      platter: this.audit,
      wait: this.#wait,
      fateOf: () => this.fateOfAudit(),
    });
  }

  /** A disk with what is on the platter now: a backup, or a copied directory. */
  copy(): VirtualDisk {
    const disk = new VirtualDisk(this.#wait);
    disk.restore(this);
    return disk;
  }

  /** Sets the disk to what is on another one: a backup that is put back. */
  restore(earlier: VirtualDisk): void {
    this.platter.clear();
    this.#sorted = null;
    for (const [key, value] of earlier.platter) this.platter.set(key, value.slice());
    this.audit.restore(earlier.audit);
  }

  /** Keys in order. */
  get keys(): readonly string[] {
    if (this.#sorted === null || this.#sorted.length !== this.platter.size) {
      this.#sorted = [...this.platter.keys()].sort();
    }
    return this.#sorted;
  }

  /** One write; `isAlive` says whether the machine still has power when the sync ends. */
  async write(operations: readonly StoreOperation[], isAlive: () => boolean): Promise<void> {
    const number = ++this.writes;
    await this.beforeWrite(operations);
    const { syncMs, fault } = this.fateOf();
    if (syncMs > 0) await this.#wait(syncMs);
    if (!isAlive()) return;
    const failure = this.fault?.write === number ? this.fault : fault;
    if (failure === null || failure.lands) this.apply(operations);
    if (failure !== null) throw new FaultError("disk_failed", `write ${number} was told to fail`);
  }

  apply(operations: readonly StoreOperation[]): void {
    for (const operation of operations) {
      if (operation.type === "put") {
        if (!this.platter.has(operation.key)) this.#sorted = null;
        this.platter.set(operation.key, operation.value.slice());
      } else if (this.platter.delete(operation.key)) {
        this.#sorted = null;
      }
    }
  }
}

export class VirtualStore implements KeyValueStore {
  readonly #disk: VirtualDisk;
  #isOpen = true;
  #hasPower = true;
  #unsynced = 0;

  constructor(disk: VirtualDisk = new VirtualDisk()) {
    this.#disk = disk;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    this.#checkOpen();
    return this.#disk.platter.get(key)?.slice();
  }

  async *entries({ gte, lt }: KeyRange): AsyncIterable<readonly [string, Uint8Array]> {
    this.#checkOpen();
    const { keys, platter } = this.#disk;
    // Of one instant, whatever is written while the caller reads.
    const found = keys.slice(firstFrom(keys, gte), firstFrom(keys, lt));
    const values = found.map((key) => platter.get(key) ?? new Uint8Array());
    for (const [i, key] of found.entries()) yield [key, (values[i] as Uint8Array).slice()];
  }

  async batch(operations: readonly StoreOperation[]): Promise<void> {
    this.#checkOpen();
    this.#unsynced++;
    try {
      await this.#disk.write(operations, () => this.#hasPower);
      // Who asked is gone, and no one hears what became of it.
      if (!this.#hasPower) await new Promise<never>(() => undefined);
    } finally {
      this.#unsynced--;
    }
  }

  async close(): Promise<void> {
    this.#isOpen = false;
  }

  /** Power is gone: nothing answers any more. Returns how many writes were lost. */
  cutPower(): number {
    this.#hasPower = false;
    return this.#unsynced;
  }

  #checkOpen(): void {
    if (!this.#isOpen) throw new FaultError("disk_failed", "the store is closed");
  }
}

/** Position of the first key that is not before `from`. */
function firstFrom(keys: readonly string[], from: string): number {
  let [low, high] = [0, keys.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((keys[middle] as string) < from) low = middle + 1;
    else high = middle;
  }
  return low;
}
