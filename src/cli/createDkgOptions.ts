/** The options of `coterie create dkg`. */
import { DEFAULT_DEPOSIT_AMOUNTS, depositAmountsFault, gweiOf } from "../cluster/depositAmounts.ts";
import { DEFAULT_GAS_LIMIT, GAS_LIMITS } from "../cluster/newDefinition.ts";
import { UsageError } from "../domain/errors.ts";
import { MAX_NODES, MAX_VALIDATORS, MIN_NODES } from "../domain/limits.ts";
import {
  ADDRESS_OPTIONS,
  CHAIN_OPTIONS,
  parseAddresses,
  parseForkVersion,
  parseInteger,
  parseThreshold,
} from "./clusterSettings.ts";
import type { OptionSpec, RawOptions } from "./options.ts";

export type CreateDkgOptions = {
  readonly name: string;
  readonly outputDir: string;
  readonly enrs: readonly string[];
  readonly threshold: number;
  readonly forkVersion: `0x${string}`;
  /** One per validator, 20 bytes each, with their checksums. */
  readonly feeRecipients: readonly `0x${string}`[];
  readonly withdrawalAddresses: readonly `0x${string}`[];
  /** Gwei. */
  readonly depositAmounts: readonly bigint[];
  readonly isCompounding: boolean;
  readonly targetGasLimit: number;
};

export const CREATE_DKG_OPTIONS = [
  { name: "name", value: "name", help: "the cluster's name; required" },
  {
    name: "output-dir",
    value: "dir",
    default: ".",
    help: "cluster-definition.json goes here",
  },
  {
    name: "operator-enrs",
    value: "list",
    help: "what coterie create enr printed for each operator, comma separated; required",
  },
  { name: "threshold", value: "t", help: "key shares that sign; two thirds of the operators" },
  { name: "num-validators", value: "count", default: "1", help: "distributed validators" },
  ...CHAIN_OPTIONS,
  ...ADDRESS_OPTIONS,
  {
    name: "deposit-amounts",
    value: "list",
    help: "ETH of each deposit of a validator, e.g. 1,31; 32 in one unless told",
  },
  {
    name: "compounding",
    help: "withdrawal credentials 0x02: the stake may grow to 2048 ETH",
  },
  {
    name: "target-gas-limit",
    value: "gas",
    default: String(DEFAULT_GAS_LIMIT),
    help: "gas limit that the registrations with block builders ask for",
  },
] as const satisfies readonly OptionSpec[];

/** Throws UsageError naming the flag. */
export function parseCreateDkgOptions(raw: RawOptions): CreateDkgOptions {
  const name = raw["name"]?.trim() ?? "";
  if (name === "" || Buffer.byteLength(name) > 256) {
    throw new UsageError("--name is required, in at most 256 bytes", {
      fix: "name the cluster, e.g. --name squad",
    });
  }
  const enrs = (raw["operator-enrs"] ?? "").split(/[\s,]+/).filter((item) => item !== "");
  if (enrs.length < MIN_NODES || enrs.length > MAX_NODES) {
    throw new UsageError(
      `--operator-enrs: a cluster has ${MIN_NODES} to ${MAX_NODES} operators, not ` +
        `${enrs.length}`,
      { fix: "every operator runs coterie create enr and sends you what it prints" },
    );
  }
  const validators = parseInteger(raw, "num-validators", { min: 1, max: MAX_VALIDATORS });
  const addresses = { validators, isChecksumNeeded: true };
  const isCompounding = raw["compounding"] !== undefined;
  return {
    name,
    outputDir: raw["output-dir"] ?? "",
    enrs,
    threshold: parseThreshold(raw, enrs.length),
    forkVersion: parseForkVersion(raw),
    feeRecipients: parseAddresses(raw, "fee-recipient-addresses", addresses),
    withdrawalAddresses: parseAddresses(raw, "withdrawal-addresses", addresses),
    depositAmounts: parseAmounts(raw["deposit-amounts"], isCompounding),
    isCompounding,
    targetGasLimit: parseInteger(raw, "target-gas-limit", GAS_LIMITS),
  };
}

function parseAmounts(text: string | undefined, isCompounding: boolean): readonly bigint[] {
  if (text === undefined) return DEFAULT_DEPOSIT_AMOUNTS;
  const amounts = text.split(",").map((item) => {
    const amount = gweiOf(item.trim());
    if (amount !== null) return amount;
    throw new UsageError(`--deposit-amounts: "${item}" is no amount of ETH`, {
      fix: "write e.g. --deposit-amounts 1,31",
    });
  });
  const fault = depositAmountsFault(amounts, isCompounding);
  if (fault !== null) throw new UsageError(`--deposit-amounts: ${fault}`);
  return amounts;
}
