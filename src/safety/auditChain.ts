/**
 * The audit log as a hash chain: each line carries the SHA-256 over the hash before it and its own
 * entry, so that nobody changes, removes, adds or moves a line without the chain showing it
 * (AUDIT-1). Lines and head travel with the slashing records' synced batches, at no write of their
 * own (AUDIT-2); the file under `audit/` is a projection of them.
 */
import { FaultError } from "../domain/errors.ts";
import { ROOT_BYTES, type Root } from "../domain/keys.ts";
import { MAX_AUDIT_LINES_HELD, MAX_AUDIT_LINES_PENDING } from "../domain/limits.ts";
import type { Millis } from "../domain/units.ts";
import type { KeyValueStore, StoreOperation } from "../ports/keyValueStore.ts";
import { assert } from "../util/assert.ts";
import { err, ok, type Result } from "../util/result.ts";
import { sortable } from "../util/sortable.ts";
import { type AuditEvent, type AuditHead, type AuditLog, NO_ENTRIES } from "./auditLog.ts";
import type { BatchMember } from "./slashingStore.ts";

const ENTRIES = "audit/entries/";
const ENTRIES_END = "audit/entries0";
const HEAD_KEY = "audit/head";
const HEAD_TEXT = /^(\d{1,16}) (0x[0-9a-f]{64})$/;

export type Sha256 = (bytes: Uint8Array) => Root;
/** A line as bytes: it is hashed and written as such, and its text is wanted by the file alone. */
export class AuditLine implements AuditHead {
  readonly sequence: number;
  readonly hash: Root;
  readonly bytes: Buffer;

  constructor({ sequence, hash }: AuditHead, bytes: Buffer) {
    this.sequence = sequence;
    this.hash = hash;
    this.bytes = bytes;
  }

  get text(): string {
    return this.bytes.toString();
  }
}

type ChainParts = {
  readonly now: () => Millis;
  /** Of this program, as each entry names it. */
  readonly version: string;
  readonly sha256: Sha256;
  /** Holds the lines that the file lacks. */
  readonly store: Pick<KeyValueStore, "entries">;
  /** Resolves once everything that is pending is in a synced batch. */
  readonly flush: () => Promise<void>;
};

/** What an earlier run left: its head, and the lines that the file may lack. */
export type StoredChain = { readonly head: AuditHead } & Page;

/** Lines of the store, and where those begin that it did not hold any more. */
type Page = { readonly batches: readonly Batch[]; readonly next: number | null };
type Batch = { readonly key: string; readonly lines: readonly AuditLine[] };

export class AuditChain implements AuditLog, BatchMember {
  readonly #parts: ChainParts;
  /** The last durable line. */
  #head: AuditHead;
  /** The last line. */
  #tip: AuditHead;
  /** Lines that are not known to be on the disk yet. */
  #pending: AuditLine[] = [];
  /** How many of them the batch under way carries. */
  #carried = 0;
  /** Decisions that found no room any more. */
  #left = 0;
  /** Durable lines that the file may lack, by the key of their batch. */
  readonly #unprojected: Batch[] = [];
  #held = 0;
  /** AUDIT-6: the first of the durable lines that only the store holds. */
  #beyond: number | null = null;
  /** Keys of batches that the file has. */
  #projected: string[] = [];
  /** How many of them the batch under way deletes. */
  #dropped = 0;

  constructor(parts: ChainParts, stored: StoredChain) {
    this.#parts = parts;
    this.#head = stored.head;
    this.#tip = stored.head;
    this.#take(stored);
  }

  get head(): AuditHead {
    return this.#head;
  }

  get isFull(): boolean {
    return this.#pending.length >= MAX_AUDIT_LINES_PENDING;
  }

  append(event: AuditEvent): void {
    // AUDIT-8: what an operator or the node does is rare, and is always kept.
    if (this.isFull && event.kind === "signing") {
      this.#left++;
      return;
    }
    if (this.#left > 0 && !this.isFull) {
      const detail = `${this.#left} refusals were not kept: the disk took no records meanwhile`;
      this.#left = 0;
      this.#add({ kind: "action", action: "audit-gap", caller: "this node", detail });
    }
    this.#add(event);
  }

