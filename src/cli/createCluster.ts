/**
 * `coterie create cluster`: a trusted dealer, for tests, demos and splitting keys that exist. Every
 * node gets one complete data directory; all of them are built aside and appear whole (CLI-9).
 */
import { access, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { MODE_PUBLIC_FINAL, MODE_SECRET, MODE_SECRET_FINAL } from "../adapters/system/files.ts";
import { systemRandom } from "../adapters/system/random.ts";
import { createCluster, type NewCluster, type NodeSecrets } from "../cluster/create.ts";
import { writeDepositFile } from "../cluster/depositFile.ts";
import { writeLock } from "../cluster/lock.ts";
import { formatIdentityKey } from "../crypto/identity.ts";
import { UsageError } from "../domain/errors.ts";
import type { CreateClusterOptions } from "./createClusterOptions.ts";
import { type ExistingKeys, readExistingKeys, writeHistory } from "./existingKeys.ts";
import { IDENTITY_FILE } from "./identityFiles.ts";
import { writeKeystores, writeNew } from "./keystoreWriter.ts";
import { SPLIT_CHECKLIST } from "./migrationChecklists.ts";

const WARNING = `\
WARNING: this machine held the whole key of every validator. Whoever read its memory or
disk can sign, and be slashed, without the cluster. For tests and demos only: for real
stake, keys are made by a ceremony in which nobody ever holds a whole key.
`;
/** Makes the cluster and prints where it is; nothing is left behind when anything fails. */
export async function createClusterFiles(options: CreateClusterOptions): Promise<void> {
  const { clusterDir, nodes } = options;
  await mkdir(clusterDir, { recursive: true, mode: 0o700 });
  const targets = Array.from({ length: nodes }, (_, i) => join(clusterDir, `node${i}`));
  await requireAbsent(targets);
  process.stderr.write(WARNING);
  const existing =
    options.split === null ? null : await readExistingKeys(options.split, options.forkVersion);
  const cluster = dealCluster(options, existing);
  const building = await mkdtemp(join(clusterDir, ".creating-"));
  try {
    const folders = targets.map((_, i) => join(building, `node${i}`));
    await writeNodes(cluster, folders, options);
    if (existing !== null) await writeHistory(existing, folders);
    for (const [i, folder] of folders.entries()) await rename(folder, targets[i] ?? "");
  } finally {
    await rm(building, { recursive: true, force: true });
  }
  process.stdout.write(summaryOf(cluster, options));
  if (options.split !== null) process.stdout.write(SPLIT_CHECKLIST);
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

function dealCluster(options: CreateClusterOptions, existing: ExistingKeys | null): NewCluster {
  return createCluster({
    name: options.name,
    nodes: options.nodes,
    threshold: options.threshold,
    forkVersion: options.forkVersion,
    validators: options.feeRecipients.map((feeRecipient, i) => ({
      feeRecipient,
      withdrawalAddress: options.withdrawalAddresses[i] ?? "",
      ...secretAt(existing, i),
    })),
    createdAt: new Date().toISOString().replace(/\.\d+Z$/, "Z"),
    random: systemRandom,
  });
}

function secretAt(existing: ExistingKeys | null, index: number): { readonly secret?: Uint8Array } {
  const secret = existing?.keystores[index]?.secret;
  return secret === undefined ? {} : { secret };
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
    // An existing validator has its deposit; a second one would be 32 ETH by mistake.
    if (options.split !== null) continue;
    await writeNew(join(folder, "deposit-data.json"), deposits, MODE_PUBLIC_FINAL);
  }
  await writeShares(cluster.nodes, folders, options.hasInsecureKeys);
}

async function writeShares(
  nodes: readonly NodeSecrets[],
  folders: readonly string[],
  isInsecure: boolean,
): Promise<void> {
  const label = isInsecure ? "keystore-insecure" : "keystore";
  const shares = nodes.flatMap((node, i) =>
    node.shares.map((secret, k) => ({
      secret,
      base: join(folders[i] ?? "", "validator_keys", `${label}-${k}`),
    })),
  );
  await writeKeystores(shares, {
    kdf: isInsecure ? "weak" : "pbkdf2",
    keystoreMode: MODE_PUBLIC_FINAL,
    passwordMode: MODE_SECRET_FINAL,
  });
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
