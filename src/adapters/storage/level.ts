/**
 * The {@link KeyValueStore} port on LevelDB. Two of its habits would cost records that were already
 * acknowledged, and are met here:
 *
 * - A second open of a directory within one process fails, but closing its descriptor drops the
 *   process's POSIX lock, so that any other process gets in. A registry refuses before LevelDB is
 *   asked (STORE-8).
 * - A write that fails half-way (disk full) leaves half a record in the log. Later writes succeed
 *   and are synced behind it, and the next recovery skips them all. After any failure the database
 *   is opened anew, which starts a new log, before it takes another write (STORE-7).
 */
import { mkdirSync, realpathSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { Level } from "level";
import { FaultError, UsageError } from "../../domain/errors.ts";
import type { KeyRange, KeyValueStore, StoreOperation } from "../../ports/keyValueStore.ts";
import { err, ok, type Result } from "../../util/result.ts";
import { SerialQueue } from "../../util/serialQueue.ts";
import { syncDirectory } from "./directories.ts";

/** Directories open in this process, by device and inode: a path may have several spellings. */
const openDirectories = new Set<string>();
/** Entries read from LevelDB at once. */
const READ_AHEAD = 1_000;

/**
 * Opens the store in `directory`, creating it if need be. Throws `FaultError("data_dir_in_use")`
 * when it is open already, here or in another process, `UsageError` when its files are damaged.
 */
export async function openLevel(directory: string): Promise<KeyValueStore> {
  let path: string;
  let identity: string;
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    path = realpathSync(directory);
    const { dev, ino } = statSync(path, { bigint: true });
    identity = `${dev}:${ino}`;
  } catch (error) {
    throw diskFault(directory, error);
  }
  // No await since the process was asked: nobody else can have opened it in between.
  if (openDirectories.has(identity)) {
    throw new FaultError("data_dir_in_use", `${path} is already open in this process`);
  }
  openDirectories.add(identity);
  const database = new Level<string, Uint8Array>(path, {
    keyEncoding: "utf8",
    valueEncoding: "view",
  });
  try {
    await database.open();
    syncDirectory(path);
    syncDirectory(dirname(path));
  } catch (error) {
    await database.close();
    openDirectories.delete(identity);
    throw openFault(path, error);
  }
  return new LevelStore({ database, path, onClosed: () => openDirectories.delete(identity) });
}

type LevelParts = {
  readonly database: Level<string, Uint8Array>;
  readonly path: string;
  readonly onClosed: () => void;
};

class LevelStore implements KeyValueStore {
  readonly #database: Level<string, Uint8Array>;
  readonly #path: string;
  readonly #onClosed: () => void;
  /** One write at a time: a write behind a failing one would be acknowledged and then lost. */
  readonly #writes = new SerialQueue<readonly StoreOperation[], void>((batches) =>
    this.#write(batches),
  );
  #needsReopen = false;

  constructor({ database, path, onClosed }: LevelParts) {
    this.#database = database;
    this.#path = path;
    this.#onClosed = onClosed;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    try {
      const value = await this.#database.get(key);
      return value === undefined ? undefined : plainBytes(value);
    } catch (error) {
      throw diskFault(this.#path, error);
    }
  }

  async *entries(range: KeyRange): AsyncIterable<readonly [string, Uint8Array]> {
    try {
      const iterator = this.#database.iterator(range);
      try {
        for (let part = await iterator.nextv(READ_AHEAD); part.length > 0; ) {
          for (const [key, value] of part) yield [key, plainBytes(value)];
          part = await iterator.nextv(READ_AHEAD);
        }
      } finally {
        await iterator.close();
      }
    } catch (error) {
      throw diskFault(this.#path, error);
    }
  }

  batch(operations: readonly StoreOperation[]): Promise<void> {
    return this.#writes.run(operations);
  }

  async close(): Promise<void> {
    await this.#writes.run([]);
    await this.#database.close();
    this.#onClosed();
  }

  async #write(
    batches: readonly (readonly StoreOperation[])[],
  ): Promise<readonly Result<void, unknown>[]> {
    const operations = batches.flat();
    if (operations.length === 0) return batches.map(() => ok(undefined));
    try {
      if (this.#needsReopen) await this.#reopen();
      await this.#database.batch(operations, { sync: true });
      return batches.map(() => ok(undefined));
    } catch (error) {
      this.#needsReopen = true;
      return batches.map(() => err(diskFault(this.#path, error)));
    }
  }

  async #reopen(): Promise<void> {
    await this.#database.close();
    await this.#database.open();
    this.#needsReopen = false;
  }
}

/** The library answers with Buffers, whose `slice` shares memory where a Uint8Array's copies. */
function plainBytes(value: Uint8Array): Uint8Array {
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}

function openFault(path: string, error: unknown): Error {
  const cause = causeOf(error);
  // One of the files that its own files name is gone.
  const isIncomplete = /No such file or directory/.test(messageOf(cause));
  switch (isIncomplete ? "LEVEL_CORRUPTION" : codeOf(cause)) {
    case "LEVEL_LOCKED":
      return new FaultError(
        "data_dir_in_use",
        `${path} is open in another process. Stop that process, or give this node a data ` +
          "directory of its own; never run one cluster's node twice",
        { cause: error },
      );
    case "LEVEL_CORRUPTION":
      return new UsageError(`the database in ${path} is damaged: ${messageOf(cause)}`, {
        fix:
          "move it away and import a complete slashing history before this node signs again; " +
          "check the disk",
        cause: error,
      });
    default:
      return diskFault(path, error);
  }
}

function diskFault(path: string, error: unknown): FaultError {
  return new FaultError("disk_failed", `${path}: ${messageOf(causeOf(error))}`, { cause: error });
}

/** LevelDB's own error, which the library wraps when a database does not open. */
function causeOf(error: unknown): unknown {
  return error instanceof Error && error.cause !== undefined ? error.cause : error;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
