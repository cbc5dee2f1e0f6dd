/** The options of `coterie create cluster`. */
import { UsageError } from "../domain/errors.ts";
import { MAX_NODES, MAX_VALIDATORS, MIN_NODES } from "../domain/limits.ts";
import {
  ADDRESS_OPTIONS,
  CHAIN_OPTIONS,
  isPrecious,
  parseAddresses,
  parseForkVersion,
  parseInteger,
  parseThreshold,
} from "./clusterSettings.ts";
import { HISTORY_OPTIONS, type HistorySource, parseHistorySource } from "./historyOptions.ts";
import { listKeystores } from "./keystoreFiles.ts";
import type { OptionSpec, RawOptions } from "./options.ts";

/** Keys that exist already and are split instead of new ones. */
export type SplitOptions = {
  /** Paths, one keystore for each validator. */
  readonly keystores: readonly string[];
  readonly history: HistorySource;
};

export type CreateClusterOptions = {
  readonly name: string;
  readonly clusterDir: string;
  readonly nodes: number;
  readonly threshold: number;
  readonly validators: number;
  /** Genesis fork version of the chain, four bytes. */
  readonly forkVersion: `0x${string}`;
  /** One per validator, 20 bytes each. */
  readonly feeRecipients: readonly `0x${string}`[];
  readonly withdrawalAddresses: readonly `0x${string}`[];
  readonly hasInsecureKeys: boolean;
  /** Null: new keys are made. */
  readonly split: SplitOptions | null;
};

export const CREATE_CLUSTER_OPTIONS = [
  { name: "name", value: "name", default: "coterie", help: "the cluster's name" },
  {
    name: "cluster-dir",
    value: "dir",
    default: "cluster",
    help: "one data dir per node goes here",
  },
  { name: "nodes", value: "n", default: "4", help: `operators, ${MIN_NODES} to ${MAX_NODES}` },
  { name: "threshold", value: "t", help: "key shares that sign; two thirds of the nodes" },
  {
    name: "num-validators",
    value: "count",
    help: "distributed validators; 1, or as many as there are keys to split",
  },
  ...CHAIN_OPTIONS,
  ...ADDRESS_OPTIONS,
  {
    name: "insecure-keys",
    help: "weak keystore encryption, fast to open; test networks only",
  },
  { name: "split-existing-keys", help: "split keys that exist already instead of new ones" },
  {
    name: "split-keys-dir",
    value: "dir",
    help: "their keystores keystore-*.json with passwords in .txt files of the same name",
  },
  ...HISTORY_OPTIONS,
] as const satisfies readonly OptionSpec[];

/** Keystores to split; null where new keys are made. Throws UsageError naming the flag. */
export async function listKeysToSplit(raw: RawOptions): Promise<readonly string[] | null> {
  const dir = raw["split-keys-dir"];
  if ((raw["split-existing-keys"] === undefined) !== (dir === undefined)) {
    throw new UsageError("--split-existing-keys and --split-keys-dir belong together", {
      fix: "give both to split existing keys, neither to make new ones",
    });
  }
  const fix = "name the folder of the keystores with --split-keys-dir";
  return dir === undefined ? null : listKeystores(dir, fix);
}

/** Throws UsageError naming the flag. `keystores` are those of {@link listKeysToSplit}. */
export function parseCreateClusterOptions(
  raw: RawOptions,
  keystores: readonly string[] | null,
): CreateClusterOptions {
  const nodes = parseInteger(raw, "nodes", { min: MIN_NODES, max: MAX_NODES });
  const threshold = parseThreshold(raw, nodes);
  const validators = countValidators(raw, keystores);
  const hasInsecureKeys = raw["insecure-keys"] !== undefined;
  const network = raw["network"];
  if (hasInsecureKeys && network !== undefined && isPrecious(network)) {
    throw new UsageError(`--insecure-keys is not for ${network}`, { fix: "leave it out" });
  }
  const options = { validators, isChecksumNeeded: false };
  return {
    name: raw["name"] ?? "",
    clusterDir: raw["cluster-dir"] ?? "",
    nodes,
    threshold,
    validators,
    forkVersion: parseForkVersion(raw),
    feeRecipients: parseAddresses(raw, "fee-recipient-addresses", options),
    withdrawalAddresses: parseAddresses(raw, "withdrawal-addresses", options),
    hasInsecureKeys,
    split: parseSplit(raw, keystores),
  };
}

function countValidators(raw: RawOptions, keystores: readonly string[] | null): number {
  const limits = { min: 1, max: MAX_VALIDATORS };
  const given =
    raw["num-validators"] === undefined ? null : parseInteger(raw, "num-validators", limits);
  if (keystores === null) return given ?? 1;
  if (keystores.length > MAX_VALIDATORS) {
    throw new UsageError(`${keystores.length} keys are more than one cluster holds`, {
      fix: `split at most ${MAX_VALIDATORS} at a time`,
    });
  }
  if (given === null || given === keystores.length) return keystores.length;
  throw new UsageError(`--num-validators ${given}: there are ${keystores.length} keys to split`, {
    fix: "leave it out",
  });
}

function parseSplit(raw: RawOptions, keystores: readonly string[] | null): SplitOptions | null {
  if (keystores !== null) return { keystores, history: parseHistorySource(raw) };
  const misplaced = HISTORY_OPTIONS.find(({ name }) => raw[name] !== undefined);
  if (misplaced === undefined) return null;
  throw new UsageError(`--${misplaced.name}: new keys have no history`, {
    fix: "leave it out, or split existing keys with --split-existing-keys",
  });
}
