/**
 * Decided values that must survive a restart (FLOW-10): a block has no second chance, and a node
 * that lost it could neither sign nor publish it. Kept on disk until the duty's deadline.
 */
import type { UnsignedData } from "../domain/data.ts";
import type { Duty, DutyId } from "../domain/duty.ts";
import { DUTY_TYPES, dutyId } from "../domain/duty.ts";
import { bytesOf, ROOT_BYTES, type Root, rootOf } from "../domain/keys.ts";
import type { KeyValueStore } from "../ports/keyValueStore.ts";
import type { Logger } from "../ports/logger.ts";
import { concatBytes } from "../util/bytes.ts";
import { sortable } from "../util/sortable.ts";
import type { Deadlines } from "./deadlines.ts";

const RANGE = { gte: "decided/", lt: "decided0" } as const;
const KEY = /^decided\/(\d{16})\/([a-z]+)$/;

type ArchiveParts = {
  readonly store: KeyValueStore;
  readonly deadlines: Deadlines;
  readonly valueRoot: (value: Uint8Array) => Root;
  readonly logger: Logger;
};

export class DecidedArchive {
  readonly #parts: ArchiveParts;
  readonly #resumed = new Map<DutyId, UnsignedData>();
  /** Every key on disk with its duty; null where the entry cannot be used. */
  readonly #onDisk = new Map<string, Duty | null>();

  private constructor(parts: ArchiveParts) {
    this.#parts = parts;
  }

  /** Reads what a former life of this node left. */
  static async open(parts: ArchiveParts): Promise<DecidedArchive> {
    const archive = new DecidedArchive(parts);
    for await (const [key, bytes] of parts.store.entries(RANGE)) archive.#load(key, bytes);
    return archive;
  }

  /** Duties that a former life decided, deadline not passed. */
  get duties(): readonly Duty[] {
    return [...this.#resumed.values()].map(({ duty }) => duty);
  }

  /** What a former life decided for the duty. */
  find(duty: Duty): UnsignedData | null {
    return this.#resumed.get(dutyId(duty)) ?? null;
  }

  /** Resolves once the value is on disk; what has expired there goes in the same batch. */
  async keep({ duty, value, root }: UnsignedData): Promise<void> {
    const { store, deadlines } = this.#parts;
    const key = keyOf(duty);
    if (this.#onDisk.has(key)) return;
    const stale = [...this.#onDisk].flatMap(([old, kept]) =>
      kept === null || deadlines.isExpired(kept) ? [old] : [],
    );
    await store.batch([
      { type: "put", key, value: concatBytes(bytesOf(root), value) },
      ...stale.map((old) => ({ type: "del" as const, key: old })),
    ]);
    this.#onDisk.set(key, duty);
    for (const old of stale) this.#onDisk.delete(old);
  }

  #load(key: string, bytes: Uint8Array): void {
    const { deadlines, valueRoot, logger } = this.#parts;
    const [, slot, name] = KEY.exec(key) ?? [];
    const type = DUTY_TYPES.find((one) => one === name);
    const value = bytes.subarray(ROOT_BYTES);
    const root = valueRoot(value);
    if (type === undefined || root !== rootOf(bytes.slice(0, ROOT_BYTES))) {
      logger.warn("A kept decision is damaged and is not used.", { key });
      this.#onDisk.set(key, null);
      return;
    }
    const duty = { slot: Number(slot), type };
    this.#onDisk.set(key, duty);
    if (!deadlines.isExpired(duty)) this.#resumed.set(dutyId(duty), { duty, value, root });
  }
}

function keyOf({ slot, type }: Duty): string {
  return `decided/${sortable(slot)}/${type}`;
}
