/**
 * What a stopped cluster signed, as far as its parts on this machine know (KEYS-5): the history
 * file that its operator exported and the slashing stores of the data directories at hand.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { openLevel } from "../adapters/storage/level.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { UsageError } from "../domain/errors.ts";
import type { PubKey, Root } from "../domain/keys.ts";
import { covers, type Highest, highestOf } from "../safety/interchangeSummary.ts";
import { openSlashingStore } from "../safety/openSlashingStore.ts";
import { decodeHead, HEAD_KEY } from "../safety/records.ts";
import type { HistorySource } from "./historyOptions.ts";
import { type KeyHistory, readHistory } from "./slashingHistory.ts";

/** A file that every LevelDB directory has; opening one that is none would create it. */
const LEVEL_MARK = "CURRENT";

type Parts = { readonly cluster: Cluster; readonly dataDirs: readonly string[] };

/**
 * The file's history after a comparison with every store: what a store knows beyond the file says
 * that the file is out of date. Null where there is none and no store knows better.
 */
export async function readClusterHistory(
  source: HistorySource,
  { cluster, dataDirs }: Parts,
): Promise<KeyHistory | null> {
  const history = source.kind === "none" ? null : await readFileHistory(source, cluster);
  for (const dataDir of dataDirs) {
    const known = await readStore(dataDir, history?.genesisValidatorsRoot ?? null);
    for (const [pubKey, highest] of known) {
      if (cluster.validator(pubKey) === undefined) continue;
      const told = history?.highest.get(pubKey) ?? NOTHING;
      if (!covers(told, highest)) throw outOfDate(source, dataDir, pubKey);
    }
  }
  return history;
}

const NOTHING: Highest = { attestation: null, block: null };

async function readFileHistory(
  source: Extract<HistorySource, { readonly kind: "file" }>,
  { forkVersion, validators }: Cluster,
): Promise<KeyHistory> {
  const owners = new Map<string, PubKey>();
  for (const { pubKey, pubShares } of validators) {
    owners.set(pubKey, pubKey);
    for (const pubShare of pubShares) owners.set(pubShare, pubKey);
  }
  return readHistory(source, {
    forkVersion,
    validators: validators.map(({ pubKey }) => pubKey),
    validatorOf: (publicKey) => owners.get(publicKey),
  });
}

/** Empty where the data directory came without its database; throws while a node has it open. */
async function readStore(
  dataDir: string,
  expectedRoot: Root | null,
): Promise<ReadonlyMap<PubKey, Highest>> {
  const directory = join(dataDir, "db");
  if (!existsSync(join(directory, LEVEL_MARK))) return new Map();
  const level = await openLevel(directory);
  try {
    const head = await level.get(HEAD_KEY);
    if (head === undefined) return new Map();
    const decoded = decodeHead(head);
    if (!decoded.ok) throw new UsageError(`the slashing records of ${dataDir}: ${decoded.error}`);
    const root = expectedRoot ?? decoded.value.genesisValidatorsRoot;
    const store = await openSlashingStore(level, root);
    return new Map(store.snapshot().map(([pubKey, history]) => [pubKey, highestOf(history)]));
  } finally {
    await level.close();
  }
}

function outOfDate(source: HistorySource, dataDir: string, pubKey: PubKey): UsageError {
  const what = source.kind === "file" ? `${source.path} is older than` : "there is no history, but";
  return new UsageError(`${what} what ${dataDir} signed for ${pubKey.slice(0, 18)}…`, {
    fix: "stop all nodes, export the slashing history again and give it to --slashing-history",
  });
}
