/**
 * The wait of two epochs before a data directory signs where another signer of the same keys may
 * have been active a moment ago (WAIT-1 to WAIT-3).
 */
import type { RefusalReason } from "../domain/errors.ts";
import type { Root } from "../domain/keys.ts";
import { MIGRATION_WAIT_EPOCHS } from "../domain/limits.ts";
import type { Epoch, Millis, Slot } from "../domain/units.ts";
import type { Clock } from "../ports/clock.ts";
import type { KeyValueStore, StoreOperation } from "../ports/keyValueStore.ts";
import type { Logger } from "../ports/logger.ts";
import { parseQuotedJson } from "../util/json.ts";

const WAIT_KEY = "wait/current";
const LOCK_PREFIX = "wait/lock/";
const MAX_DEPTH = 4;

/** Where the chain's slots lie in time and among its epochs. */
type SlotClock = {
  slotAt(now: Millis): Slot;
  slotStart(slot: Slot): Millis;
  firstSlot(epoch: Epoch): Slot;
  epochOf(slot: Slot): Epoch;
};
type WaitParts = {
  readonly store: KeyValueStore;
  readonly chain: SlotClock;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly lockHash: Root;
  /** No validator of this lock can have signed anything yet, here or elsewhere. */
  readonly isFresh: boolean;
  /** The operator knows that no other signer was active. */
  readonly isSkipped: boolean;
};
type Wait = { readonly reason: string; readonly until: Slot };
/** A wait as it is kept; `until` is null where it begins with the next start. */
export type KeptWait = { readonly reason: string; readonly until: Slot | null };

/** Made by {@link MigrationWait.open}. */
export class MigrationWait {
  readonly #parts: WaitParts;
  #wait: Wait | null = null;
  /** On the monotonic clock, which nobody sets: WAIT-3. */
  #overAt: Millis = -Infinity;

  private constructor(parts: WaitParts) {
    this.#parts = parts;
  }

  /** Reads what is waited for, and finds out whether this start has to wait. */
  static async open(parts: WaitParts): Promise<MigrationWait> {
    const wait = new MigrationWait(parts);
    const lockKey = `${LOCK_PREFIX}${parts.lockHash.slice(2)}`;
    const isKnownLock = await hasMetLock(parts.store, parts.lockHash);
    const kept = await keptWait(parts.store);
    if (parts.isSkipped) {
      await wait.#skip(lockKey);
    } else if (kept !== null) {
      await wait.#resume(kept, lockKey);
    } else if (!isKnownLock && !wait.#isBeforeAnySignature()) {
      await wait.#begin(NEW_LOCK, [put(lockKey)]);
    } else if (!isKnownLock) {
      await parts.store.batch([put(lockKey)]);
    }
    wait.#tell();
    return wait;
  }

  /** Starts a wait of two epochs from now, at once; resolves when a restart would go on with it. */
  begin(reason: string): Promise<void> {
    return this.#begin(reason, []);
  }

  refusalOf(): RefusalReason | null {
    const { problem } = this;
    return problem === null ? null : { code: "waiting", detail: `${problem}. ${SKIP}` };
  }

  /** The countdown in words; null while nothing is waited for. */
  get problem(): string | null {
    const leftMs = this.leftMs;
    if (this.#wait === null || leftMs === null) return null;
    const { reason, until } = this.#wait;
    return `signing resumes in ${countdown(leftMs)} (2 epochs, at slot ${until}): ${reason}`;
  }

  /** Null while nothing is waited for. */
  get current(): Wait | null {
    return this.leftMs === null ? null : this.#wait;
  }

  /** Null while nothing is waited for. */
  get leftMs(): Millis | null {
    const left = this.#overAt - this.#parts.clock.monotonic();
    return left > 0 ? left : null;
  }

  /** WAIT-1: before genesis, and in the two epochs after it, nobody can have signed elsewhere. */
  #isBeforeAnySignature(): boolean {
    const { chain, clock, isFresh } = this.#parts;
    const epoch = chain.epochOf(chain.slotAt(clock.now()));
    return isFresh || epoch < MIGRATION_WAIT_EPOCHS;
  }

