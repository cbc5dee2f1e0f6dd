/**
 * The audit file of a virtual disk. Lines are on the platter once they are synced, and a power cut
 * takes the rest; the oldest lines go as a real log's files do, so that a long run stays small.
 */
import { FaultError } from "../src/domain/errors.ts";
import type {
  AuditFile,
  AuditFileEnd,
  AuditFileLine,
  RemovedLines,
} from "../src/ports/auditFile.ts";
import type { WriteFate } from "./writeFate.ts";

/** Lines of one file, and files that are kept: retention happens within a run of an hour. */
const LINES_PER_FILE = 500;
const MAX_FILES = 2;

/** What is on the platter; outlives the machine's lives. */
export class AuditPlatter {
  lines: readonly AuditFileLine[] = [];
  removed: RemovedLines | null = null;

  restore({ lines, removed }: AuditPlatter): void {
    this.lines = lines;
    this.removed = removed;
  }

  add(lines: readonly AuditFileLine[]): void {
    const all = [...this.lines, ...lines];
    const excess = Math.floor(all.length / LINES_PER_FILE) - MAX_FILES;
    const gone = all.splice(0, Math.max(0, excess) * LINES_PER_FILE).at(-1);
    this.lines = all;
    if (gone === undefined) return;
    const { hash } = JSON.parse(gone.text) as { readonly hash: string };
    this.removed = { sequence: gone.sequence, hash };
  }
}

type FileParts = {
  readonly platter: AuditPlatter;
  readonly wait: (delayMs: number) => Promise<void>;
  readonly fateOf: () => WriteFate;
};

/** One life's handle of the file. */
export class VirtualAuditFile implements AuditFile {
  readonly #parts: FileParts;
  #unsynced: AuditFileLine[] = [];
  /** What a reader sees and a power cut takes: a sync of it failed, and no later one covers it. */
  #doubtful: readonly AuditFileLine[] = [];
  #hasPower = true;

  constructor(parts: FileParts) {
    this.#parts = parts;
  }

  async last(): Promise<AuditFileEnd> {
    const { lines } = this.#parts.platter;
    const last = this.#unsynced.at(-1) ?? this.#doubtful.at(-1) ?? lines.at(-1);
    return { line: last?.text ?? null, cutBytes: 0 };
  }

  async append(lines: readonly AuditFileLine[]): Promise<void> {
    await this.#untilPower();
    this.#unsynced.push(...lines);
  }

  async sync(): Promise<void> {
    const lines = [...this.#unsynced];
    const { platter, wait, fateOf } = this.#parts;
    const { syncMs, fault } = fateOf();
    if (syncMs > 0) await wait(syncMs);
    await this.#untilPower();
    if (fault === null || fault.lands) platter.add(lines);
    else this.#doubtful = [...this.#doubtful, ...lines];
    this.#unsynced = this.#unsynced.slice(lines.length);
    if (fault !== null)
      throw new FaultError("disk_failed", "the audit file's sync was told to fail");
  }

  async rewind(sequence: number): Promise<void> {
    await this.#untilPower();
    const isKept = (line: AuditFileLine): boolean => line.sequence <= sequence;
    this.#unsynced = this.#unsynced.filter(isKept);
    this.#doubtful = this.#doubtful.filter(isKept);
    const { platter } = this.#parts;
    platter.lines = platter.lines.filter(isKept);
  }

  async removed(): Promise<RemovedLines | null> {
    return this.#parts.platter.removed;
  }

  /** Power is gone: nothing answers any more, and what was not synced never was. */
  cutPower(): void {
    this.#hasPower = false;
    this.#unsynced = [];
    this.#doubtful = [];
  }

  async #untilPower(): Promise<void> {
    if (!this.#hasPower) await new Promise<never>(() => undefined);
  }
}
