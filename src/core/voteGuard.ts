/**
 * Keeps a restarted node from voting twice. QBFT state is volatile, so a node that votes again in
 * an instance of its former life would be an equivocator: before its first vote of a slot the slot
 * is synced to disk, and after a restart the node sends no consensus message for slots up to the
 * highest recorded one or the slot of the start, whichever is later (DESIGN §6, Restart).
 */
import type { Duty } from "../domain/duty.ts";
import { FaultError } from "../domain/errors.ts";
import { RESUMED_SLOTS } from "../domain/limits.ts";
import type { Slot } from "../domain/units.ts";
import type { KeyValueStore } from "../ports/keyValueStore.ts";

const KEY = "consensus/voted-slot";

export class VoteGuard {
  readonly #store: KeyValueStore;
  /** The highest slot of a former life that was recorded. */
  readonly #former: Slot;
  #bootSlot: Slot;
  #recorded: Slot;
  #writing: Promise<void> = Promise.resolve();

  private constructor(store: KeyValueStore, recorded: Slot, bootSlot: Slot) {
    this.#store = store;
    this.#former = recorded;
    this.#recorded = recorded;
    this.#bootSlot = bootSlot;
  }

  /** Last slot of a former life: nothing is sent for it or before it. */
  get quarantinedUntil(): Slot {
    return Math.max(this.#former, this.#bootSlot);
  }

  /** VOTE-3: the clock was ahead at the start, so that the node began in `slot` at the latest. */
  clockSetBack(slot: Slot): void {
    this.#bootSlot = Math.min(this.#bootSlot, slot);
  }

  /** @param bootSlot slot of the clock at the start; negative before genesis. */
  static async open(store: KeyValueStore, bootSlot: Slot): Promise<VoteGuard> {
    const bytes = await store.get(KEY);
    if (bytes === undefined) return new VoteGuard(store, -1, bootSlot);
    if (bytes.length !== 8) {
      throw new FaultError("disk_failed", `the record ${KEY} is damaged (${bytes.length} bytes)`);
    }
    const slot = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0));
    return new VoteGuard(store, slot, bootSlot);
  }

  /**
   * CERT-3: duties of the last slots of a former life, which may have been decided without this
   * node's signature.
   */
  interruptedDuties(): readonly Duty[] {
    if (this.#recorded < 0) return [];
    const from = Math.max(0, this.#bootSlot - RESUMED_SLOTS);
    const slots = Array.from({ length: Math.max(0, this.#bootSlot - from) }, (_, i) => from + i);
    return slots.map((slot) => ({ slot, type: "attester" }));
  }

  maySend(slot: Slot): boolean {
    return slot > this.quarantinedUntil;
  }

  /** Whether votes for `slot` may leave at once. */
  isRecorded(slot: Slot): boolean {
    return slot <= this.#recorded;
  }

  /** Resolves when the slot is on disk; only then may its first vote leave. */
  record(slot: Slot): Promise<void> {
    this.#writing = this.#writing.then(
      () => this.#write(slot),
      () => this.#write(slot),
    );
    return this.#writing;
  }

  async #write(slot: Slot): Promise<void> {
    if (this.isRecorded(slot)) return;
    const value = new Uint8Array(8);
    new DataView(value.buffer).setBigUint64(0, BigInt(slot));
    await this.#store.batch([{ type: "put", key: KEY, value }]);
    this.#recorded = slot;
  }
}
