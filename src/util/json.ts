/**
 * JSON that loses nothing: integers beyond 2^53 are read as bigint and written back digit for
 * digit, where the language's default rounds them silently. Bounded in nesting before it is parsed.
 */
import { err, ok, type Result } from "./result.ts";

export type Json =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly Json[]
  | { readonly [key: string]: Json };

/** ES2026 "JSON.parse source text access", in V8 since 11.4 and not yet in TypeScript's library. */
type SourceJson = {
  parse(text: string, reviver: (key: string, value: unknown, context: Source) => unknown): Json;
  rawJSON(text: string): unknown;
};
type Source = { readonly source?: string };
const sourceJson = JSON as unknown as SourceJson;

/** Parses `text`; the error says what is wrong with it. */
export function parseJson(text: string, maxDepth: number): Result<Json, string> {
  if (nestingOf(text) > maxDepth) return err(`nested deeper than ${maxDepth} levels`);
  try {
    return ok(sourceJson.parse(text, (_key, value, { source }) => exactNumber(value, source)));
  } catch (error) {
    if (error instanceof SyntaxError) return err(error.message);
    throw error;
  }
}

/**
 * The same, several times faster, for texts that quote their large numbers: an unquoted one beyond
 * 2^53 is rounded.
 */
export function parseQuotedJson(text: string, maxDepth: number): Result<unknown, string> {
  if (nestingOf(text) > maxDepth) return err(`nested deeper than ${maxDepth} levels`);
  try {
    return ok(JSON.parse(text));
  } catch (error) {
    if (error instanceof SyntaxError) return err(error.message);
    throw error;
  }
}

/** Writes what {@link parseJson} read; `indent` spaces per level. */
export function writeJson(value: Json, indent: number): string {
  const replace = (_key: string, item: unknown) =>
    typeof item === "bigint" ? sourceJson.rawJSON(item.toString()) : item;
  return JSON.stringify(value, replace, indent);
}

function exactNumber(value: unknown, source: string | undefined): unknown {
  if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
  return source !== undefined && /^-?\d+$/.test(source) ? BigInt(source) : value;
}

/** Depth of brackets outside of strings, in one pass without recursion. */
function nestingOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (inString) {
      if (char === "\\") i++;
      else if (char === '"') inString = false;
    } else if (char === '"') inString = true;
    else if (char === "[" || char === "{") deepest = Math.max(deepest, ++depth);
    else if (char === "]" || char === "}") depth--;
  }
  return deepest;
}
