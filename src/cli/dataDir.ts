/**
 * A node's data directory, read completely before anything starts: identity key, cluster lock and
 * key shares, laid out as DESIGN §10 says or as Charon leaves it. Every problem is a UsageError
 * that names file, problem and fix (CLI-6).
 */
import { readTextFile } from "../adapters/system/files.ts";
import { type Cluster, clusterOf } from "../cluster/cluster.ts";
import { parseLock } from "../cluster/lock.ts";
import { verifyLock } from "../cluster/verify.ts";
import type { ShareSecret } from "../crypto/builtinSigner.ts";
import { encodeEnr } from "../crypto/enr.ts";
import { createIdentity } from "../crypto/identity.ts";
import { UsageError } from "../domain/errors.ts";
import { MAX_CLUSTER_FILE_BYTES } from "../domain/limits.ts";
import type { Identity } from "../ports/identity.ts";
import type { RunOptions } from "./config.ts";
import { identityPath, readIdentityKey } from "./identityFiles.ts";
import { readShares } from "./keystores.ts";
import { describeFault } from "./verifyLock.ts";

export type DataDir = {
  readonly cluster: Cluster;
  readonly identity: Identity;
  /** Of the identity key, for the lock file beside it. */
  readonly identityPath: string;
  /** 32 bytes. */
  readonly secretKey: Uint8Array;
  readonly shares: readonly ShareSecret[];
  /** What the operator should look at, though the node runs. */
  readonly warnings: readonly string[];
};

export type DataDirPaths = Pick<
  RunOptions,
  "dataDir" | "lockFile" | "privateKeyFile" | "validatorKeysDir" | "contractWallets"
>;

/** Faults of a lock that are named at once. */
const MAX_NAMED_FAULTS = 3;

export async function readDataDir(
  paths: DataDirPaths,
  onProgress?: (done: number, total: number) => void,
): Promise<DataDir> {
  const key = await readIdentityKey(paths.privateKeyFile ?? (await identityPath(paths.dataDir)));
  const cluster = await readCluster(paths);
  const operators = cluster.operators.map(({ publicKey }) => publicKey);
  const identity = createIdentity({ secretKey: key.secretKey, operators });
  if (identity === null) {
    const enr = encodeEnr({ secretKey: key.secretKey });
    throw new UsageError(`${key.path} (${enr}) is no operator's key of ${paths.lockFile}`, {
      fix: "use the identity key and the cluster lock of one and the same ceremony",
    });
  }
  const { shares, warnings } = await readShares({
    dir: paths.validatorKeysDir,
    cluster,
    self: identity.self,
    ...(onProgress === undefined ? {} : { onProgress }),
  });
  return {
    cluster,
    identity,
    identityPath: key.path,
    secretKey: key.secretKey,
    shares,
    warnings: [...key.warnings, ...warnings],
  };
}

async function readCluster(paths: DataDirPaths): Promise<Cluster> {
  const path = paths.lockFile;
  const text = await readTextFile(path, {
    maxBytes: MAX_CLUSTER_FILE_BYTES,
    missingFix: "copy the cluster-lock.json of your ceremony here, or name it with --lock-file",
  });
  const parsed = parseLock(text);
  const verified = parsed.ok ? verifyLock(parsed.value, paths.contractWallets) : parsed;
  if (verified.ok) return clusterOf(verified.value);
  const named = verified.error.slice(0, MAX_NAMED_FAULTS).map(describeFault);
  const more = verified.error.length - named.length;
  const tail = more > 0 ? [`and ${more} more`] : [];
  throw new UsageError([`${path} is not valid`, ...named, ...tail].join("\n  "), {
    fix: `copy the file again from another operator; details: coterie verify lock ${path}`,
  });
}
