/**
 * All records of a store as bytes that travel: each key and value behind its length. One pass of
 * the store's iterator is one instant of it, so a dump of a store in use is consistent.
 */
import { BACKUP_RECORDS_BYTES, MAX_BACKUP_RECORDS_BYTES } from "../../domain/limits.ts";
import type { KeyRange, KeyValueStore } from "../../ports/keyValueStore.ts";
import { concatBytes, uint32be } from "../../util/bytes.ts";

export type StoreRecord = readonly [key: string, value: Uint8Array];

/** Keys are ASCII texts. */
const EVERYTHING: KeyRange = { gte: " ", lt: "\u007f" };
const LENGTH_BYTES = 4;
const MAX_KEY_BYTES = 1_024;

export function allRecords(store: Pick<KeyValueStore, "entries">): AsyncIterable<StoreRecord> {
  return store.entries(EVERYTHING);
}

/** Parts of whole records, about `partBytes` each. */
export async function* encodeRecords(
  records: AsyncIterable<StoreRecord> | Iterable<StoreRecord>,
  partBytes = BACKUP_RECORDS_BYTES,
): AsyncIterable<Uint8Array> {
  let pending: Uint8Array[] = [];
  let bytes = 0;
  for await (const [key, value] of records) {
    const name = new TextEncoder().encode(key);
    pending.push(uint32be(name.length), name, uint32be(value.length), value);
    bytes += 2 * LENGTH_BYTES + name.length + value.length;
    if (bytes < partBytes) continue;
    yield concatBytes(...pending);
    pending = [];
    bytes = 0;
  }
  if (pending.length > 0) yield concatBytes(...pending);
}

/** The records of parts that may be cut anywhere; throws RangeError for bytes that are none. */
export async function* decodeRecords(
  parts: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncIterable<StoreRecord> {
  let rest = new Uint8Array();
  for await (const part of parts) {
    const bytes = concatBytes(rest, part);
    let at = 0;
    for (let next = recordAt(bytes, at); next !== null; next = recordAt(bytes, at)) {
      yield next.record;
      at = next.end;
    }
    rest = bytes.slice(at);
  }
  if (rest.length > 0) throw new RangeError("the last record is cut off");
}

/** The records of one part. */
export async function recordsOf(part: Uint8Array): Promise<readonly StoreRecord[]> {
  const records: StoreRecord[] = [];
  for await (const record of decodeRecords([part])) records.push(record);
  return records;
}

/** Null where the bytes end before the record does. */
function recordAt(
  bytes: Uint8Array,
  at: number,
): { readonly record: StoreRecord; readonly end: number } | null {
  const key = fieldAt(bytes, at, MAX_KEY_BYTES);
  const value = key === null ? null : fieldAt(bytes, key.end, MAX_BACKUP_RECORDS_BYTES);
  if (key === null || value === null) return null;
  return { record: [new TextDecoder().decode(key.field), value.field], end: value.end };
}

function fieldAt(
  bytes: Uint8Array,
  at: number,
  maxBytes: number,
): { readonly field: Uint8Array; readonly end: number } | null {
  const start = at + LENGTH_BYTES;
  if (bytes.length < start) return null;
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(at);
  if (length > maxBytes) throw new RangeError(`a field of ${length} bytes is no record's`);
  const end = start + length;
  return bytes.length < end ? null : { field: bytes.slice(start, end), end };
}
