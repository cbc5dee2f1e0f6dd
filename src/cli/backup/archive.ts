/**
 * The archive: a tar file within an age file, so that its owner can look into it with common tools.
 * Read back, nothing of it is believed before its manifest is (BACKUP-2).
 */
import { createReadStream } from "node:fs";
import type { Decrypter, Encrypter } from "age-encryption";
import { extract, type Headers, pack } from "tar-stream";
import { FaultError, UsageError } from "../../domain/errors.ts";
import { MAX_BACKUP_BYTES, MAX_BACKUP_FILE_BYTES, MAX_BACKUP_FILES } from "../../domain/limits.ts";
import { concatBytes } from "../../util/bytes.ts";
import { MANIFEST, modeOf, RECORDS_NAME } from "./files.ts";
import {
  type About,
  differencesOf,
  entryOf,
  type FileEntry,
  type Manifest,
  readManifest,
  writeManifest,
} from "./manifest.ts";

export type ArchiveFile = { readonly name: string; readonly data: Uint8Array };

const MODE = 0o600;

/** The encrypted bytes of the files and, behind them, of the manifest that lists them. */
export async function sealArchive(
  files: AsyncIterable<ArchiveFile>,
  about: () => About,
  encrypter: Encrypter,
): Promise<AsyncIterable<Uint8Array>> {
  const tar = pack();
  const add = ({ name, data }: ArchiveFile): Promise<void> =>
    new Promise((resolve, reject) => {
      tar.entry({ name, mode: MODE }, Buffer.from(data), (error) =>
        error ? reject(error) : resolve(),
      );
    });
  const fill = async (): Promise<void> => {
    const entries: FileEntry[] = [];
    for await (const file of files) {
      requireFitting(file);
      entries.push(entryOf(file.name, file.data));
      await add(file);
    }
    await add({ name: MANIFEST, data: writeManifest(about(), entries) });
    tar.finalize();
  };
  fill().catch((error: Error) => tar.destroy(error));
  return encrypter.encrypt(ReadableStream.from(tar as AsyncIterable<Uint8Array>));
}

function requireFitting({ name, data }: ArchiveFile): void {
  if (data.length <= MAX_BACKUP_FILE_BYTES) return;
  throw new UsageError(`${name} has ${data.length} bytes; a backup takes ${MAX_BACKUP_FILE_BYTES}`);
}

/**
 * Gives `take` each file in the archive's order; resolves with the manifest once it agrees with all
 * of them. Throws UsageError for an archive that cannot be opened, is cut off or changed, or names
 * what no backup holds. What `take` got before that is worth nothing then.
 */
export async function readArchive(
  path: string,
  decrypter: Decrypter,
  take: (file: ArchiveFile) => Promise<void>,
): Promise<Manifest> {
  const tar = extract();
  const found = new Map<string, FileEntry>();
  let manifest: Manifest | null = null;
  let bytes = 0;
  feed(await opened(path, decrypter), tar).catch((error: Error) => tar.destroy(error));
  try {
    for await (const entry of tar) {
      bytes += requireAllowed(entry.header, found);
      if (bytes > MAX_BACKUP_BYTES) throw wrong(`it holds more than ${MAX_BACKUP_BYTES} bytes`);
      if (manifest !== null) throw wrong("something follows its manifest");
      const { name } = entry.header;
      const parts: Uint8Array[] = [];
      for await (const part of entry) parts.push(part);
      const data = concatBytes(...parts);
      if (name === MANIFEST) manifest = readManifest(data);
      else {
        found.set(name, entryOf(name, data));
        await take({ name, data });
      }
    }
  } catch (error) {
    if (error instanceof UsageError && error.fix === undefined) {
      throw new UsageError(`${path}: ${error.message}`, { fix: ANOTHER, cause: error });
    }
    if (error instanceof UsageError || error instanceof FaultError) throw error;
    throw damaged(path, error);
  }
  if (manifest === null) throw damaged(path, new Error("its manifest is missing"));
  const [first] = differencesOf(manifest, found);
  if (first !== undefined) throw damaged(path, new Error(first));
  return manifest;
}

/** The size; throws UsageError for what is no file of a backup (BACKUP-4). */
function requireAllowed(
  { name, type, size = 0 }: Headers,
  found: ReadonlyMap<string, FileEntry>,
): number {
  const isKnown = name === MANIFEST || RECORDS_NAME.test(name) || modeOf(name) !== null;
  if (!isKnown || type !== "file") {
    throw wrong(`it names ${JSON.stringify(name.slice(0, 100))} (${type}), which no backup holds`);
  }
  if (size > MAX_BACKUP_FILE_BYTES) {
    throw wrong(`${name} has ${size} bytes; at most ${MAX_BACKUP_FILE_BYTES} are read`);
  }
  if (found.has(name)) throw wrong(`it holds ${name} twice`);
  if (found.size >= MAX_BACKUP_FILES) throw wrong(`it holds more than ${MAX_BACKUP_FILES} files`);
  return size;
}

async function opened(path: string, decrypter: Decrypter): Promise<AsyncIterable<Uint8Array>> {
  try {
    return await decrypter.decrypt(ReadableStream.from(bytesOf(path)));
  } catch (error) {
    if (error instanceof UsageError || error instanceof FaultError) throw error;
    throw new UsageError(`${path} does not open: ${messageOf(error)}`, {
      fix: "give the passphrase or the identity that this very file was made for",
      cause: error,
    });
  }
}

async function* bytesOf(path: string): AsyncIterable<Uint8Array> {
  try {
    for await (const chunk of createReadStream(path)) yield new Uint8Array(chunk);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    if (["ENOENT", "EACCES", "EISDIR", "EPERM"].includes(code)) {
      throw new UsageError(`${path} cannot be read: ${code}`, { fix: "check the path" });
    }
    throw new FaultError("disk_failed", `${path}: ${messageOf(error)}`, { cause: error });
  }
}

async function feed(
  source: AsyncIterable<Uint8Array>,
  tar: ReturnType<typeof extract>,
): Promise<void> {
  for await (const chunk of source) {
    if (!tar.write(Buffer.from(chunk))) {
      await new Promise((resolve) => tar.once("drain", resolve).once("close", resolve));
    }
  }
  tar.end();
}

const ANOTHER = "take another copy of the backup, or an older one; coterie backup verify checks it";

function wrong(problem: string): UsageError {
  return new UsageError(problem);
}

function damaged(path: string, cause: unknown): UsageError {
  return new UsageError(`${path} is cut off or was changed: ${messageOf(cause)}`, {
    fix: ANOTHER,
    cause,
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
