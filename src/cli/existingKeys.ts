/**
 * Keys of ordinary validators that are about to be split (KEYS-2): their keystores, and the history
 * that every node of the new cluster starts with, so that no share begins with a blank one.
 */
import { join } from "node:path";
import { openLevel } from "../adapters/storage/level.ts";
import { MODE_PUBLIC_FINAL } from "../adapters/system/files.ts";
import { UsageError } from "../domain/errors.ts";
import { type PubKey, pubKeyOf } from "../domain/keys.ts";
import { importInterchange } from "../safety/interchange.ts";
import { minimalInterchange } from "../safety/interchangeSummary.ts";
import { openSlashingStore } from "../safety/openSlashingStore.ts";
import { assert } from "../util/assert.ts";
import { fromHex } from "../util/bytes.ts";
import type { SplitOptions } from "./createClusterOptions.ts";
import { type OpenedKeystore, openKeystores } from "./keystoreFiles.ts";
import { writeNew } from "./keystoreWriter.ts";
import { type KeyHistory, readHistory } from "./slashingHistory.ts";

export type ExistingKeys = {
  /** In the order of the lock's validators. */
  readonly keystores: readonly OpenedKeystore[];
  /** Null when the operator said why there is none. */
  readonly history: KeyHistory | null;
  readonly withoutHistoryBecause: string | null;
};

/** Says in each data directory where its keys came from. */
const ORIGIN_FILE = "key-origin.json";

/** Throws UsageError naming the file at fault. */
export async function readExistingKeys(
  split: SplitOptions,
  forkVersion: string,
): Promise<ExistingKeys> {
  const keystores = await openKeystores(split.keystores, () => undefined);
  const owners = new Map<string, PubKey>();
  for (const { path, publicKey } of keystores) {
    if (owners.has(publicKey)) {
      throw new UsageError(`${path} holds a key that another keystore holds too`, {
        fix: "remove one of them: a validator cannot be in a cluster twice",
      });
    }
    owners.set(publicKey, pubKeyOf(fromHex(publicKey) ?? new Uint8Array()));
  }
  const { history: source } = split;
  if (source.kind === "none") {
    return { keystores, history: null, withoutHistoryBecause: source.because };
  }
  const history = await readHistory(source, {
    forkVersion,
    validators: [...owners.values()],
    validatorOf: (publicKey) => owners.get(publicKey),
  });
  return { keystores, history, withoutHistoryBecause: null };
}

/** Puts the history into the slashing store of each data directory, and on record where from. */
export async function writeHistory(
  existing: ExistingKeys,
  folders: readonly string[],
): Promise<void> {
  for (const folder of folders) {
    if (existing.history !== null) await importHistory(join(folder, "db"), existing.history);
    await writeNew(join(folder, ORIGIN_FILE), describeOrigin(existing), MODE_PUBLIC_FINAL);
  }
}

async function importHistory(
  directory: string,
  { genesisValidatorsRoot, highest }: KeyHistory,
): Promise<void> {
  const level = await openLevel(directory);
  try {
    const store = await openSlashingStore(level, genesisValidatorsRoot);
    const interchange = JSON.stringify(minimalInterchange(genesisValidatorsRoot, highest));
    const owners = new Map<string, PubKey>([...highest.keys()].map((key) => [key, key]));
    const validatorOf = (publicKey: string): PubKey | null => owners.get(publicKey) ?? null;
    const imported = await importInterchange(store, interchange, { validatorOf });
    assert(imported.ok, `a summary is a valid history: ${imported.ok ? "" : imported.error}`);
  } finally {
    await level.close();
  }
}

function describeOrigin({ keystores, history, withoutHistoryBecause }: ExistingKeys): string {
  const origin = {
    split_at: new Date().toISOString(),
    validators: keystores.map(({ publicKey }) => publicKey),
    slashing_history: history === null ? null : "imported up to the highest signed epoch and slot",
    without_history_because: withoutHistoryBecause,
  };
  return `${JSON.stringify(origin, null, 2)}\n`;
}
