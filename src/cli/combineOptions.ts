/** The options of `coterie combine`. */
import { CONTRACT_WALLETS, parseContractWallets } from "./config.ts";
import { HISTORY_OPTIONS, type HistorySource, parseHistorySource } from "./historyOptions.ts";
import type { OptionSpec, RawOptions } from "./options.ts";

export type CombineOptions = {
  /** Holds one folder per operator, each with a cluster lock and key shares. */
  readonly clusterDir: string;
  readonly outputDir: string;
  readonly history: HistorySource;
  readonly contractWallets: ReadonlySet<string>;
};

export const COMBINE_OPTIONS = [
  {
    name: "cluster-dir",
    value: "dir",
    default: "cluster",
    help: "holds the data directories of enough operators, e.g. cluster/node0",
  },
  {
    name: "output-dir",
    value: "dir",
    default: "validator_keys",
    help: "the whole keys go here; must not exist yet",
  },
  ...HISTORY_OPTIONS,
  CONTRACT_WALLETS,
] as const satisfies readonly OptionSpec[];

/** Throws UsageError naming the flag. */
export function parseCombineOptions(raw: RawOptions): CombineOptions {
  return {
    clusterDir: raw["cluster-dir"] ?? "",
    outputDir: raw["output-dir"] ?? "",
    history: parseHistorySource(raw),
    contractWallets: parseContractWallets(raw[CONTRACT_WALLETS.name]),
  };
}
