/**
 * `transcript.json`: what was said in a finished ceremony, for anybody (DKG-13). Sealed shares are
 * in it as hashes only, signatures of key shares as the hashes of the messages that held them.
 */
import { z } from "zod";
import type { ClusterFault } from "../cluster/fault.ts";
import { faultsOf } from "../cluster/fault.ts";
import { MAX_CLUSTER_FILE_BYTES, MAX_JSON_DEPTH, MAX_NODES } from "../domain/limits.ts";
import { toHex } from "../util/bytes.ts";
import { parseQuotedJson } from "../util/json.ts";
import { err, ok, type Result } from "../util/result.ts";
import { CEREMONY_PHASES, type CeremonyEcho, type CeremonyPhase } from "../wire/ceremony.ts";
import { witnessDigest } from "./digests.ts";
import type { PublicRecord } from "./record.ts";

const FORMAT = "coterie-dkg-transcript/1";
/** Phases that end with everybody's signature of everybody's hashes. */
export const ECHOED_PHASES: ReadonlySet<CeremonyPhase> = new Set([
  "agree",
  "commit",
  "reveal",
  "verdict",
  "nodes",
]);

const hex = (bytes?: number) =>
  z
    .string()
    .regex(bytes === undefined ? /^0x(?:[0-9a-f]{2})*$/ : new RegExp(`^0x[0-9a-f]{${2 * bytes}}$`));
const signature = hex(65);
const spoken = z.array(z.strictObject({ body: hex(), signature })).max(MAX_NODES);
const hashed = z.array(z.strictObject({ hash: hex(32), signature })).max(MAX_NODES);
const echoes = z.array(z.strictObject({ witnesses: hex(32), signature })).max(MAX_NODES);
const echoed = z.strictObject({ messages: spoken, echoes });
const schema = z.strictObject({
  format: z.literal(FORMAT),
  definition_hash: hex(32),
  attempt: z.int().min(1).max(0xffff_ffff),
  lock_hash: hex(32),
  agree: echoed,
  commit: echoed,
  reveal: echoed,
  verdict: echoed,
  keys: z.strictObject({ messages: spoken }),
  deposits: z.strictObject({ messages: hashed }),
  lock: z.strictObject({ messages: hashed }),
  nodes: echoed,
});

/** The file's fields; bytes are lower-case 0x hex. */
export type Transcript = z.infer<typeof schema>;

/** The one text of a transcript. */
export function writeTranscript(transcript: Transcript): string {
  return `${JSON.stringify(transcript, null, 1)}\n`;
}

/** Only the text that {@link writeTranscript} writes is one: no byte of it may differ. */
export function parseTranscript(text: string): Result<Transcript, readonly ClusterFault[]> {
  const whole = (reason: string) => err([{ path: "", reason }]);
  if (text.length > MAX_CLUSTER_FILE_BYTES) return whole("the file is too large");
  const json = parseQuotedJson(text, MAX_JSON_DEPTH);
  if (!json.ok) return whole(`the file is no JSON: ${json.error}`);
  const parsed = schema.safeParse(json.value);
  if (!parsed.success) return err(faultsOf(parsed.error));
  const canonical = writeTranscript(parsed.data);
  if (canonical === text) return ok(parsed.data);
  let at = 0;
  while (canonical[at] === text[at]) at++;
  const line = text.slice(0, at).split("\n").length;
  return whole(`line ${line} is not written as a transcript is, from character ${at} of the file`);
}

/** Of a finished ceremony: `echoes` holds each operator's in every echoed phase. */
export function transcriptOf(
  record: PublicRecord,
  echoesOf: (phase: CeremonyPhase) => readonly CeremonyEcho[],
): Transcript {
  const spokenIn = (phase: CeremonyPhase) =>
    record.messages(phase).map((message) => ({
      body: toHex(message.body),
      signature: toHex(message.signature),
    }));
  const hashedIn = (phase: CeremonyPhase) =>
    record.messages(phase).map((message, i) => ({
      hash: toHex(record.vector(phase)?.[i] ?? new Uint8Array()),
      signature: toHex(message.signature),
    }));
  const echoedIn = (phase: CeremonyPhase) => ({
    messages: spokenIn(phase),
    echoes: echoesOf(phase).map((echo) => ({
      witnesses: toHex(witnessDigest(echo.witnesses)),
      signature: toHex(echo.signature),
    })),
  });
  return {
    format: FORMAT,
    definition_hash: record.facts.definitionHash,
    attempt: record.facts.attempt,
    lock_hash: record.lockRoot(),
    agree: echoedIn("agree"),
    commit: echoedIn("commit"),
    reveal: echoedIn("reveal"),
    verdict: echoedIn("verdict"),
    keys: { messages: spokenIn("keys") },
    deposits: { messages: hashedIn("deposits") },
    lock: { messages: hashedIn("lock") },
    nodes: echoedIn("nodes"),
  };
}

/** Everything that a transcript holds of one phase. */
export type TranscribedPhase = {
  readonly messages: readonly {
    readonly body?: string;
    readonly hash?: string;
    readonly signature: string;
  }[];
  readonly echoes?: readonly { readonly witnesses: string; readonly signature: string }[];
};

/** The phases in order. */
export function phasesOf(
  transcript: Transcript,
): readonly (readonly [CeremonyPhase, TranscribedPhase])[] {
  return CEREMONY_PHASES.map((phase) => [phase, transcript[phase]]);
}
