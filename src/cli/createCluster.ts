/**
 * `coterie create cluster`: a trusted dealer for tests and demos. Every node gets one complete data
 * directory; all of them are built aside and appear whole (CLI-9).
 */
import { access, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { MODE_PUBLIC_FINAL, MODE_SECRET, MODE_SECRET_FINAL } from "../adapters/system/files.ts";
import { systemRandom } from "../adapters/system/random.ts";
import { createCluster, type NewCluster, type NodeSecrets } from "../cluster/create.ts";
import { writeDepositFile } from "../cluster/depositFile.ts";
import { writeLock } from "../cluster/lock.ts";
import { formatIdentityKey } from "../crypto/identity.ts";
import { encryptKeystore } from "../crypto/keystore.ts";
import { UsageError } from "../domain/errors.ts";
import { toHex } from "../util/bytes.ts";
import type { CreateClusterOptions } from "./createClusterOptions.ts";
import { IDENTITY_FILE } from "./identityFiles.ts";

const WARNING = `\
WARNING: this machine held the whole key of every validator. Whoever read its memory or
disk can sign, and be slashed, without the cluster. For tests and demos only: for real
stake, keys are made by a ceremony in which nobody ever holds a whole key.
`;
/** EIP-2334 path that Charon writes for every share. */
const KEY_PATH = "m/12381/3600/0/0/0";
const PASSWORD_BYTES = 16;
/** Node's thread pool derives this many keys at once. */
const PARALLEL_KEYSTORES = 4;
const PROGRESS_MS = 200;

/** Makes the cluster and prints where it is; no node appears before all are complete. */
export async function createClusterFiles(options: CreateClusterOptions): Promise<void> {
  const { clusterDir, nodes } = options;
  await mkdir(clusterDir, { recursive: true, mode: 0o700 });
  const targets = Array.from({ length: nodes }, (_, i) => join(clusterDir, `node${i}`));
  await requireAbsent(targets);
  process.stderr.write(WARNING);
  const cluster = dealCluster(options);
  const building = await mkdtemp(join(clusterDir, ".creating-"));
  try {
    const folders = targets.map((_, i) => join(building, `node${i}`));
    await writeNodes(cluster, folders, options);
    for (const [i, folder] of folders.entries()) await rename(folder, targets[i] ?? "");
  } finally {
    await rm(building, { recursive: true, force: true });
  }
  process.stdout.write(summaryOf(cluster, options));
}

async function requireAbsent(folders: readonly string[]): Promise<void> {
  for (const folder of folders) {
    const exists = await access(folder).then(
      () => true,
      () => false,
    );
    if (!exists) continue;
    throw new UsageError(`${folder} exists already and is not overwritten`, {
      fix: "choose another --cluster-dir, or move the old cluster away",
    });
  }
}

function dealCluster(options: CreateClusterOptions): NewCluster {
  return createCluster({
    name: options.name,
    nodes: options.nodes,
    threshold: options.threshold,
    forkVersion: options.forkVersion,
    validators: options.feeRecipients.map((feeRecipient, i) => ({
      feeRecipient,
      withdrawalAddress: options.withdrawalAddresses[i] ?? "",
    })),
    createdAt: new Date().toISOString().replace(/\.\d+Z$/, "Z"),
    random: systemRandom,
  });
}

async function writeNodes(
  cluster: NewCluster,
  folders: readonly string[],
  options: CreateClusterOptions,
): Promise<void> {
  const lock = writeLock(cluster.lock);
  const deposits = writeDepositFile(cluster.deposits, options.forkVersion);
  for (const [i, node] of cluster.nodes.entries()) {
    const folder = folders[i] ?? "";
    await mkdir(join(folder, "validator_keys"), { recursive: true, mode: 0o700 });
    const identity = formatIdentityKey(node.identityKey);
    await writeNew(join(folder, IDENTITY_FILE), identity, MODE_SECRET);
    await writeNew(join(folder, "cluster-lock.json"), lock, MODE_PUBLIC_FINAL);
    await writeNew(join(folder, "deposit-data.json"), deposits, MODE_PUBLIC_FINAL);
  }
  await writeKeystores(cluster.nodes, folders, options.hasInsecureKeys);
}

async function writeKeystores(
  nodes: readonly NodeSecrets[],
  folders: readonly string[],
  isInsecure: boolean,
): Promise<void> {
  const label = isInsecure ? "keystore-insecure" : "keystore";
  const waiting = nodes.flatMap((node, i) =>
    node.shares.map((secret, k) => ({
      secret,
      path: join(folders[i] ?? "", "validator_keys", `${label}-${k}`),
    })),
  );
  const progress = createProgress("keystores", waiting.length);
  const writeNext = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) {
      const { secret, path } = item;
      const password = toHex(systemRandom.bytes(PASSWORD_BYTES)).slice(2);
      const kdf = isInsecure ? "weak" : "pbkdf2";
      const options = { secret, password, random: systemRandom, kdf, path: KEY_PATH } as const;
      await writeNew(`${path}.json`, await encryptKeystore(options), MODE_PUBLIC_FINAL);
      await writeNew(`${path}.txt`, password, MODE_SECRET_FINAL);
      progress.advance();
    }
  };
  await Promise.all(Array.from({ length: PARALLEL_KEYSTORES }, writeNext));
  progress.end();
}

/** Synced: a key that is gone after a power cut is money that is gone. */
function writeNew(path: string, data: string, mode: number): Promise<void> {
  return writeFile(path, data, { flag: "wx", mode, flush: true });
}

type Progress = { advance(): void; end(): void };

/** One line that counts, on a terminal only: a log file needs no progress. */
function createProgress(what: string, total: number): Progress {
  if (!process.stderr.isTTY) return { advance: () => undefined, end: () => undefined };
  let done = 0;
  let shownAt = 0;
  return {
    advance() {
      done++;
      if (performance.now() - shownAt < PROGRESS_MS) return;
      shownAt = performance.now();
      process.stderr.write(`\r${what} ${done}/${total}`);
    },
    end: () => process.stderr.write(`\r${what} ${done}/${total}\n`),
  };
}

function summaryOf(cluster: NewCluster, options: CreateClusterOptions): string {
  const { name, clusterDir, nodes, threshold, validators } = options;
  return [
    `cluster "${name}": ${nodes} nodes, ${threshold} of them sign, ${validators} validators`,
    `lock hash ${cluster.lock.lock_hash}`,
    `data directories ${join(clusterDir, "node0")} to ${join(clusterDir, `node${nodes - 1}`)}`,
    `next: coterie run --data-dir ${join(clusterDir, "node0")} --beacon-node-endpoints <url>`,
    "",
  ].join("\n");
}
