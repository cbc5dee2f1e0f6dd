/**
 * The safety records of a node that does not run: opened under its instance lock, so that no node
 * starts meanwhile, and closed again whatever happens.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { openAuditFiles } from "../../adapters/storage/auditFiles.ts";
import { acquireInstanceLock } from "../../adapters/storage/instanceLock.ts";
import { openLevel } from "../../adapters/storage/level.ts";
import { systemClock } from "../../adapters/system/clock.ts";
import { systemRandom } from "../../adapters/system/random.ts";
import { FaultError, UsageError } from "../../domain/errors.ts";
import type { Root } from "../../domain/keys.ts";
import { openAudit } from "../../node/audit.ts";
import { AuditProjector } from "../../node/auditProjector.ts";
import type { KeyValueStore } from "../../ports/keyValueStore.ts";
import type { Logger } from "../../ports/logger.ts";
import type { AuditLog } from "../../safety/auditLog.ts";
import { type Freezes, openFreezes } from "../../safety/freezes.ts";
import { damagedRecords, openSlashingStore } from "../../safety/openSlashingStore.ts";
import { decodeHead, HEAD_KEY } from "../../safety/records.ts";
import type { SlashingStore } from "../../safety/slashingStore.ts";
import { versionInfo } from "../version.ts";

/** A command says what it has to say itself. */
const SILENT: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: (message) => process.stderr.write(`warning: ${message}\n`),
  error: (message) => process.stderr.write(`warning: ${message}\n`),
  child: () => SILENT,
};
const QUIET = { clock: systemClock, logger: SILENT, precursors: { count: () => undefined } };

export type StoppedNode = {
  readonly store: KeyValueStore;
  readonly slashing: SlashingStore;
  readonly freezes: Freezes;
  readonly audit: AuditLog;
  /** Makes what was audited visible in the audit file. */
  readonly project: () => Promise<void>;
};

/**
 * `freshRoot` is the chain of a data directory that has no records yet; null where there have to be
 * some. Throws `FaultError("data_dir_in_use")` while a node runs.
 */
export async function withStoppedNode<T>(
  dataDir: string,
  freshRoot: Root | null,
  use: (node: StoppedNode) => Promise<T>,
): Promise<T> {
  const directory = join(dataDir, "db");
  if (freshRoot === null && !existsSync(directory)) throw neverRan(dataDir);
  await using closing = new AsyncDisposableStack();
  let lost: string | null = null;
  const lock = await acquireInstanceLock({
    directory: dataDir,
    clock: systemClock,
    random: systemRandom,
    onLost: (reason) => {
      lost = reason;
    },
  });
  closing.defer(() => lock.release());
  const level = await openLevel(directory);
  closing.defer(() => level.close());
  const root = (await rootOf(level)) ?? freshRoot;
  if (root === null) throw neverRan(dataDir);
  const slashing = await openSlashingStore(level, root);
  const freezes = await openFreezes(level);
  const { version } = versionInfo();
  const audit = await openAudit({ store: level, clock: systemClock, version }, slashing);
  const auditFile = openAuditFiles({ directory: join(dataDir, "audit") });
  closing.defer(() => auditFile.close());
  const projector = new AuditProjector({ audit, auditFile, ...QUIET });
  await projector.open();
  const project = (): Promise<void> => projector.project();
  const result = await use({ store: level, slashing, freezes, audit, project });
  await project();
  if (lost !== null) throw new FaultError("data_dir_lost", lost);
  return result;
}

async function rootOf(store: KeyValueStore): Promise<Root | null> {
  const head = await store.get(HEAD_KEY);
  if (head === undefined) return null;
  const decoded = decodeHead(head);
  if (decoded.ok) return decoded.value.genesisValidatorsRoot;
  throw damagedRecords(decoded.error);
}

function neverRan(dataDir: string): UsageError {
  return new UsageError(`${dataDir} holds no records: its node has never run`, {
    fix: "check --data-dir; before the first start, a file named FREEZE freezes the node",
  });
}
