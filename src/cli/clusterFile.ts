/** A cluster lock from a file, verified: what it says is known to be true, or nothing is used. */
import { readTextFile } from "../adapters/system/files.ts";
import { type Cluster, clusterOf } from "../cluster/cluster.ts";
import type { ClusterFault } from "../cluster/fault.ts";
import { parseLock } from "../cluster/lock.ts";
import { verifyLock } from "../cluster/verify.ts";
import { UsageError } from "../domain/errors.ts";
import { MAX_CLUSTER_FILE_BYTES } from "../domain/limits.ts";
import { describeFault } from "./verifyLock.ts";

/** Faults of a file that are named at once. */
const MAX_NAMED_FAULTS = 3;

/** Throws UsageError naming the file and what is wrong with it. */
export async function readCluster(
  path: string,
  contractWallets: ReadonlySet<string>,
  missingFix: string,
): Promise<Cluster> {
  const text = await readTextFile(path, { maxBytes: MAX_CLUSTER_FILE_BYTES, missingFix });
  const parsed = parseLock(text);
  const verified = parsed.ok ? verifyLock(parsed.value, contractWallets) : parsed;
  if (verified.ok) return clusterOf(verified.value);
  throw new UsageError(invalidFile(path, verified.error), {
    fix: `copy the file again from another operator; details: coterie verify lock ${path}`,
  });
}

/** What is wrong with a file, the first faults by name. */
export function invalidFile(path: string, faults: readonly ClusterFault[]): string {
  const named = faults.slice(0, MAX_NAMED_FAULTS).map(describeFault);
  const more = faults.length - named.length;
  const tail = more > 0 ? [`and ${more} more`] : [];
  return [`${path} is not valid`, ...named, ...tail].join("\n  ");
}