  async #begin(reason: string, operations: readonly StoreOperation[]): Promise<void> {
    const { store } = this.#parts;
    this.#waitFor({ reason, until: this.#endFromNow() });
    await store.batch([...operations, { type: "put", key: WAIT_KEY, value: encode(this.#wait) }]);
  }

  /** The slot that runs does not count. */
  #endFromNow(): Slot {
    const { chain, clock } = this.#parts;
    return chain.slotAt(clock.now()) + chain.firstSlot(MIGRATION_WAIT_EPOCHS) + 1;
  }

  /** WAIT-2, WAIT-4: a restart goes on where it was; a restored directory begins to wait now. */
  async #resume(kept: KeptWait, lockKey: string): Promise<void> {
    const { chain, clock, store } = this.#parts;
    const { reason, until } = kept;
    // An end that is further away is of a clock that was ahead: it could be years.
    if (until === null || until > this.#endFromNow()) return this.#begin(reason, [put(lockKey)]);
    if (chain.slotStart(until) > clock.now()) this.#waitFor({ reason, until });
    await store.batch([put(lockKey)]);
  }

  #waitFor(wait: Wait): void {
    const { chain, clock } = this.#parts;
    const overAt = clock.monotonic() + chain.slotStart(wait.until) - clock.now();
    // The longer one of two holds.
    if (overAt <= this.#overAt) return;
    this.#wait = wait;
    this.#overAt = overAt;
  }

  async #skip(lockKey: string): Promise<void> {
    const { store, logger } = this.#parts;
    logger.warn("The wait before signing is skipped by --skip-wait; two signers would be slashed.");
    await store.batch([put(lockKey), { type: "del", key: WAIT_KEY }]);
  }

  #tell(): void {
    const { problem } = this;
    if (problem !== null) this.#parts.logger.warn("This node waits before it signs.", { problem });
  }
}

/** Whether a node has started on this data directory under the lock. */
export async function hasMetLock(store: KeyValueStore, lockHash: Root): Promise<boolean> {
  return (await store.get(`${LOCK_PREFIX}${lockHash.slice(2)}`)) !== undefined;
}

const NEW_LOCK =
  "this data directory never signed under this cluster lock, and whoever signed with these keys " +
  "before may have done so a moment ago";
const SKIP =
  "If no other signer of these keys was active in the last two epochs, --skip-wait with " +
  "--i-understand ends the wait";

/** WAIT-4: has the next start wait its two epochs from then on, whatever its records say. */
export function waitAtNextStart(reason: string): StoreOperation {
  return { type: "put", key: WAIT_KEY, value: encode({ reason, until: null }) };
}

/** The wait that a stopped node was in; it may be over by now. */
export async function keptWait(store: Pick<KeyValueStore, "get">): Promise<KeptWait | null> {
  return readWait(await store.get(WAIT_KEY));
}

/** Damaged records wait, too: what cannot be read is no permission. */
function readWait(value: Uint8Array | undefined): KeptWait | null {
  if (value === undefined) return null;
  const parsed = parseQuotedJson(new TextDecoder().decode(value), MAX_DEPTH);
  const fields: unknown = parsed.ok ? parsed.value : null;
  if (typeof fields !== "object" || fields === null) return DAMAGED;
  const { reason, until } = fields as Record<string, unknown>;
  if (typeof reason !== "string") return DAMAGED;
  return { reason, until: Number.isSafeInteger(until) ? Number(until) : null };
}

const DAMAGED: KeptWait = { reason: "the record of an earlier wait is damaged", until: null };

function encode(wait: KeptWait | null): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(wait));
}

function put(key: string): StoreOperation {
  return { type: "put", key, value: Uint8Array.of(1) };
}

/** `11m32s`. */
export function countdown(ms: Millis): string {
  const seconds = Math.ceil(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  return minutes === 0 ? `${seconds}s` : `${minutes}m${String(seconds % 60).padStart(2, "0")}s`;
}
