/**
 * Checks an audit log line by line and names what was done to it (AUDIT-3): a changed entry, lines
 * that are missing in the middle or at either end, lines in another order.
 */
import type { Root } from "../domain/keys.ts";
import type { RemovedLines } from "../ports/auditFile.ts";
import { chainHash, parseLine, type Sha256 } from "./auditChain.ts";
import type { AuditHead } from "./auditLog.ts";

export type AuditReport = {
  /** Lines read. */
  readonly lines: number;
  readonly first: AuditHead | null;
  readonly last: AuditHead | null;
  /** One sentence each; none where the log is whole. */
  readonly problems: readonly string[];
};

/** The action that says what retention removed. */
export const RETENTION = "retention";

export function retentionDetail({ sequence, hash }: RemovedLines): string {
  return `entries up to ${sequence}, whose hash is ${hash}`;
}

export type AuditAnchors = {
  /** The last line before the log's first; what retention removed, or nothing. */
  readonly start: AuditHead;
  /** The last durable line by the node's records; null where nobody can say. */
  readonly head: AuditHead | null;
  /** The node runs, so that the log may have grown since it was asked for its head. */
  readonly isGrowing: boolean;
};

/** Problems that are named one by one; more say nothing new. */
const MAX_PROBLEMS = 20;

export class AuditVerifier {
  readonly #sha256: Sha256;
  readonly #anchors: AuditAnchors;
  readonly #problems: string[] = [];
  /** By sequence, where the head's line was seen. */
  #headSeen: Root | null = null;
  /** Whether the chain itself says what is missing before its first line. */
  #isStartNoted: boolean;
  #first: AuditHead | null = null;
  #last: AuditHead | null = null;
  #lines = 0;

  constructor(anchors: AuditAnchors, sha256: Sha256) {
    this.#anchors = anchors;
    this.#sha256 = sha256;
    this.#isStartNoted = anchors.start.sequence === 0;
  }

  /** Number of the last entry that was read. */
  get last(): number {
    return (this.#last ?? this.#anchors.start).sequence;
  }

  /** The next line; `where` names it, e.g. by file and number. */
  read(text: string, where: string): void {
    this.#lines++;
    const line = parseLine(text);
    const sequence = line === null ? null : sequenceOf(line.entry);
    if (line === null || sequence === null) {
      this.#problem(`${where}: it is no line of an audit log`);
      return;
    }
    const before = this.#last ?? this.#anchors.start;
    const isNext = sequence === before.sequence + 1;
    if (!isNext) this.#problem(`${where}: ${this.#gap(before.sequence, sequence)}`);
    else if (chainHash(before.hash, line.entry, this.#sha256) !== line.hash) {
      this.#problem(`${where}: entry ${sequence} was changed, or the one before it replaced`);
    }
    this.#isStartNoted ||= line.entry.includes(retentionDetail(this.#anchors.start));
    if (sequence === this.#anchors.head?.sequence) this.#headSeen = line.hash;
    this.#last = { sequence, hash: line.hash };
    this.#first ??= this.#last;
  }

  finish(): AuditReport {
    const { head } = this.#anchors;
    const last = this.#last ?? this.#anchors.start;
    if (head !== null && last.sequence < head.sequence) {
      const missing = `entries ${last.sequence + 1} to ${head.sequence}`;
      this.#problem(`${missing} are missing at the end: the node's records know of them`);
    } else if (head !== null && last.sequence > head.sequence && !this.#anchors.isGrowing) {
      this.#problem(
        `the log goes on to entry ${last.sequence}, the node's records end at ${head.sequence}: ` +
          "the database is older than the log, perhaps a restored backup",
      );
    } else if (head !== null && this.#headSeen !== null && this.#headSeen !== head.hash) {
      this.#problem(`entry ${head.sequence} is not the one that the node's records know`);
    }
    if (!this.#isStartNoted) {
      const { sequence } = this.#anchors.start;
      this.#problem(
        `entries 1 to ${sequence} are missing, and no entry says that they were removed`,
      );
    }
    return {
      lines: this.#lines,
      first: this.#first,
      last: this.#last,
      problems: this.#problems,
    };
  }

  #gap(before: number, sequence: number): string {
    if (sequence <= before) return `entry ${sequence} comes after ${before}: reordered or repeated`;
    const missing =
      sequence === before + 2
        ? `entry ${before + 1} is`
        : `entries ${before + 1} to ${sequence - 1} are`;
    const place = this.#first === null ? " at the beginning" : "";
    return `${missing} missing${place} before entry ${sequence}`;
  }

  #problem(text: string): void {
    if (this.#problems.length < MAX_PROBLEMS) this.#problems.push(text);
  }
}

function sequenceOf(entry: string): number | null {
  try {
    const { sequence } = JSON.parse(entry) as { readonly sequence?: unknown };
    return Number.isSafeInteger(sequence) ? (sequence as number) : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
