/**
 * Key shares that this data directory does not know yet (KEYS-6). Before the built-in signer gets
 * them the records learn what was signed with them elsewhere, or the beacon node says that nothing
 * can have been: a key that arrives without its history is how validators are slashed.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { readTextFile } from "../adapters/system/files.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { parseTranscript } from "../dkg/transcript.ts";
import { FaultError, UsageError } from "../domain/errors.ts";
import type { PubKey, Root } from "../domain/keys.ts";
import { MAX_CLUSTER_FILE_BYTES, MIGRATION_WAIT_EPOCHS } from "../domain/limits.ts";
import type { Millis } from "../domain/units.ts";
import type { Chain } from "../eth2/chain.ts";
import { openAudit } from "../node/audit.ts";
import { connectChain } from "../node/chainConnection.ts";
import { ownerOf } from "../node/safetyControl.ts";
import type { BeaconNode } from "../ports/beaconNode.ts";
import type { Clock } from "../ports/clock.ts";
import type { KeyValueStore } from "../ports/keyValueStore.ts";
import type { Logger } from "../ports/logger.ts";
import { importInterchange } from "../safety/interchange.ts";
import { minimalInterchange } from "../safety/interchangeSummary.ts";
import { hasMetLock } from "../safety/migrationWait.ts";
import { openSlashingStore } from "../safety/openSlashingStore.ts";
import type { HistorySnapshot, SlashingStore } from "../safety/slashingStore.ts";
import { assert } from "../util/assert.ts";
import type { RunOptions } from "./config.ts";
import type { DataDir } from "./dataDir.ts";
import { readHistory } from "./slashingHistory.ts";
import { versionInfo } from "./version.ts";

type ImportParts = {
  readonly options: Pick<RunOptions, "dataDir" | "keyHistory" | "skipWait">;
  readonly dataDir: Pick<DataDir, "cluster" | "identity" | "shares">;
  readonly store: KeyValueStore;
  readonly beacon: BeaconNode;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Hears what the start waits for. */
  readonly onWaiting: (reason: string) => void;
};
/** A share's validator, and the key under which the share is known. */
type Share = { readonly pubKey: PubKey; readonly knownKey: string };

const NOT_READ =
  "The slashing history that was named was not read: this node's records know of its key shares " +
  "already. What was signed elsewhere since then comes in with: coterie slashing import";
const KNOWN_RANGE = { gte: "keys/", lt: "keys0" };
const RETRY_MS: Millis = 1_000;
/** Validators that are named at once. */
const MAX_NAMED = 3;

/**
 * Resolves once the signer may have the data directory's shares, with whether nobody can have
 * signed under the lock yet; asks the beacon node for as long as it takes. Throws UsageError that
 * says what is missing.
 */
export async function importKeys(parts: ImportParts, signal: AbortSignal): Promise<boolean> {
  const unknown = await unknownShares(parts);
  const isRead = unknown.length > 0 && (await importUnknown(parts, unknown, signal));
  const { file } = parts.options.keyHistory;
  if (file !== null && !isRead) parts.logger.info(NOT_READ, { file });
  return isFreshCluster(parts, signal);
}

/** Whether any of them needed a history. */
async function importUnknown(
  parts: ImportParts,
  unknown: readonly Share[],
  signal: AbortSignal,
): Promise<boolean> {
  const { store, dataDir } = parts;
  const chain = await connectChain({ ...parts, ...dataDir }, signal);
  const slashing = await openSlashingStore(store, chain.genesisValidatorsRoot);
  const histories = new Map(slashing.snapshot());
  const blank = unknown.filter(({ pubKey }) => !isHistoryOfShare(histories.get(pubKey)));
  if (blank.length > 0) {
    const keys = blank.map(({ pubKey }) => pubKey);
    const detail = await settleHistory(parts, { chain, slashing, keys }, signal);
    const audit = await openAudit({ ...parts, version: versionInfo().version }, slashing);
    audit.append({ kind: "action", action: "key-import", caller: "operator", detail });
    await audit.flush();
  }
  const value = Uint8Array.of(1);
  await store.batch(unknown.map(({ knownKey: key }) => ({ type: "put", key, value })));
  return blank.length > 0;
}

/**
 * WAIT-1: this node's own ceremony made the keys, and the chain has let none of them sign. Asked at
 * the first start only.
 */
async function isFreshCluster(parts: ImportParts, signal: AbortSignal): Promise<boolean> {
  const { options, dataDir, store } = parts;
  const { cluster } = dataDir;
  if (await hasMetLock(store, cluster.lockHash)) return false;
  if (!(await isFromCeremony(options.dataDir, cluster))) return false;
  const keys = cluster.validators.map(({ pubKey }) => pubKey);
  return (await activeAmong(parts, keys, signal)).length === 0;
}

