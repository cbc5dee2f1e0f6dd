/**
 * A node's data directory, read completely before anything starts: identity key, cluster lock and
 * key shares, laid out as DESIGN §10 says or as Charon leaves it. Every problem is a UsageError
 * that names file, problem and fix (CLI-6).
 */
import type { Cluster } from "../cluster/cluster.ts";
import type { ShareSecret } from "../crypto/builtinSigner.ts";
import { encodeEnr } from "../crypto/enr.ts";
import { createIdentity } from "../crypto/identity.ts";
import { UsageError } from "../domain/errors.ts";
import type { Identity } from "../ports/identity.ts";
import { readCluster } from "./clusterFile.ts";
import type { RunOptions } from "./config.ts";
import { identityPath, readIdentityKey } from "./identityFiles.ts";
import { readShares, type Shares } from "./keystores.ts";

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

/** A validator client holds them, and this process never sees them. */
const NO_SHARES: Shares = { shares: [], warnings: [] };

export async function readDataDir(
  paths: DataDirPaths,
  onProgress?: (done: number, total: number) => void,
): Promise<DataDir> {
  const key = await readIdentityKey(paths.privateKeyFile ?? (await identityPath(paths.dataDir)));
  const fix = "copy the cluster-lock.json of your ceremony here, or name it with --lock-file";
  const cluster = await readCluster(paths.lockFile, paths.contractWallets, fix);
  const operators = cluster.operators.map(({ publicKey }) => publicKey);
  const identity = createIdentity({ secretKey: key.secretKey, operators });
  if (identity === null) {
    const enr = encodeEnr({ secretKey: key.secretKey });
    throw new UsageError(`${key.path} (${enr}) is no operator's key of ${paths.lockFile}`, {
      fix: "use the identity key and the cluster lock of one and the same ceremony",
    });
  }
  const { shares, warnings } =
    paths.validatorKeysDir === null
      ? NO_SHARES
      : await readShares({
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
