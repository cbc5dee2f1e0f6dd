/** The options of `coterie create cluster`. */
import { UsageError } from "../domain/errors.ts";
import { MAX_NODES, MAX_VALIDATORS, MIN_NODES } from "../domain/limits.ts";
import { isSafeThreshold, quorum } from "../domain/quorum.ts";
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
  { name: "network", value: "name", help: "mainnet, hoodi, sepolia, gnosis or chiado" },
  {
    name: "testnet-fork-version",
    value: "0x…",
    help: "genesis fork version of a private chain, instead of --network",
  },
  {
    name: "fee-recipient-addresses",
    value: "list",
    help: "one address for all validators, or one for each; required",
  },
  {
    name: "withdrawal-addresses",
    value: "list",
    help: "one address for all validators, or one for each; required",
  },
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

/** Genesis fork versions of public chains (their published configurations). */
const FORK_VERSIONS: ReadonlyMap<string, `0x${string}`> = new Map([
  ["mainnet", "0x00000000"],
  ["gnosis", "0x00000064"],
  ["chiado", "0x0000006f"],
  ["sepolia", "0x90000069"],
  ["hoodi", "0x10000910"],
]);
/** Chains whose coins have a price. */
const PRECIOUS = ["mainnet", "gnosis"];
const ZERO_ADDRESS = `0x${"0".repeat(40)}`;

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
  const nodes = integer(raw, "nodes", { min: MIN_NODES, max: MAX_NODES });
  const limits = { min: 2, max: nodes };
  const threshold =
    raw["threshold"] === undefined ? quorum(nodes) : integer(raw, "threshold", limits);
  if (!isSafeThreshold(nodes, threshold)) {
    throw new UsageError(`--threshold ${threshold} of ${nodes} nodes lets two groups sign apart`, {
      fix: `choose ${quorum(nodes)}`,
    });
  }
  const validators = countValidators(raw, keystores);
  const hasInsecureKeys = raw["insecure-keys"] !== undefined;
  const network = raw["network"];
  if (hasInsecureKeys && network !== undefined && PRECIOUS.includes(network)) {
    throw new UsageError(`--insecure-keys is not for ${network}`, { fix: "leave it out" });
  }
  return {
    name: raw["name"] ?? "",
    clusterDir: raw["cluster-dir"] ?? "",
    nodes,
    threshold,
    validators,
    forkVersion: forkVersionOf(raw),
    feeRecipients: addresses(raw, "fee-recipient-addresses", validators),
    withdrawalAddresses: addresses(raw, "withdrawal-addresses", validators),
    hasInsecureKeys,
    split: parseSplit(raw, keystores),
  };
}

function countValidators(raw: RawOptions, keystores: readonly string[] | null): number {
  const limits = { min: 1, max: MAX_VALIDATORS };
  const given = raw["num-validators"] === undefined ? null : integer(raw, "num-validators", limits);
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

function forkVersionOf(raw: RawOptions): `0x${string}` {
  const [network, custom] = [raw["network"], raw["testnet-fork-version"]];
  if ((network === undefined) === (custom === undefined)) {
    throw new UsageError("the chain is not known", {
      fix: "give either --network or, for a private chain, --testnet-fork-version",
    });
  }
  if (custom !== undefined) {
    if (isHex(custom, 4)) return custom;
    throw new UsageError(`--testnet-fork-version: "${custom}" is not 0x and 8 hex digits`);
  }
  const forkVersion = FORK_VERSIONS.get(network ?? "");
  if (forkVersion !== undefined) return forkVersion;
  throw new UsageError(`--network: "${network}" is unknown`, {
    fix: `choose ${[...FORK_VERSIONS.keys()].join(", ")}, or give --testnet-fork-version`,
  });
}

function integer(
  raw: RawOptions,
  name: string,
  { min, max }: { readonly min: number; readonly max: number },
): number {
  const text = raw[name] ?? "";
  const value = Number(text);
  if (/^\d{1,9}$/.test(text) && value >= min && value <= max) return value;
  throw new UsageError(`--${name}: "${text}" is no number from ${min} to ${max}`);
}

function addresses(raw: RawOptions, name: string, validators: number): readonly `0x${string}`[] {
  const items = (raw[name] ?? "").split(",").map((item) => item.trim());
  if (raw[name] === undefined) throw new UsageError(`--${name} is required`);
  const parsed = items.map((item) => {
    if (!isHex(item, 20)) throw new UsageError(`--${name}: "${item}" is no 20-byte address`);
    if (item.toLowerCase() === ZERO_ADDRESS) {
      throw new UsageError(`--${name}: money sent to the zero address is lost`, {
        fix: "give an address that you control",
      });
    }
    return item;
  });
  if (parsed.length === validators) return parsed;
  const [only] = parsed;
  if (parsed.length === 1 && only !== undefined)
    return Array.from({ length: validators }, () => only);
  throw new UsageError(`--${name} has ${parsed.length} entries for ${validators} validators`, {
    fix: "give one address for all, or one for each",
  });
}

function isHex(text: string, bytes: number): text is `0x${string}` {
  return new RegExp(`^0x[0-9a-fA-F]{${2 * bytes}}$`).test(text);
}
