/** Options of the commands that make clusters, dealt or not: chain, threshold, money. */
import { addressFault } from "../cluster/addresses.ts";
import { UsageError } from "../domain/errors.ts";
import { isSafeThreshold, quorum } from "../domain/quorum.ts";
import type { OptionSpec, RawOptions } from "./options.ts";

export const CHAIN_OPTIONS = [
  { name: "network", value: "name", help: "mainnet, hoodi, sepolia, gnosis or chiado" },
  {
    name: "testnet-fork-version",
    value: "0x…",
    help: "genesis fork version of a private chain, instead of --network",
  },
] as const satisfies readonly OptionSpec[];

export const ADDRESS_OPTIONS = [
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

export function isPrecious(network: string): boolean {
  return PRECIOUS.includes(network);
}

export function parseForkVersion(raw: RawOptions): `0x${string}` {
  const [network, custom] = [raw["network"], raw["testnet-fork-version"]];
  if ((network === undefined) === (custom === undefined)) {
    throw new UsageError("the chain is not known", {
      fix: "give either --network or, for a private chain, --testnet-fork-version",
    });
  }
  if (custom !== undefined) {
    if (isForkVersion(custom)) return custom;
    throw new UsageError(`--testnet-fork-version: "${custom}" is not 0x and 8 hex digits`);
  }
  const forkVersion = FORK_VERSIONS.get(network ?? "");
  if (forkVersion !== undefined) return forkVersion;
  throw new UsageError(`--network: "${network}" is unknown`, {
    fix: `choose ${[...FORK_VERSIONS.keys()].join(", ")}, or give --testnet-fork-version`,
  });
}

/** Two thirds of the nodes unless told; never one at which two groups could sign apart. */
export function parseThreshold(raw: RawOptions, nodes: number): number {
  const limits = { min: 2, max: nodes };
  const threshold =
    raw["threshold"] === undefined ? quorum(nodes) : parseInteger(raw, "threshold", limits);
  if (isSafeThreshold(nodes, threshold)) return threshold;
  throw new UsageError(`--threshold ${threshold} of ${nodes} nodes lets two groups sign apart`, {
    fix: `choose ${quorum(nodes)}`,
  });
}

export function parseInteger(
  raw: RawOptions,
  name: string,
  { min, max }: { readonly min: number; readonly max: number },
): number {
  const text = raw[name] ?? "";
  const value = Number(text);
  if (/^\d{1,9}$/.test(text) && value >= min && value <= max) return value;
  throw new UsageError(`--${name}: "${text}" is no number from ${min} to ${max}`);
}

/** One address per validator: as many as there are, or one for all. */
export function parseAddresses(
  raw: RawOptions,
  name: (typeof ADDRESS_OPTIONS)[number]["name"],
  options: { readonly validators: number; readonly isChecksumNeeded: boolean },
): readonly `0x${string}`[] {
  const { validators } = options;
  const items = (raw[name] ?? "").split(",").map((item) => item.trim());
  if (raw[name] === undefined) throw new UsageError(`--${name} is required`);
  const parsed = items.map((item) => {
    const fault = addressFault(item, options);
    if (fault === null) return item as `0x${string}`;
    throw new UsageError(`--${name}: "${item}" ${fault}`, {
      fix: "copy an address that you control from your wallet, capitals included",
    });
  });
  if (parsed.length === validators) return parsed;
  const [only] = parsed;
  if (parsed.length === 1 && only !== undefined)
    return Array.from({ length: validators }, () => only);
  throw new UsageError(`--${name} has ${parsed.length} entries for ${validators} validators`, {
    fix: "give one address for all, or one for each",
  });
}

function isForkVersion(text: string): text is `0x${string}` {
  return /^0x[0-9a-fA-F]{8}$/.test(text);
}
