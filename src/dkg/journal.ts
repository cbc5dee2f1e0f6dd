/** The bytes of journal entries (DKG-12): a number for the kind, then its fields. */

import { UsageError } from "../domain/errors.ts";
import { bytesOf, PUBLIC_KEY_BYTES, type PubKey, pubKeyOf } from "../domain/keys.ts";
import { assert, assertNever } from "../util/assert.ts";
import { columnsOf, concatBytes, uint32be } from "../util/bytes.ts";
import { err, ok, type Result } from "../util/result.ts";
import type { JournalEntry } from "./messages.ts";

const KINDS: readonly JournalEntry["kind"][] = [
  "entropy",
  "frame",
  "sealedShares",
  "sharesStored",
  "aborted",
];
export const SEED_BYTES = 32;

export function encodeJournalEntry(entry: JournalEntry): Uint8Array {
  return concatBytes(Uint8Array.of(KINDS.indexOf(entry.kind)), fieldsOf(entry));
}

/** The error says what is wrong; an entry that was half written does not get here. */
export function decodeJournalEntry(bytes: Uint8Array): Result<JournalEntry, string> {
  const kind = KINDS[bytes[0] ?? KINDS.length];
  const rest = bytes.subarray(1);
  switch (kind) {
    case "entropy":
      return rest.length === SEED_BYTES ? ok({ kind, seed: rest }) : err("a seed has 32 bytes");
    case "frame":
      return ok({ kind, frame: rest });
    case "sealedShares": {
      const [dealer] = rest;
      if (dealer === undefined) return err("sealed shares have a dealer");
      return ok({ kind, dealer, sealedShares: rest.subarray(1) });
    }
    case "sharesStored":
      return rest.length === 0 ? ok({ kind }) : err("an entry without fields has some");
    case "aborted":
      return abortedOf(rest);
    case undefined:
      return err(`an entry of unknown kind ${bytes[0]}`);
    default:
      return assertNever(kind);
  }
}

/** The same for a journal that was begun: throws UsageError for another version's. */
export function readJournalEntry(record: Uint8Array): JournalEntry {
  const entry = decodeJournalEntry(record);
  if (entry.ok) return entry.value;
  throw new UsageError(`the ceremony's journal is of another version: ${entry.error}`, {
    fix: "run the version of the program that began this attempt",
  });
}

function fieldsOf(entry: JournalEntry): Uint8Array {
  switch (entry.kind) {
    case "entropy":
      assert(entry.seed.length === SEED_BYTES, "a seed has 32 bytes");
      return entry.seed;
    case "frame":
      return entry.frame;
    case "sealedShares":
      return concatBytes(Uint8Array.of(entry.dealer), entry.sealedShares);
    case "sharesStored":
      return new Uint8Array();
    case "aborted":
      return concatBytes(
        uint32be(entry.groupKeys.length),
        ...entry.groupKeys.map(bytesOf),
        Buffer.from(entry.reason),
      );
  }
}

function abortedOf(bytes: Uint8Array): Result<JournalEntry, string> {
  if (bytes.length < 4) return err("an aborted attempt has a number of keys");
  const count = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
  const end = 4 + count * PUBLIC_KEY_BYTES;
  const columns = columnsOf(bytes.subarray(4, end), PUBLIC_KEY_BYTES, count);
  if (columns === null) return err("the keys of an aborted attempt are cut off");
  const groupKeys: readonly PubKey[] = columns.map(pubKeyOf);
  return ok({ kind: "aborted", groupKeys, reason: Buffer.from(bytes.subarray(end)).toString() });
}