  #add(event: AuditEvent): void {
    const sequence = this.#tip.sequence + 1;
    const { now, version, sha256 } = this.#parts;
    const text = textOf(event, { sequence, time: now(), version });
    const line = lineOf(text, { sequence, previous: this.#tip.hash, sha256 });
    this.#tip = line;
    this.#pending.push(line);
  }

  flush(): Promise<void> {
    return this.#parts.flush();
  }

  /** AUDIT-2: called when a batch is put together, which then is the one that carries them. */
  operations(): readonly StoreOperation[] {
    this.#carried = this.#pending.length;
    const [first] = this.#pending;
    this.#dropped = this.#projected.length;
    const dropped = this.#projected.map((key): StoreOperation => ({ type: "del", key }));
    if (first === undefined) return dropped;
    return [
      ...dropped,
      { type: "put", key: entriesKey(first.sequence), value: joined(this.#pending) },
      { type: "put", key: HEAD_KEY, value: encode(`${this.#tip.sequence} ${this.#tip.hash}`) },
    ];
  }

  /** The batch of the last {@link operations} is durable. */
  committed(): void {
    this.#projected = this.#projected.slice(this.#dropped);
    this.#dropped = 0;
    const lines = this.#pending.slice(0, this.#carried);
    this.#pending = this.#pending.slice(this.#carried);
    this.#carried = 0;
    const [first, last] = [lines[0], lines.at(-1)];
    if (first === undefined || last === undefined) return;
    this.#head = { sequence: last.sequence, hash: last.hash };
    if (this.#beyond !== null) return;
    if (this.#held < MAX_AUDIT_LINES_HELD) this.#hold({ key: entriesKey(first.sequence), lines });
    else this.#beyond = first.sequence;
  }

  /** Whether the store holds lines for the file that {@link unprojected} does not have. */
  get isBehind(): boolean {
    return this.#beyond !== null;
  }

  /** AUDIT-6: takes the next lines out of the store, once the file has those before. */
  async recall(): Promise<void> {
    if (this.#beyond === null || this.#held > 0) return;
    const page = await readPage(this.#parts.store, this.#beyond);
    if (!page.ok) throw new FaultError("disk_failed", page.error);
    this.#take(page.value);
    const last = this.#unprojected.at(-1)?.lines.at(-1);
    // What became durable meanwhile is read the next time.
    const isLate = last !== undefined && last.sequence < this.#head.sequence;
    if (isLate) this.#beyond ??= last.sequence + 1;
  }

  #take({ batches, next }: Page): void {
    this.#beyond = next;
    for (const batch of batches) this.#hold(batch);
  }

  #hold(batch: Batch): void {
    this.#unprojected.push(batch);
    this.#held += batch.lines.length;
  }

  /** Whether anything waits for a batch. */
  get isPending(): boolean {
    return this.#pending.length > 0;
  }

  /**
   * AUDIT-4: goes on after a line that only the file knows, so that what follows has numbers of its
   * own and the file stays one chain.
   */
  adopt(tip: AuditHead): void {
    assert(tip.sequence > this.#tip.sequence, "only a later line is gone on from");
    this.#tip = tip;
  }

  /** Durable lines that the file lacks, in order. */
  unprojected(): readonly AuditLine[] {
    return this.#unprojected.flatMap(({ lines }) => lines);
  }

  /** The file has everything up to this line on its disk: the store may forget its copies. */
  projected(sequence: number): void {
    while ((this.#unprojected[0]?.lines.at(-1)?.sequence ?? Infinity) <= sequence) {
      const done = this.#unprojected.shift();
      if (done === undefined) return;
      this.#held -= done.lines.length;
      this.#projected.push(done.key);
    }
  }
}

/** Reads what an earlier run left; an error says what is wrong with it. */
export async function readStoredChain(store: KeyValueStore): Promise<Result<StoredChain, string>> {
  const bytes = await store.get(HEAD_KEY);
  if (bytes === undefined) return ok({ head: NO_ENTRIES, batches: [], next: null });
  const [, sequence, hash] = HEAD_TEXT.exec(new TextDecoder().decode(bytes)) ?? [];
  if (sequence === undefined) return err(`${HEAD_KEY} is not readable`);
  const head: AuditHead = { sequence: Number(sequence), hash: hash as Root };
  const page = await readPage(store, 0);
  return page.ok ? ok({ head, ...page.value }) : page;
}

/** AUDIT-6: no more than fits, from a line on that begins a batch. */
async function readPage(
  store: Pick<KeyValueStore, "entries">,
  from: number,
): Promise<Result<Page, string>> {
  const batches: Batch[] = [];
  let held = 0;
  for await (const [key, value] of store.entries({ gte: entriesKey(from), lt: ENTRIES_END })) {
    const first = Number(key.slice(ENTRIES.length));
    if (held >= MAX_AUDIT_LINES_HELD) return ok({ batches, next: first });
    const lines: AuditLine[] = [];
    for (const text of new TextDecoder().decode(value).split("\n")) {
      const parsed = parseLine(text);
      if (parsed === null) return err(`${key} holds a line that is not readable`);
      const head = { sequence: first + lines.length, hash: parsed.hash };
      lines.push(new AuditLine(head, encode(text)));
    }
    batches.push({ key, lines });
    held += lines.length;
  }
  return ok({ batches, next: null });
}

const BEFORE_HASH = `{"hash":"`;
const BEFORE_ENTRY = `","entry":`;
const HASH_CHARACTERS = 2 + 2 * ROOT_BYTES;
const ENTRY_AT = BEFORE_HASH.length + HASH_CHARACTERS + BEFORE_ENTRY.length;

/** What each entry begins with. */
type Stamp = { readonly sequence: number; readonly time: Millis; readonly version: string };

/**
 * The entry as JSON.stringify writes it. A signing decision is put together by hand, at a fifth of
 * the cost: a thousand validators sign at once, and their audit must not hold up their signatures.
 */
function textOf(event: AuditEvent, stamp: Stamp): string {
  if (event.kind !== "signing") return JSON.stringify({ ...stamp, ...event });
  const { duty, validator, pubKey, messageRoot, caller, verdict, reason } = event;
  return (
    `{"sequence":${stamp.sequence},"time":${stamp.time},"version":${JSON.stringify(stamp.version)},` +
    `"kind":"signing","duty":{"slot":${duty.slot},"type":"${duty.type}"},` +
    `"validator":${validator},"pubKey":"${pubKey}","messageRoot":"${messageRoot}",` +
    `"caller":${JSON.stringify(caller)},"verdict":"${verdict}",` +
    `"reason":${reason === null ? "null" : `"${reason}"`}}`
  );
}

type Place = { readonly sequence: number; readonly previous: Root; readonly sha256: Sha256 };

/** In one piece of memory: the hash before stands where it is hashed, then the line's beginning. */
function lineOf(entry: string, { sequence, previous, sha256 }: Place): AuditLine {
  const end = ENTRY_AT + Buffer.byteLength(entry);
  const bytes = Buffer.allocUnsafe(end + 1);
  bytes.write(previous.slice(2), ENTRY_AT - ROOT_BYTES, "hex");
  bytes.write(entry, ENTRY_AT);
  const hash = sha256(bytes.subarray(ENTRY_AT - ROOT_BYTES, end));
  bytes.write(`${BEFORE_HASH}${hash}${BEFORE_ENTRY}`, 0, "latin1");
  bytes.write("}", end, "latin1");
  return new AuditLine({ sequence, hash }, bytes);
}

/** The lines, one under the other. */
function joined(lines: readonly AuditLine[]): Uint8Array {
  let length = lines.length - 1;
  for (const { bytes } of lines) length += bytes.length;
  const value = Buffer.allocUnsafe(length).fill("\n");
  let offset = 0;
  for (const { bytes } of lines) {
    value.set(bytes, offset);
    offset += bytes.length + 1;
  }
  return value;
}

/** The hash of the line whose entry is this text, after the line with the hash `previous`. */
export function chainHash(previous: Root, entry: string, sha256: Sha256): Root {
  const bytes = Buffer.allocUnsafe(ROOT_BYTES + Buffer.byteLength(entry));
  bytes.write(previous.slice(2), 0, "hex");
  bytes.write(entry, ROOT_BYTES);
  return sha256(bytes);
}

/** The two parts of a line; the entry's text as it was hashed. Null when it is no line of a log. */
export function parseLine(text: string): { readonly hash: Root; readonly entry: string } | null {
  const hash = text.slice(BEFORE_HASH.length, BEFORE_HASH.length + HASH_CHARACTERS);
  const isLine =
    text.startsWith(BEFORE_HASH) &&
    /^0x[0-9a-f]{64}$/.test(hash) &&
    text.startsWith(BEFORE_ENTRY, BEFORE_HASH.length + HASH_CHARACTERS) &&
    text.endsWith("}");
  return isLine ? { hash: hash as Root, entry: text.slice(ENTRY_AT, -1) } : null;
}

function entriesKey(sequence: number): string {
  return `${ENTRIES}${sortable(sequence)}`;
}

function encode(text: string): Buffer {
  return Buffer.from(text);
}
