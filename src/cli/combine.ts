/**
 * `coterie combine`: the whole keys of a cluster that has stopped, from the key shares of t of its
 * operators, for going back to an ordinary validator client (KEYS-4). The cluster's history goes
 * along, or the keys stay apart.
 */
import { mkdir, mkdtemp, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { MODE_SECRET } from "../adapters/system/files.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { parseSecretKey } from "../crypto/points.ts";
import { type KeyShare, recoverSecret } from "../crypto/threshold.ts";
import { UsageError } from "../domain/errors.ts";
import { type LockIndex, pubKeyOf, shareIndexOf } from "../domain/keys.ts";
import { minimalInterchange } from "../safety/interchangeSummary.ts";
import { recentUse } from "./charonLock.ts";
import { readCluster } from "./clusterFile.ts";
import { readClusterHistory } from "./clusterHistory.ts";
import type { CombineOptions } from "./combineOptions.ts";
import { identityPath } from "./identityFiles.ts";
import { listKeystores, openKeystores } from "./keystoreFiles.ts";
import { placeOf, placesOf } from "./keystores.ts";
import { writeKeystores, writeNew } from "./keystoreWriter.ts";
import { COMBINE_CHECKLIST } from "./migrationChecklists.ts";

const LOCK_FILE = "cluster-lock.json";

/** Writes the keys and prints what is left to do; nothing is left behind when anything fails. */
export async function combine(options: CombineOptions): Promise<void> {
  const { outputDir } = options;
  await requireAbsent(outputDir);
  const dataDirs = await listDataDirs(options.clusterDir);
  const cluster = await readOneCluster(dataDirs, options);
  for (const dataDir of dataDirs) await requireStopped(dataDir);
  const history = await readClusterHistory(options.history, { cluster, dataDirs });
  const secrets = recoverKeys(cluster, await readAllShares(cluster, dataDirs));
  await mkdir(dirname(outputDir), { recursive: true, mode: 0o700 });
  const building = await mkdtemp(`${outputDir}.creating-`);
  try {
    const keystores = secrets.map((secret, i) => ({
      secret,
      base: join(building, `keystore-${i}`),
    }));
    const modes = { keystoreMode: MODE_SECRET, passwordMode: MODE_SECRET };
    await writeKeystores(keystores, { kdf: "pbkdf2", ...modes });
    if (history !== null) {
      const file = minimalInterchange(history.genesisValidatorsRoot, history.highest);
      const path = join(building, "slashing-protection.json");
      await writeNew(path, `${JSON.stringify(file, null, 2)}\n`, MODE_SECRET);
    }
    await rename(building, outputDir);
  } finally {
    await rm(building, { recursive: true, force: true });
  }
  process.stdout.write(`${summaryOf(cluster, options)}${COMBINE_CHECKLIST}`);
}

async function requireAbsent(folder: string): Promise<void> {
  const exists = await stat(folder).then(
    () => true,
    () => false,
  );
  if (!exists) return;
  throw new UsageError(`${folder} exists already and is not overwritten`, {
    fix: "choose another --output-dir",
  });
}

/** Folders with a cluster lock in them. */
async function listDataDirs(clusterDir: string): Promise<readonly string[]> {
  const fix = "put the operators' data directories into one folder and name it with --cluster-dir";
  const names = await readdir(clusterDir).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`${clusterDir} cannot be read: ${error.code}`, { fix, cause: error });
  });
  const found: string[] = [];
  for (const name of names.sort()) {
    const dataDir = join(clusterDir, name);
    const entries = await readdir(dataDir).catch(() => []);
    if (entries.some((entry) => entry === LOCK_FILE)) found.push(dataDir);
  }
  if (found.length > 0) return found;
  throw new UsageError(`${clusterDir} holds no data directory with a ${LOCK_FILE}`, { fix });
}

async function readOneCluster(
  dataDirs: readonly string[],
  { contractWallets }: CombineOptions,
): Promise<Cluster> {
  let first: Cluster | null = null;
  for (const dataDir of dataDirs) {
    const path = join(dataDir, LOCK_FILE);
    const cluster = await readCluster(path, contractWallets, "check --cluster-dir");
    first ??= cluster;
    if (cluster.lockHash === first.lockHash) continue;
    throw new UsageError(`${path} is the lock of another cluster than ${dataDirs[0]}'s`, {
      fix: "combine one cluster at a time",
    });
  }
  if (first === null) throw new UsageError("there is no cluster lock to read");
  return first;
}

/** KEYS-4: what the files of this machine can tell of a node that still runs, or ran just now. */
async function requireStopped(dataDir: string): Promise<void> {
  const use = await recentUse(await identityPath(dataDir), Date.now());
  if (use === null) return;
  throw new UsageError(
    `the node of ${dataDir} ("${use.command}") was running less than two epochs ago`,
    {
      fix: `stop all nodes of the cluster, and try again in ${Math.ceil(use.leftMs / 1000)} s`,
    },
  );
}

type Shares = ReadonlyMap<LockIndex, readonly KeyShare[]>;

/** One share per operator and validator, whichever folder it lies in. */
async function readAllShares(cluster: Cluster, dataDirs: readonly string[]): Promise<Shares> {
  const places = placesOf(cluster);
  const shares = new Map<LockIndex, KeyShare[]>();
  for (const dataDir of dataDirs) {
    const dir = join(dataDir, "validator_keys");
    const paths = await listKeystores(dir, "copy the operator's validator_keys folder here");
    const judge = (path: string, publicKey: string): void => {
      placeOf(path, publicKey, places);
    };
    for (const { path, publicKey, secret } of await openKeystores(paths, judge)) {
      const { validator, peer } = placeOf(path, publicKey, places);
      const known = shares.get(validator) ?? [];
      const index = shareIndexOf(peer);
      if (!known.some((share) => share.index === index)) known.push({ index, secret });
      shares.set(validator, known);
    }
  }
  return shares;
}

/** In the lock's order; each key is the one that the lock names. */
function recoverKeys(cluster: Cluster, shares: Shares): readonly Uint8Array[] {
  return cluster.validators.map(({ pubKey }, validator) => {
    const known = shares.get(validator) ?? [];
    if (known.length < cluster.threshold) {
      throw new UsageError(
        `validator ${validator} (${pubKey.slice(0, 12)}…) has key shares of ${known.length} ` +
          `operators, ${cluster.threshold} are needed`,
        { fix: "add the data directories of more operators to --cluster-dir" },
      );
    }
    const secret = recoverSecret(known.slice(0, cluster.threshold));
    const key = secret === null ? null : parseSecretKey(secret);
    if (secret === null || key === null || pubKeyOf(key.publicKey) !== pubKey) {
      throw new UsageError(`the key shares of validator ${validator} do not make its key`, {
        fix: "the cluster lock and the shares are of different ceremonies; find those that match",
      });
    }
    return secret;
  });
}

function summaryOf(cluster: Cluster, { outputDir, history }: CombineOptions): string {
  const from = history.kind === "file" ? `from ${history.path}` : `none: ${history.because}`;
  return [
    `cluster "${cluster.name}": ${cluster.validators.length} whole keys in ${outputDir}`,
    `slashing history ${from}`,
    "",
  ].join("\n");
}
