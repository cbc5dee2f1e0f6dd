/**
 * The options that name a slashing history. What reads one is apart: it leads to the SSZ types,
 * whose preset is chosen after the options are known (CLI-5).
 */
import { UsageError } from "../domain/errors.ts";
import { type Root, rootOf } from "../domain/keys.ts";
import { fromHex } from "../util/bytes.ts";
import type { OptionSpec, RawOptions } from "./options.ts";

export const HISTORY_OPTIONS = [
  {
    name: "slashing-history",
    value: "file",
    help: "EIP-3076 interchange file: everything that was signed with the keys",
  },
  {
    name: "without-history-because",
    value: "reason",
    help: "go on without a history, e.g. for keys that never signed; the reason is kept",
  },
  {
    name: "testnet-genesis-validators-root",
    value: "0x…",
    help: "of a private chain, which its slashing history must name",
  },
] as const satisfies readonly OptionSpec[];

export type HistorySource =
  | { readonly kind: "file"; readonly path: string; readonly customRoot: Root | null }
  | { readonly kind: "none"; readonly because: string };

/** Throws UsageError unless a history is given, or the reason why there is none. */
export function parseHistorySource(raw: RawOptions): HistorySource {
  const [path, because] = [raw["slashing-history"], raw["without-history-because"]?.trim()];
  if ((path === undefined) === (because === undefined || because === "")) {
    throw new UsageError(
      path === undefined
        ? "the keys' slashing history is missing: without it they can be made to sign twice"
        : "--slashing-history and --without-history-because exclude each other",
      {
        fix:
          "stop what signs with the keys now, export its slashing protection (EIP-3076) and give " +
          "the file to --slashing-history",
      },
    );
  }
  if (path === undefined) return { kind: "none", because: because ?? "" };
  return { kind: "file", path, customRoot: parseRoot(raw["testnet-genesis-validators-root"]) };
}

export function parseRoot(text: string | undefined): Root | null {
  if (text === undefined) return null;
  const bytes = fromHex(text);
  if (bytes?.length === 32) return rootOf(bytes);
  throw new UsageError(`--testnet-genesis-validators-root: "${text}" is not 0x and 64 hex digits`);
}
