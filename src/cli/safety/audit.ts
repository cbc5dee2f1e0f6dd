/** `coterie audit tail` and `verify`: the log of what this node signed and refused, and why. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { listAuditFiles, readRemoved } from "../../adapters/storage/auditFiles.ts";
import { sha256Root } from "../../crypto/sha256.ts";
import { FaultError, UsageError } from "../../domain/errors.ts";
import type { Root } from "../../domain/keys.ts";
import { parseLine } from "../../safety/auditChain.ts";
import { type AuditHead, NO_ENTRIES } from "../../safety/auditLog.ts";
import { type AuditReport, AuditVerifier } from "../../safety/auditVerify.ts";
import { connectAdmin } from "./adminClient.ts";
import { withStoppedNode } from "./stoppedNode.ts";

export type AuditOptions = { readonly dataDir: string; readonly json: boolean };

/** The last entries as text for people, or as they are. */
export async function tailAudit({ dataDir, json }: AuditOptions, count: number): Promise<string> {
  const lines: string[] = [];
  for (const path of listAuditFiles(auditDir(dataDir)).toReversed()) {
    lines.unshift(...(await linesOf(path)));
    if (lines.length >= count) break;
  }
  const last = count === 0 ? [] : lines.slice(-count);
  return last.map((line) => `${json ? line : describe(line)}\n`).join("");
}

/** Checks the whole chain, from what retention left to the head that the node's records know. */
export async function verifyAudit({ dataDir, json }: AuditOptions): Promise<{
  readonly isValid: boolean;
  readonly text: string;
}> {
  const directory = auditDir(dataDir);
  const files = listAuditFiles(directory);
  const removed = await readRemoved(directory);
  const start: AuditHead =
    removed === null ? NO_ENTRIES : { sequence: removed.sequence, hash: removed.hash as Root };
  // The head first, so that what it names is in the files that are read.
  const { head, note, isGrowing } = await headOf(dataDir);
  const verifier = new AuditVerifier({ start, head, isGrowing }, sha256Root);
  for (const path of files) {
    const lines = await linesOf(path);
    for (const [index, line] of lines.entries()) {
      verifier.read(line, `${basename(path)}:${index + 1}`);
    }
  }
  const report = verifier.finish();
  const isValid = report.problems.length === 0;
  if (json) return { isValid, text: `${JSON.stringify({ isValid, note, ...report })}\n` };
  return { isValid, text: textOf(report, note) };
}

/** What the file may lack of the head is not missing: it is a second behind the records. */
async function headOf(dataDir: string): Promise<{
  readonly head: AuditHead | null;
  readonly note: string;
  readonly isGrowing: boolean;
}> {
  const admin = await connectAdmin(dataDir);
  if (admin !== null) {
    const head = (await admin.call("POST", "/admin/v1/audit/project")) as AuditHead;
    return { head, note: "compared with the running node's records", isGrowing: true };
  }
  try {
    return await withStoppedNode(dataDir, null, async ({ audit, project }) => {
      await project();
      const note = "compared with the stopped node's records";
      return { head: audit.head, note, isGrowing: false };
    });
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof FaultError)) throw error;
    const note = `not compared with any records: ${error.message}`;
    return { head: null, note, isGrowing: false };
  }
}

function textOf({ lines, first, last, problems }: AuditReport, note: string): string {
  const range = first === null ? "no entries" : `entries ${first.sequence} to ${last?.sequence}`;
  const verdict = problems.length === 0 ? "the chain is whole" : `${problems.length} problems:`;
  return [`${lines} lines, ${range}; ${note}`, verdict, ...problems, ""].join("\n");
}

function auditDir(dataDir: string): string {
  const directory = join(dataDir, "audit");
  if (existsSync(directory)) return directory;
  throw new UsageError(`${dataDir} holds no audit log: its node has never run`, {
    fix: "check --data-dir",
  });
}

async function linesOf(path: string): Promise<readonly string[]> {
  const text = await readFile(path, "utf8");
  return text.split("\n").filter((line) => line !== "");
}

function describe(line: string): string {
  const entry = parseLine(line)?.entry;
  if (entry === undefined) return `not readable: ${line}`;
  const { sequence, time, duty, validator, verdict, reason, caller, action, detail } =
    JSON.parse(entry);
  const at = new Date(time).toISOString();
  if (action !== undefined) return `${sequence} ${at} ${action} by ${caller}: ${detail}`;
  const why = reason === null ? "" : ` (${reason})`;
  const what = `${duty.slot}/${duty.type} validator ${validator}`;
  return `${sequence} ${at} ${what}: ${verdict}${why}, ${caller}`;
}
