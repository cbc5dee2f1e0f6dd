/** `coterie verify lock`: what a cluster lock says, and whether all of it is true. */
import { readTextFile } from "../adapters/system/files.ts";
import type { ClusterFault } from "../cluster/fault.ts";
import { type ClusterLock, parseLock } from "../cluster/lock.ts";
import { networkOf } from "../cluster/networks.ts";
import { verifyLock } from "../cluster/verify.ts";
import { MAX_CLUSTER_FILE_BYTES } from "../domain/limits.ts";
import { liveNodesNeeded } from "../domain/quorum.ts";

export type LockReport = { readonly isValid: boolean; readonly text: string };

/** Lines of one table; the JSON form has everything. */
const MAX_SHOWN = 20;

export async function verifyLockFile(options: {
  readonly path: string;
  readonly contractWallets: ReadonlySet<string>;
  readonly json: boolean;
}): Promise<LockReport> {
  const { path, contractWallets, json } = options;
  const text = await readTextFile(path, {
    maxBytes: MAX_CLUSTER_FILE_BYTES,
    missingFix: "name a cluster-lock.json",
  });
  const parsed = parseLock(text);
  const verified = parsed.ok ? verifyLock(parsed.value, contractWallets) : parsed;
  const faults = verified.ok ? [] : verified.error;
  const lock = parsed.ok ? parsed.value : null;
  const report = json ? jsonReport(lock, faults) : humanReport(path, lock, faults);
  return { isValid: faults.length === 0, text: report };
}

/** The field and what is wrong with it, in one sentence. */
export function describeFault({ path, reason }: ClusterFault): string {
  return path === "" ? reason : `${path} ${reason}`;
}

function jsonReport(lock: ClusterLock | null, faults: readonly ClusterFault[]): string {
  const summary = lock === null ? {} : summaryOf(lock);
  return `${JSON.stringify({ valid: faults.length === 0, ...summary, faults }, null, 2)}\n`;
}

function summaryOf(lock: ClusterLock) {
  const definition = lock.cluster_definition;
  return {
    name: definition.name,
    version: definition.version,
    network: networkOf(definition.fork_version)?.name ?? null,
    forkVersion: definition.fork_version,
    lockHash: lock.lock_hash,
    threshold: definition.threshold,
    operators: definition.operators.map(({ enr }) => enr),
    validators: lock.distributed_validators.map((validator) => validator.distributed_public_key),
  };
}

function humanReport(
  path: string,
  lock: ClusterLock | null,
  faults: readonly ClusterFault[],
): string {
  const lines = lock === null ? [] : describeLock(lock);
  if (faults.length === 0)
    return `${[...lines, "ok: all hashes and signatures hold"].join("\n")}\n`;
  const named = faults.slice(0, MAX_SHOWN).map((fault) => `  ${describeFault(fault)}`);
  const more = moreThan(faults.length);
  return `${[...lines, `INVALID: ${path}`, ...named, ...more].join("\n")}\n`;
}

function describeLock(lock: ClusterLock): readonly string[] {
  const { name, network, forkVersion, version, lockHash, threshold, operators, validators } =
    summaryOf(lock);
  const needed = liveNodesNeeded(operators.length, threshold);
  return [
    `cluster     ${name} (${version})`,
    `network     ${network ?? "private"} (fork version ${forkVersion})`,
    `lock hash   ${lockHash}`,
    `threshold   ${threshold} of ${operators.length} shares sign; ${needed} nodes must be live`,
    ...numbered("operators", operators.map(shorten)),
    ...numbered("validators", validators),
  ];
}

/** One item per line behind a heading in the first. */
function numbered(heading: string, items: readonly string[]): readonly string[] {
  const shown = items.slice(0, MAX_SHOWN).map((item, index) => {
    return `${(index === 0 ? heading : "").padEnd(12)}${String(index).padStart(2)}  ${item}`;
  });
  return [...shown, ...moreThan(items.length)];
}

function moreThan(count: number): readonly string[] {
  return count > MAX_SHOWN ? [`            … and ${count - MAX_SHOWN} more (--json has all)`] : [];
}

function shorten(enr: string): string {
  return enr.length > 40 ? `${enr.slice(0, 24)}…${enr.slice(-12)}` : enr;
}
