/**
 * The audit log's files: `audit/<first entry>.jsonl`, a new one whenever the last has grown large,
 * and the oldest removed when there are too many. What was removed stays named, with its last
 * hash, in `audit/removed.json`, so that the rest can still be checked from its first line on
 * (AUDIT-3).
 */
import { mkdirSync, readdirSync, rmSync, statSync, truncateSync } from "node:fs";
import { type FileHandle, open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { FaultError } from "../../domain/errors.ts";
import { MAX_AUDIT_FILE_BYTES, MAX_AUDIT_FILES } from "../../domain/limits.ts";
import type {
  AuditFile,
  AuditFileEnd,
  AuditFileLine,
  RemovedLines,
} from "../../ports/auditFile.ts";
import { sortable } from "../../util/sortable.ts";
import { syncDirectory } from "./directories.ts";

const NAME = /^\d{16}\.jsonl$/;
const SEQUENCE = /^\{"hash":"0x[0-9a-f]{64}","entry":\{"sequence":(\d{1,16})[,}]/;
const REMOVED = "removed.json";
const MODE = 0o600;

export type AuditFilesOptions = {
  /** `audit/` of the data directory; made if need be. */
  readonly directory: string;
  readonly maxFileBytes?: number;
  readonly maxFiles?: number;
};

export function openAuditFiles(options: AuditFilesOptions): AuditFile & { close(): Promise<void> } {
  return new AuditFiles(options);
}

/** Paths of the files, oldest first. */
export function listAuditFiles(directory: string): readonly string[] {
  return readdirSync(directory)
    .filter((name) => NAME.test(name))
    .sort()
    .map((name) => join(directory, name));
}

/** Null while nothing was removed. Throws `FaultError` where the file is not readable. */
export async function readRemoved(directory: string): Promise<RemovedLines | null> {
  const path = join(directory, REMOVED);
  try {
    if (!readdirSync(directory).includes(REMOVED)) return null;
    return removedLinesOf(JSON.parse(await readFile(path, "utf8")));
  } catch (error) {
    const fix = "If it is damaged, keep a copy of the audit folder for whoever looks into it";
    const detail = `${path}: ${String(error)}. ${fix}, and move this file away`;
    throw new FaultError("disk_failed", detail, { cause: error });
  }
}

function removedLinesOf(json: unknown): RemovedLines {
  const { sequence, hash } = (json ?? {}) as Partial<RemovedLines>;
  if (typeof sequence === "number" && typeof hash === "string") return { sequence, hash };
  throw new RangeError("it does not name the last line that was removed");
}

/** The whole lines of a log's text up to an entry, without later ones and a half-written one. */
export function linesUpTo(text: string, sequence: number): string {
  const lines = text.slice(0, text.lastIndexOf("\n") + 1).split("\n");
  lines.pop();
  // A line that cannot be read is evidence, and stays.
  while (Number(SEQUENCE.exec(lines.at(-1) ?? "")?.[1] ?? 0) > sequence) lines.pop();
  return lines.map((line) => `${line}\n`).join("");
}

class AuditFiles implements AuditFile {
  readonly #directory: string;
  readonly #maxFileBytes: number;
  readonly #maxFiles: number;
  #handle: FileHandle | null = null;
  #bytes = 0;

  constructor({ directory, maxFileBytes, maxFiles }: AuditFilesOptions) {
    this.#directory = directory;
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw this.#fault(error);
    }
    this.#maxFileBytes = maxFileBytes ?? MAX_AUDIT_FILE_BYTES;
    this.#maxFiles = maxFiles ?? MAX_AUDIT_FILES;
  }

  async last(): Promise<AuditFileEnd> {
    try {
      return await this.#readEnd();
    } catch (error) {
      throw this.#fault(error);
    }
  }

  async #readEnd(): Promise<AuditFileEnd> {
    let cutBytes = 0;
    for (const path of listAuditFiles(this.#directory).toReversed()) {
      const text = await readFile(path, "utf8");
      const end = text.lastIndexOf("\n");
      cutBytes += Buffer.byteLength(text.slice(end + 1));
      if (end + 1 < text.length) truncateSync(path, Buffer.byteLength(text.slice(0, end + 1)));
      if (end > 0) return { line: text.slice(text.lastIndexOf("\n", end - 1) + 1, end), cutBytes };
    }
    return { line: null, cutBytes };
  }

  async append(lines: readonly AuditFileLine[]): Promise<void> {
    const [first] = lines;
    if (first === undefined) return;
    try {
      const handle = await this.#fileFor(first.sequence);
      const data = Buffer.from(lines.map(({ text }) => `${text}\n`).join(""));
      await handle.appendFile(data);
      this.#bytes += data.length;
    } catch (error) {
      throw this.#fault(error);
    }
  }

  async sync(): Promise<void> {
    try {
      await this.#handle?.datasync();
    } catch (error) {
      throw this.#fault(error);
    }
  }

  /** AUDIT-7: on a descriptor of its own, so that the lines are written, and synced, anew. */
  async rewind(sequence: number): Promise<void> {
    try {
      const handle = this.#handle;
      this.#handle = null;
      await handle?.close();
      for (const path of listAuditFiles(this.#directory).toReversed()) {
        const text = await readFile(path, "utf8");
        const kept = linesUpTo(text, sequence);
        if (kept === "") rmSync(path);
        else if (kept.length < text.length) truncateSync(path, Buffer.byteLength(kept));
        if (kept !== "") break;
      }
      syncDirectory(this.#directory);
    } catch (error) {
      throw this.#fault(error);
    }
  }

  removed(): Promise<RemovedLines | null> {
    return readRemoved(this.#directory);
  }

  async close(): Promise<void> {
    await this.#handle?.close();
    this.#handle = null;
  }

  async #fileFor(sequence: number): Promise<FileHandle> {
    if (this.#handle !== null && this.#bytes < this.#maxFileBytes) return this.#handle;
    const newest = this.#handle === null ? listAuditFiles(this.#directory).at(-1) : undefined;
    const isUsable = newest !== undefined && statSync(newest).size < this.#maxFileBytes;
    const path = isUsable ? newest : join(this.#directory, `${sortable(sequence)}.jsonl`);
    await this.sync();
    await this.#handle?.close();
    this.#handle = await open(path, "a", MODE);
    // The name of a new file is as durable as its lines before the records forget those.
    if (!isUsable) syncDirectory(this.#directory);
    this.#bytes = statSync(path).size;
    await this.#retain();
    return this.#handle;
  }

  /** The note comes first: a file that is gone without one would look like tampering. */
  async #retain(): Promise<void> {
    const files = listAuditFiles(this.#directory);
    const excess = files.slice(0, Math.max(0, files.length - this.#maxFiles));
    const newest = excess.at(-1);
    if (newest === undefined) return;
    const lines = (await readFile(newest, "utf8")).trimEnd().split("\n");
    const { hash, entry } = JSON.parse(lines.at(-1) ?? "{}");
    const data = `${JSON.stringify({ sequence: entry.sequence, hash })}\n`;
    await replaceFile(join(this.#directory, REMOVED), data);
    syncDirectory(this.#directory);
    for (const file of excess) rmSync(file);
  }

  #fault(error: unknown): FaultError {
    return new FaultError("disk_failed", `${this.#directory}: ${String(error)}`, { cause: error });
  }
}

/** The old content or the new one, whenever the power goes. */
async function replaceFile(path: string, data: string): Promise<void> {
  const temporary = `${path}.new`;
  const handle = await open(temporary, "w", MODE);
  try {
    await handle.writeFile(data);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, path);
}
