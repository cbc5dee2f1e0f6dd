/** `blame.json`: the proof against one operator of a ceremony, for anybody to judge (DKG-11). */
import { z } from "zod";
import type { ClusterDefinition } from "../cluster/definition.ts";
import { type ClusterFault, faultsOf } from "../cluster/fault.ts";
import { sameBytes } from "../cluster/fields.ts";
import { MAX_CLUSTER_FILE_BYTES, MAX_JSON_DEPTH } from "../domain/limits.ts";
import { fromHex, toHex } from "../util/bytes.ts";
import { parseQuotedJson } from "../util/json.ts";
import { err, ok, type Result } from "../util/result.ts";
import { judgeBlame } from "./blame.ts";
import { ceremonyFacts } from "./facts.ts";

export const BLAME_FORMAT = "coterie-dkg-blame/1";

const schema = z.strictObject({
  format: z.literal(BLAME_FORMAT),
  definition_hash: z.string().regex(/^0x[0-9a-f]{64}$/),
  attempt: z.int().min(1).max(0xffff_ffff),
  culprit: z.int().min(0),
  reason: z.string(),
  evidence: z.string().regex(/^0x(?:[0-9a-f]{2})*$/),
});
export type BlameFile = z.infer<typeof schema>;

/** The file's text. */
export function writeBlame(input: {
  readonly definitionHash: string;
  readonly attempt: number;
  readonly culprit: number;
  readonly reason: string;
  readonly evidence: Uint8Array;
}): string {
  const file: BlameFile = {
    format: BLAME_FORMAT,
    definition_hash: input.definitionHash,
    attempt: input.attempt,
    culprit: input.culprit,
    reason: input.reason,
    evidence: toHex(input.evidence),
  };
  return `${JSON.stringify(file, null, 1)}\n`;
}

export function parseBlame(text: string): Result<BlameFile, readonly ClusterFault[]> {
  if (text.length > MAX_CLUSTER_FILE_BYTES) return err([{ path: "", reason: "is too large" }]);
  const json = parseQuotedJson(text, MAX_JSON_DEPTH);
  if (!json.ok) return err([{ path: "", reason: `the file is no JSON: ${json.error}` }]);
  const parsed = schema.safeParse(json.value);
  return parsed.success ? ok(parsed.data) : err(faultsOf(parsed.error));
}

/** Why the file proves nothing against its culprit; none where it does. */
export function blameFaults(blame: BlameFile, definition: ClusterDefinition) {
  const faults: ClusterFault[] = [];
  if (!sameBytes(blame.definition_hash, definition.definition_hash)) {
    return [{ path: "definition_hash", reason: "is of another definition" }];
  }
  const facts = ceremonyFacts(definition, blame.attempt);
  if (!facts.ok) return [facts.error];
  const judged = judgeBlame(facts.value, fromHex(blame.evidence) ?? new Uint8Array());
  if (!judged.ok) faults.push({ path: "evidence", reason: `proves nothing: ${judged.error}` });
  else if (judged.value.culprit !== blame.culprit) {
    const reason = `is ${blame.culprit}, the evidence convicts operator ${judged.value.culprit}`;
    faults.push({ path: "culprit", reason });
  }
  return faults;
}
