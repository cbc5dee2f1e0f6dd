/**
 * What operators tell each other in the lobby (LOBBY-1): who waits with which version, definition
 * and clock. Told over the authenticated connection and believed of its sender only.
 */
import { z } from "zod";
import { type ClusterDefinition, DEFINITION_FIELDS } from "../cluster/definition.ts";
import { sha256 } from "../crypto/sha256.ts";
import type { RejectionReason } from "../domain/errors.ts";
import { MAX_CEREMONY_VERSION_BYTES, MAX_HELLO_BYTES, MAX_NODES } from "../domain/limits.ts";
import type { Millis } from "../domain/units.ts";
import { toHex } from "../util/bytes.ts";
import { parseQuotedJson } from "../util/json.ts";
import { err, ok, type Result } from "../util/result.ts";

/** `done`: everything is written and was read back. */
export const HELLO_STATES = ["waiting", "running", "done"] as const;
export type HelloState = (typeof HELLO_STATES)[number];

export type Hello = {
  /** Number of the ceremony's protocol. */
  readonly protocol: number;
  readonly version: string;
  readonly definitionHash: string;
  /** Digests of the definition's fields by path, so that a difference can be named. */
  readonly fields: Readonly<Record<string, string>>;
  /** The last attempt that is over for the sender; 0 for none. */
  readonly ended: number;
  /** The attempt that the sender is in, or could resume; 0 for none. */
  readonly current: number;
  /** Whether the sender holds messages of the receiver in that attempt. */
  readonly knowsYou: boolean;
  readonly state: HelloState;
  /** The sender's clock, Unix milliseconds. */
  readonly sentAt: Millis;
  /** The receiver's last hello, and how long the sender had it: what a round trip took. */
  readonly echo: { readonly sentAt: Millis; readonly heldMs: Millis } | null;
};

/** Fields of a definition with an entry per operator. */
const MAX_FIELDS = 32 + 4 * MAX_NODES;
const DIGEST_BYTES = 8;
const MAX_DEPTH = 4;
/** Control characters would be commands to the terminal of whoever reads it. */
const shownText = (max: number) =>
  z
    .string()
    .max(max)
    .regex(/^\P{Cc}*$/u);
const attempt = z.int().min(0).max(1_000_000);

const helloSchema = z.object({
  protocol: z.int().min(0),
  version: shownText(MAX_CEREMONY_VERSION_BYTES),
  definitionHash: z.string().regex(/^0x[0-9a-f]{64}$/),
  fields: z
    .record(shownText(64), z.string().max(2 * DIGEST_BYTES))
    .refine((fields) => Object.keys(fields).length <= MAX_FIELDS, "too many fields"),
  ended: attempt,
  current: attempt,
  knowsYou: z.boolean(),
  state: z.enum(HELLO_STATES),
  sentAt: z.number(),
  echo: z.object({ sentAt: z.number(), heldMs: z.number().min(0) }).nullable(),
});

export function encodeHello(hello: Hello): Uint8Array {
  return Buffer.from(JSON.stringify(hello), "utf8");
}

export function decodeHello(bytes: Uint8Array): Result<Hello, RejectionReason> {
  if (bytes.length > MAX_HELLO_BYTES) return err({ code: "malformed", detail: "a long hello" });
  const json = parseQuotedJson(Buffer.from(bytes).toString("utf8"), MAX_DEPTH);
  const parsed = json.ok ? helloSchema.safeParse(json.value) : null;
  if (parsed?.success === true) return ok(parsed.data);
  return err({ code: "malformed", detail: "a hello that does not decode" });
}

/** Digests of what a definition says, by path: operators one by one, validators as a whole. */
export function fieldDigests(definition: ClusterDefinition): Readonly<Record<string, string>> {
  const digests: Record<string, string> = {};
  const { operators, config_hash: _, definition_hash: __, ...rest } = definition;
  for (const [name, value] of fieldsOf(rest)) digests[name] = digestOf(value);
  digests["operators"] = digestOf(operators.length);
  for (const [i, operator] of operators.entries()) {
    for (const [name, value] of fieldsOf(operator)) {
      digests[`operators[${i}].${name}`] = digestOf(value);
    }
  }
  return digests;
}

/** Paths at which two definitions differ. */
export function differingFields(a: Hello["fields"], b: Hello["fields"]): readonly string[] {
  const paths = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...paths].filter((path) => a[path] !== b[path]).sort();
}

/** Those that mean something: whatever else a stranger wrote into the file stays there. */
function fieldsOf(part: object): readonly (readonly [string, unknown])[] {
  return Object.entries(part).filter(([name]) => DEFINITION_FIELDS.has(name));
}

function digestOf(value: unknown): string {
  const text = JSON.stringify(value, (_, item) => (typeof item === "bigint" ? String(item) : item));
  return toHex(sha256(Buffer.from(text ?? "", "utf8")).subarray(0, DIGEST_BYTES)).slice(2);
}