/** Shares that no start of this data directory has met. */
async function unknownShares({ dataDir, store }: ImportParts): Promise<readonly Share[]> {
  const { cluster, identity, shares } = dataDir;
  const known = new Set<string>();
  for await (const [key] of store.entries(KNOWN_RANGE)) known.add(key);
  return shares
    .map(({ validator }): Share => {
      const found = cluster.validators[validator];
      const pubShare = found?.pubShares[identity.self];
      assert(found !== undefined && pubShare !== undefined, "a read share is in the lock");
      return { pubKey: found.pubKey, knownKey: `keys/${pubShare.slice(2)}` };
    })
    .filter(({ knownKey }) => !known.has(knownKey));
}

/** What the cluster signed without this share says nothing of what the share signed elsewhere. */
function isHistoryOfShare(history: HistorySnapshot | undefined): boolean {
  const records = [...(history?.attestations ?? []), ...(history?.blocks ?? [])];
  return records.some(({ origin }) => origin === "own" || origin === "imported");
}

type Blank = {
  readonly chain: Chain;
  readonly slashing: SlashingStore;
  readonly keys: readonly PubKey[];
};

/** In words for the audit log; throws UsageError where nothing vouches for the keys. */
async function settleHistory(
  parts: ImportParts,
  blank: Blank,
  signal: AbortSignal,
): Promise<string> {
  const { options, clock, dataDir } = parts;
  const { chain, keys } = blank;
  const what = `key shares of ${keys.length} validators`;
  const { file, isFresh } = options.keyHistory;
  if (file !== null) return importHistory(parts, file, blank);
  if (options.skipWait) return `${what} without a history, by --skip-wait`;
  // WAIT-1: nobody can have signed elsewhere yet.
  const epoch = chain.epochOf(Math.max(0, chain.slotAt(clock.now())));
  if (epoch < MIGRATION_WAIT_EPOCHS) return `${what}, at the beginning of the chain`;
  const isOwn = await isFromCeremony(options.dataDir, dataDir.cluster);
  if (!isFresh && !isOwn) throw historyMissing(keys, "their key shares are new here");
  const active = await activeAmong(parts, keys, signal);
  if (active.length === 0) return `${what} that were never active`;
  throw historyMissing(active, "the beacon node says that they have been active");
}

/** Of the file no more than the highest of each, which refuses at least as much (SLASH-12). */
async function importHistory(
  { dataDir: { cluster } }: ImportParts,
  path: string,
  { chain, slashing, keys }: Blank,
): Promise<string> {
  const validatorOf = ownerOf(cluster);
  const root: Root = chain.genesisValidatorsRoot;
  const { highest } = await readHistory(
    { kind: "file", path, customRoot: root },
    {
      forkVersion: cluster.forkVersion,
      validators: keys,
      validatorOf: (publicKey) => validatorOf(publicKey) ?? undefined,
    },
  );
  const text = JSON.stringify(minimalInterchange(root, highest));
  const imported = await importInterchange(slashing, text, { validatorOf });
  assert(imported.ok, `a summary is a valid history: ${imported.ok ? "" : imported.error}`);
  return `key shares of ${keys.length} validators with the history of ${path}`;
}

/** Whether this very cluster's ceremony wrote the data directory: its keys are nobody else's. */
async function isFromCeremony(dataDir: string, cluster: Cluster): Promise<boolean> {
  const path = join(dataDir, "transcript.json");
  if (!existsSync(path)) return false;
  const text = await readTextFile(path, { maxBytes: MAX_CLUSTER_FILE_BYTES, missingFix: "" });
  const transcript = parseTranscript(text);
  return transcript.ok && transcript.value.lock_hash === cluster.lockHash;
}

/** Those that the chain has ever let sign; a beacon node that lags may not know them yet. */
async function activeAmong(
  { beacon, clock, logger, onWaiting }: ImportParts,
  keys: readonly PubKey[],
  signal: AbortSignal,
): Promise<readonly PubKey[]> {
  for (;;) {
    try {
      const { isSyncing } = await beacon.syncStatus(signal);
      if (isSyncing) throw new FaultError("beacon_syncing", "asked whether its keys were active");
      const states = await beacon.validators(keys, signal);
      return states.filter(({ status }) => !status.startsWith("pending")).map((s) => s.pubKey);
    } catch (error) {
      if (!(error instanceof FaultError && error.retryable)) throw error;
      onWaiting(error.message);
      logger.debug("The beacon node does not say whether the keys were active.", {
        reason: error.message,
      });
    }
    await clock.sleep(RETRY_MS, signal);
  }
}

function historyMissing(keys: readonly PubKey[], why: string): UsageError {
  const named = keys.slice(0, MAX_NAMED).map((key) => `${key.slice(0, 18)}…`);
  const more = keys.length - named.length;
  const which = `${named.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
  return new UsageError(
    `this node's records say nothing of ${which}, and ${why}: without their history they can be ` +
      "made to sign twice",
    {
      fix:
        "stop what signs with these key shares now, export its slashing protection (EIP-3076) " +
        "and give the file to --slashing-protection; where it is lost, another operator's " +
        "coterie slashing export --view validator --minify-at does as well; --fresh is for keys " +
        "that were never active",
    },
  );
}
