/**
 * The slashing history that travels with a key (KEYS-1). Where a key changes the program that signs
 * with it, the new one must know what the old one signed: most slashings are a key that arrived
 * somewhere without its history, or that was live in two places.
 */
import { readTextFile } from "../adapters/system/files.ts";
import { genesisValidatorsRootOf } from "../cluster/genesisRoots.ts";
import { UsageError } from "../domain/errors.ts";
import type { PubKey, Root } from "../domain/keys.ts";
import { MAX_INTERCHANGE_BYTES } from "../domain/limits.ts";
import { type Highest, higher, summarizeInterchange } from "../safety/interchangeSummary.ts";
import type { HistorySource } from "./historyOptions.ts";

export type KeyHistory = {
  readonly genesisValidatorsRoot: Root;
  readonly highest: ReadonlyMap<PubKey, Highest>;
};

/** Keys without a history that are named at once. */
const MAX_NAMED_KEYS = 3;

/**
 * Reads the file and makes sure that it is of this chain and says something of each validator.
 * `validatorOf` maps public keys of the file, shares included, to validators; others are passed
 * over. Throws UsageError naming what is wrong.
 */
export async function readHistory(
  source: Extract<HistorySource, { readonly kind: "file" }>,
  keys: {
    readonly forkVersion: string;
    readonly validators: readonly PubKey[];
    readonly validatorOf: (publicKey: `0x${string}`) => PubKey | undefined;
  },
): Promise<KeyHistory> {
  const { path } = source;
  const text = await readTextFile(path, {
    maxBytes: MAX_INTERCHANGE_BYTES,
    missingFix: "export the slashing protection of what signs with the keys now",
  });
  const summary = summarizeInterchange(text);
  if (!summary.ok) {
    throw new UsageError(`${path} is no slashing history: ${summary.error}`, {
      fix: "export it again; a part of a history protects nobody",
    });
  }
  const genesisValidatorsRoot = expectedRoot(source, keys.forkVersion);
  if (summary.value.genesisValidatorsRoot !== genesisValidatorsRoot) {
    throw new UsageError(
      `${path} is of the chain with genesis validators root ` +
        `${summary.value.genesisValidatorsRoot}, the keys are for ${genesisValidatorsRoot}`,
      { fix: "export the history on the right chain, or correct --network" },
    );
  }
  const highest = new Map<PubKey, Highest>();
  for (const [publicKey, own] of summary.value.highest) {
    const validator = keys.validatorOf(publicKey);
    if (validator === undefined) continue;
    const known = highest.get(validator);
    highest.set(validator, known === undefined ? own : higher(known, own));
  }
  requireAll(path, keys.validators, highest);
  return { genesisValidatorsRoot, highest };
}

function requireAll(
  path: string,
  validators: readonly PubKey[],
  highest: ReadonlyMap<PubKey, Highest>,
): void {
  const missing = validators.filter((validator) => !highest.has(validator));
  if (missing.length === 0) return;
  const named = missing.slice(0, MAX_NAMED_KEYS).map((key) => `${key.slice(0, 18)}…`);
  const more = missing.length - named.length;
  throw new UsageError(
    `${path} says nothing of ${named.join(", ")}${more > 0 ? ` and ${more} more` : ""}`,
    {
      fix:
        "export the history of every key; keys that never signed go in a run of their own, with " +
        "--without-history-because (split, combine) or --fresh (run)",
    },
  );
}

function expectedRoot(
  source: Extract<HistorySource, { readonly kind: "file" }>,
  forkVersion: string,
): Root {
  const known = genesisValidatorsRootOf(forkVersion);
  const given = source.customRoot;
  if (known !== null && given !== null && known !== given) {
    throw new UsageError(`--testnet-genesis-validators-root is not this chain's, ${known}`, {
      fix: "leave it out: the chain is a public one",
    });
  }
  const root = known ?? given;
  if (root !== null) return root;
  throw new UsageError(`the chain with fork version ${forkVersion} is a private one`, {
    fix:
      "give its root to --testnet-genesis-validators-root; a beacon node tells it at " +
      "/eth/v1/beacon/genesis",
  });
}
