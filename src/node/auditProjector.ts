/**
 * Keeps the audit file up to the durable chain, off the signing path: lines that need no record
 * (repeats, refusals) are flushed, durable lines are added to the file, and the store forgets its
 * copies once the file has them on disk (AUDIT-2).
 */
import { FaultError } from "../domain/errors.ts";
import { AUDIT_PROJECTION_MS, AUDIT_SYNC_ROUNDS, MAX_JSON_DEPTH } from "../domain/limits.ts";
import type { AuditFile } from "../ports/auditFile.ts";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import { type AuditChain, parseLine } from "../safety/auditChain.ts";
import { RETENTION, retentionDetail } from "../safety/auditVerify.ts";
import type { Precursors } from "../safety/precursors.ts";
import { parseQuotedJson } from "../util/json.ts";

type ProjectorParts = {
  readonly audit: AuditChain;
  readonly auditFile: AuditFile;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly precursors: Pick<Precursors, "count">;
};

/** What the file knows and the records do not: the database is an older one than the file. */
export type FileAhead = { readonly file: number; readonly records: number };

export class AuditProjector {
  readonly #parts: ProjectorParts;
  /** The last line that the file was given, and the last that it has on its disk. */
  #written = 0;
  /** The last line that nobody but the file has. */
  #floor = 0;
  /** AUDIT-7: lines that the records still hold may not be on the disk, whatever the file shows. */
  #isDoubtful = true;
  #rounds = 0;
  #round: Promise<void> = Promise.resolve();
  #removed: number | null = null;
  #isFailing = false;

  constructor(parts: ProjectorParts) {
    this.#parts = parts;
  }

  /**
   * Compares the file's end with the records. AUDIT-4: lines are written to the file only once they
   * are durable, so a file that goes on beyond the records shows a database that was set back.
   */
  async open(): Promise<FileAhead | null> {
    const { audit, auditFile, logger, precursors } = this.#parts;
    await this.#noteRemoved();
    const { line: text, cutBytes } = await auditFile.last();
    if (cutBytes > 0) this.#noteTorn(cutBytes);
    if (text === null) return null;
    const line = parseLine(text);
    const sequence = sequenceOf(line?.entry ?? "");
    if (line === null || sequence === null) {
      precursors.count("evidence_failure");
      logger.error("The audit file's last line cannot be read; see: coterie audit verify");
      return null;
    }
    this.#written = sequence;
    if (sequence <= audit.head.sequence) return null;
    precursors.count("counter_reset");
    this.#floor = sequence;
    const ahead = { file: sequence, records: audit.head.sequence };
    logger.error("The database is older than the audit log: it looks like a restored one.", ahead);
    audit.adopt({ sequence, hash: line.hash });
    audit.append({
      kind: "action",
      action: "set-back",
      caller: "this node",
      detail: `the records end at entry ${ahead.records}, the audit file at ${ahead.file}`,
    });
    return ahead;
  }

  /** Runs until the signal aborts; rejects with nothing but a bug. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#attempt();
      try {
        await this.#parts.clock.sleep(AUDIT_PROJECTION_MS, signal);
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    }
  }

  /** Everything that is pending becomes durable and visible; one round at a time. */
  project(): Promise<void> {
    const round = this.#round.then(() => this.#project());
    // Whoever called hears of a failure; the next round does not care.
    this.#round = round.catch((error: unknown) => {
      if (!(error instanceof FaultError)) throw error;
    });
    return round;
  }

  async #project(): Promise<void> {
    const { audit } = this.#parts;
    if (audit.isPending) await audit.flush();
    const isSyncDue = ++this.#rounds % AUDIT_SYNC_ROUNDS === 0;
    if (this.#isDoubtful) await this.#rewind();
    this.#isDoubtful = true;
    await this.#write(isSyncDue);
    this.#isDoubtful = false;
  }

  /** AUDIT-7: back to what the records have forgotten, since that was synced. */
  async #rewind(): Promise<void> {
    const { audit, auditFile } = this.#parts;
    const [first] = audit.unprojected();
    if (first === undefined) return;
    const removed = (await auditFile.removed())?.sequence ?? 0;
    const synced = Math.max(first.sequence - 1, this.#floor, removed);
    // At the last line that it was given, too: behind it may be half of one that failed.
    if (synced > this.#written) return;
    await auditFile.rewind(synced);
    this.#written = synced;
  }

  async #write(isSyncDue: boolean): Promise<void> {
    const { audit, auditFile } = this.#parts;
    for (;;) {
      const lines = audit.unprojected().filter(({ sequence }) => sequence > this.#written);
      await auditFile.append(lines);
      this.#written = lines.at(-1)?.sequence ?? this.#written;
      await this.#noteRemoved();
      const isBehind = audit.isBehind;
      if (!isSyncDue && !isBehind) return;
      await auditFile.sync();
      audit.projected(this.#written);
      if (!isBehind) return;
      await audit.recall();
    }
  }

  /** AUDIT-7: a crash cut a line off; it is written again from the records, and said. */
  #noteTorn(cutBytes: number): void {
    const { audit, logger } = this.#parts;
    const detail = `${cutBytes} bytes of a half-written line at the file's end were taken away`;
    logger.warn("The audit file ended in half a line, as after a crash; it is written anew.", {
      cutBytes,
    });
    audit.append({ kind: "action", action: "repair", caller: "this node", detail });
  }

  /** AUDIT-5: what retention removed is in the chain, so that nobody else can say that it did. */
  async #noteRemoved(): Promise<void> {
    const removed = await this.#parts.auditFile.removed();
    if (removed === null || removed.sequence === this.#removed) return;
    this.#removed = removed.sequence;
    const detail = retentionDetail(removed);
    this.#parts.audit.append({ kind: "action", action: RETENTION, caller: "this node", detail });
  }

  async #attempt(): Promise<void> {
    const { logger, precursors } = this.#parts;
    try {
      await this.project();
      this.#isFailing = false;
    } catch (error) {
      if (!(error instanceof FaultError)) throw error;
      if (!this.#isFailing) {
        precursors.count("evidence_failure");
        logger.error("The audit log could not be written.", { reason: error.message });
      }
      this.#isFailing = true;
    }
  }
}

/** Null where the text is no entry: a disk may have made it one that only begins and ends well. */
function sequenceOf(entry: string): number | null {
  const parsed = parseQuotedJson(entry, MAX_JSON_DEPTH);
  const fields = (parsed.ok ? parsed.value : null) as { readonly sequence?: unknown } | null;
  const sequence = fields?.sequence;
  return Number.isSafeInteger(sequence) ? Number(sequence) : null;
}
