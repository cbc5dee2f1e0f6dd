/**
 * Messages of our validators that were seen signed and that nobody has explained yet: who of the
 * peers was asked, what they said, and which validators wait for it. Those that a validator is held
 * for are on disk, so that a restart forgets none of them.
 */
import type { Duty } from "../domain/duty.ts";
import { DUTY_TYPES } from "../domain/duty.ts";
import type { LockIndex, PeerIndex, Root } from "../domain/keys.ts";
import { MAX_OPEN_SIGHTINGS } from "../domain/limits.ts";
import type { Millis } from "../domain/units.ts";
import type { CompactMessage } from "../duties/kind.ts";
import type { KeyValueStore, StoreOperation } from "../ports/keyValueStore.ts";
import type { Logger } from "../ports/logger.ts";
import { fromHex, toHex } from "../util/bytes.ts";
import { parseQuotedJson } from "../util/json.ts";
import { sortable } from "../util/sortable.ts";
import type { Sighting } from "../wire/profile.ts";

const RANGE = { gte: "sighting/", lt: "sighting0" } as const;
const KEY = /^sighting\/(\d{16})\/([a-z]+)\/(0x[0-9a-f]{64})$/;
const MAX_DEPTH = 4;

export type OpenSighting = {
  readonly duty: Duty;
  /** 128-byte AttestationData, or 112-byte block header. */
  readonly data: Uint8Array;
  readonly message: CompactMessage;
  readonly validators: Set<LockIndex>;
  readonly openedAt: Millis;
  /** What each peer said: whether it knows the message. */
  readonly answers: Map<PeerIndex, boolean>;
  readonly askedAt: Map<PeerIndex, Millis>;
  /** Its validators sign nothing until it is explained. */
  isHeld: boolean;
};
type BookParts = {
  readonly store: KeyValueStore;
  readonly logger: Logger;
  /** Null when the bytes are no message of the duty. */
  readonly read: (duty: Duty, data: Uint8Array) => CompactMessage | null;
};

export class SightingBook {
  readonly #parts: BookParts;
  readonly #open = new Map<string, OpenSighting>();
  /** What the disk has of each. */
  readonly #onDisk = new Map<string, string>();
  #held: ReadonlySet<LockIndex> = new Set();

  private constructor(parts: BookParts) {
    this.#parts = parts;
  }

  static async open(parts: BookParts): Promise<SightingBook> {
    const book = new SightingBook(parts);
    for await (const [key, value] of parts.store.entries(RANGE)) book.#load(key, value);
    book.#count();
    return book;
  }

  /** Oldest first. */
  get all(): readonly OpenSighting[] {
    return [...this.#open.values()];
  }

  get size(): number {
    return this.#open.size;
  }

  /** Validators that sign nothing for now. */
  get held(): ReadonlySet<LockIndex> {
    return this.#held;
  }

  find({ duty, messageRoot }: Pick<Sighting, "duty" | "messageRoot">): OpenSighting | undefined {
    return this.#open.get(keyOf(duty, messageRoot));
  }

  /** Adds a message, or another validator that signed it; the oldest one makes room and is told. */
  add(
    seen: Pick<OpenSighting, "duty" | "data" | "message"> & { readonly validator: LockIndex },
    now: Millis,
  ): OpenSighting | null {
    const { duty, data, message, validator } = seen;
    const key = keyOf(duty, message.messageRoot);
    const known = this.#open.get(key);
    if (known !== undefined) {
      known.validators.add(validator);
      this.#count();
      return null;
    }
    this.#open.set(key, opened({ duty, data, message }, [validator], now));
    const [oldest] = this.#open.values();
    return this.#open.size > MAX_OPEN_SIGHTINGS && oldest !== undefined ? oldest : null;
  }

  hold(sighting: OpenSighting): void {
    sighting.isHeld = true;
    this.#count();
  }

  close({ duty, message }: OpenSighting): void {
    this.#open.delete(keyOf(duty, message.messageRoot));
    this.#count();
  }

  /** Lets one validator go, or all of them, whatever was seen of it. */
  release(validator: LockIndex | null): void {
    for (const sighting of this.all) {
      if (validator === null) sighting.validators.clear();
      else sighting.validators.delete(validator);
      if (sighting.validators.size === 0) this.close(sighting);
    }
    this.#count();
  }

  /** Brings the disk up to what is held. */
  async save(): Promise<void> {
    const wanted = new Map<string, string>();
    for (const [key, { isHeld, validators, data }] of this.#open) {
      if (isHeld)
        wanted.set(key, JSON.stringify({ validators: [...validators], data: toHex(data) }));
    }
    const added = [...wanted].filter(([key, text]) => this.#onDisk.get(key) !== text);
    const gone = [...this.#onDisk.keys()].filter((key) => !wanted.has(key));
    if (added.length + gone.length === 0) return;
    const encoder = new TextEncoder();
    const operations: readonly StoreOperation[] = [
      ...added.map(([key, text]) => ({ type: "put" as const, key, value: encoder.encode(text) })),
      ...gone.map((key) => ({ type: "del" as const, key })),
    ];
    await this.#parts.store.batch(operations);
    for (const [key, text] of added) this.#onDisk.set(key, text);
    for (const key of gone) this.#onDisk.delete(key);
  }

  #load(key: string, value: Uint8Array): void {
    const [, slot, name, root] = KEY.exec(key) ?? [];
    const type = DUTY_TYPES.find((one) => one === name);
    const duty = type === undefined ? null : { slot: Number(slot), type };
    const text = new TextDecoder().decode(value);
    const { validators, data } = fieldsOf(text);
    const message = duty === null || data === null ? null : this.#parts.read(duty, data);
    this.#onDisk.set(key, text);
    if (duty === null || data === null || message === null || message.messageRoot !== root) {
      const unused = "A kept sighting is damaged or of another cluster lock, and is not used.";
      this.#parts.logger.warn(unused, { key });
      return;
    }
    const sighting = opened({ duty, data, message }, validators, -Infinity);
    sighting.isHeld = true;
    this.#open.set(key, sighting);
  }

  #count(): void {
    const held = new Set<LockIndex>();
    for (const { isHeld, validators } of this.#open.values()) {
      if (isHeld) for (const validator of validators) held.add(validator);
    }
    this.#held = held;
  }
}

function opened(
  seen: Pick<OpenSighting, "duty" | "data" | "message">,
  validators: readonly LockIndex[],
  openedAt: Millis,
): OpenSighting {
  return {
    ...seen,
    validators: new Set(validators),
    openedAt,
    answers: new Map(),
    askedAt: new Map(),
    isHeld: false,
  };
}

function fieldsOf(text: string): {
  readonly validators: readonly LockIndex[];
  readonly data: Uint8Array | null;
} {
  const parsed = parseQuotedJson(text, MAX_DEPTH);
  const fields = (parsed.ok ? parsed.value : {}) as Record<string, unknown>;
  const { validators, data } = fields;
  return {
    validators: Array.isArray(validators) ? validators.map(Number) : [],
    data: typeof data === "string" ? fromHex(data) : null,
  };
}

function keyOf({ slot, type }: Duty, messageRoot: Root): string {
  return `sighting/${sortable(slot)}/${type}/${messageRoot}`;
}
