/**
 * The journal of one attempt at a key ceremony (JOURNAL-1): an append-only file of encrypted
 * records, each of them synced before anybody acts on it. The key follows from the operator's
 * identity key, so that a copy of the file alone says nothing.
 *
 * A crash can leave half of the last record behind. Nothing was done upon it, so it is cut off; any
 * other damage is refused (JOURNAL-2).
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { FaultError, UsageError } from "../../domain/errors.ts";
import { MAX_FRAME_BYTES } from "../../domain/limits.ts";
import { concatBytes } from "../../util/bytes.ts";

export type CeremonyJournal = {
  /** Records of earlier runs, oldest first. */
  readonly records: readonly Uint8Array[];
  /** Resolves once the record is durable; throws FaultError when the disk failed. */
  append(record: Uint8Array): Promise<void>;
  close(): Promise<void>;
  /** JOURNAL-3: overwrites the file with zeros; it is the caller's to remove. */
  erase(): Promise<void>;
};

export type JournalOptions = {
  readonly path: string;
  /** The identity key, 32 bytes. */
  readonly secretKey: Uint8Array;
  /** What the journal is of: it goes into key and records, so that files cannot be swapped. */
  readonly context: Uint8Array;
};

const MAGIC = Buffer.from("COTDKGJ1");
const SALT_BYTES = 32;
const HEADER_BYTES = MAGIC.length + SALT_BYTES;
const LENGTH_BYTES = 4;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const CIPHER = "aes-256-gcm";
const MAX_RECORD_BYTES = MAX_FRAME_BYTES + 1024;
const ZEROS = Buffer.alloc(1024 * 1024);

/** Opens a journal, or begins one; making its name durable is the caller's (a folder's) matter. */
export async function openCeremonyJournal(options: JournalOptions): Promise<CeremonyJournal> {
  const { path } = options;
  try {
    const file = await open(path, "a+", 0o600);
    try {
      const content = await file.readFile();
      const opened = await readOrBegin(file, content, options);
      return journalOf(file, { ...options, ...opened });
    } catch (error) {
      await file.close();
      throw error;
    }
  } catch (error) {
    throw diskFault(path, error);
  }
}

/** Whether there is a journal in which something was written down, and which is not erased. */
export async function isJournalBegun(path: string): Promise<boolean> {
  try {
    const file = await open(path, "r");
    try {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(HEADER_BYTES + 1));
      return bytesRead > HEADER_BYTES && !isZero(buffer.subarray(0, HEADER_BYTES));
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return false;
    throw diskFault(path, error);
  }
}

type Opened = { readonly key: Buffer; readonly records: readonly Uint8Array[] };

async function readOrBegin(
  file: FileHandle,
  content: Buffer,
  options: JournalOptions,
): Promise<Opened> {
  if (content.length < HEADER_BYTES) {
    // A crash came before the first record: nothing was ever written here.
    await file.truncate(0);
    const salt = randomBytes(SALT_BYTES);
    await file.appendFile(Buffer.concat([MAGIC, salt]));
    await file.sync();
    return { key: keyOf(options, salt), records: [] };
  }
  if (!content.subarray(0, MAGIC.length).equals(MAGIC)) throw damaged(options.path);
  const key = keyOf(options, content.subarray(MAGIC.length, HEADER_BYTES));
  const { records, end } = readRecords(content, { ...options, key });
  if (end < content.length) {
    await file.truncate(end);
    await file.sync();
  }
  return { key, records };
}

function readRecords(
  content: Buffer,
  options: JournalOptions & { readonly key: Buffer },
): { readonly records: readonly Uint8Array[]; readonly end: number } {
  const records: Uint8Array[] = [];
  let offset = HEADER_BYTES;
  while (offset + LENGTH_BYTES <= content.length) {
    const length = content.readUInt32BE(offset);
    const next = offset + LENGTH_BYTES + length;
    const isTooLong = length > MAX_RECORD_BYTES || length < NONCE_BYTES + TAG_BYTES;
    const sealed = content.subarray(offset + LENGTH_BYTES, next);
    const isLast = next >= content.length;
    const record = isTooLong || next > content.length ? null : unseal(sealed, records, options);
    if (record === null) {
      // Some file systems grow a file before its bytes are there.
      if (isLast || isZero(content.subarray(offset))) break;
      throw damaged(options.path);
    }
    records.push(record);
    offset = next;
  }
  return { records, end: offset };
}

function journalOf(file: FileHandle, options: JournalOptions & Opened): CeremonyJournal {
  const { path, key, context, records } = options;
  let count = records.length;
  return {
    records,
    async append(record) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(CIPHER, key, nonce).setAAD(bindingOf(context, count));
      const ciphertext = Buffer.concat([cipher.update(record), cipher.final()]);
      const sealed = Buffer.concat([nonce, ciphertext, cipher.getAuthTag()]);
      const length = Buffer.alloc(LENGTH_BYTES);
      length.writeUInt32BE(sealed.length);
      try {
        await file.appendFile(Buffer.concat([length, sealed]));
        await file.datasync();
      } catch (error) {
        throw diskFault(path, error);
      }
      count++;
    },
    close: () => file.close(),
    async erase() {
      try {
        const { size } = await file.stat();
        await file.close();
        await overwrite(path, size);
      } catch (error) {
        throw diskFault(path, error);
      }
    },
  };
}

/** In place: a file opened for appending writes at its end only. */
async function overwrite(path: string, size: number): Promise<void> {
  const file = await open(path, "r+");
  try {
    for (let at = 0; at < size; at += ZEROS.length) {
      await file.write(ZEROS, 0, Math.min(ZEROS.length, size - at), at);
    }
    await file.sync();
    await file.truncate(0);
    await file.sync();
  } finally {
    await file.close();
  }
}

function unseal(
  sealed: Buffer,
  before: readonly Uint8Array[],
  { key, context }: JournalOptions & { readonly key: Buffer },
): Uint8Array | null {
  const decipher = createDecipheriv(CIPHER, key, sealed.subarray(0, NONCE_BYTES))
    .setAAD(bindingOf(context, before.length))
    .setAuthTag(sealed.subarray(-TAG_BYTES));
  try {
    const body = decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES));
    return new Uint8Array(Buffer.concat([body, decipher.final()]));
  } catch (error) {
    // Node throws a plain Error for a tag that does not fit.
    if (error instanceof Error) return null;
    throw error;
  }
}

function keyOf({ secretKey, context }: JournalOptions, salt: Uint8Array): Buffer {
  const info = Buffer.concat([Buffer.from("coterie/dkg/journal"), context]);
  return Buffer.from(hkdfSync("sha256", secretKey, salt, info, 32));
}

/** Each record has its place: none can be moved, repeated or left out. */
function bindingOf(context: Uint8Array, index: number): Uint8Array {
  const place = Buffer.alloc(LENGTH_BYTES);
  place.writeUInt32BE(index);
  return concatBytes(context, place);
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

function damaged(path: string): UsageError {
  return new UsageError(`${path} is damaged, or belongs to another identity key`, {
    fix:
      "restore it from your backup, or move it away: the ceremony then takes a new attempt, and " +
      "key shares of this one stay where they are",
  });
}

function diskFault(path: string, error: unknown): Error {
  if (error instanceof UsageError || error instanceof FaultError) return error;
  const code = error instanceof Error && "code" in error ? error.code : error;
  return new FaultError("disk_failed", `${path}: ${String(code)}`, { cause: error });
}
