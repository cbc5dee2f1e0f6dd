/**
 * Charon's lock beside the identity key (CLI-8): a JSON file that the running program rewrites
 * every second. It is honoured and written, so that Charon and Coterie never run on one key at the
 * same time, nor one after the other under different cluster locks without the two epochs between.
 * Among our own processes the instance lock decides; this one is for the neighbour.
 */
import { readFile, rename, writeFile } from "node:fs/promises";
import { z } from "zod";
import { FaultError } from "../domain/errors.ts";
import type { Root } from "../domain/keys.ts";
import type { Millis } from "../domain/units.ts";
import type { Clock } from "../ports/clock.ts";
import { parseJson } from "../util/json.ts";

export type CharonLockOptions = {
  /** The identity key's file; the lock lies beside it. */
  readonly identityPath: string;
  /** Of the cluster lock that this node signs under. */
  readonly lockHash: Root;
  readonly clock: Clock;
  /** Another program took the file, or it cannot be written: this node must stop signing. */
  onLost(reason: string): void;
  /** The file is young: a look at whether it changes takes some seconds. */
  onWaiting(): void;
};

export type CharonLock = {
  /** Stops the heartbeat. The file stays: its age and cluster are what the next start must know. */
  release(): void;
};

const HEARTBEAT_MS: Millis = 1_000;
/** Charon takes a lock of this age for abandoned. */
const STALE_MS: Millis = 5_000;
const POLL_MS: Millis = 250;
/** Two epochs of 32 slots of 12 seconds, as Charon counts them. */
const MIGRATION_MS: Millis = 768_000;
const MAX_JSON_DEPTH = 2;

const contentSchema = z.object({
  command: z.string(),
  timestamp: z.iso.datetime({ offset: true }).transform((text) => Date.parse(text)),
  cluster_lock_hash: z.string().optional(),
});

/**
 * Takes the lock; throws `FaultError("data_dir_in_use")` while a live program holds it, or within
 * two epochs after one used the key under another cluster lock.
 */
export async function holdCharonLock(
  options: CharonLockOptions,
  signal: AbortSignal,
): Promise<CharonLock> {
  const path = `${options.identityPath}.lock`;
  await requireFree(path, options, signal);
  const written = await writeLock(path, options);
  const stopping = new AbortController();
  void keepAlive(path, { ...options, written, signal: stopping.signal });
  return { release: () => stopping.abort() };
}

/**
 * Whether a program, ours or Charon, used the identity key within the last two epochs: who, and in
 * how many milliseconds that will be over. Null when none did, as far as the file beside it says.
 */
export async function recentUse(
  identityPath: string,
  now: Millis,
): Promise<{ readonly command: string; readonly leftMs: Millis } | null> {
  const found = await readLock(`${identityPath}.lock`);
  const content = found === null ? null : parseContent(found);
  if (content === null) return null;
  const leftMs = MIGRATION_MS - (now - content.timestamp);
  return leftMs > 0 ? { command: content.command, leftMs } : null;
}

async function requireFree(
  path: string,
  { clock, lockHash, onWaiting }: CharonLockOptions,
  signal: AbortSignal,
): Promise<void> {
  const found = await readLock(path);
  if (found === null) return;
  const content = parseContent(found);
  const ageMs = content === null ? 0 : clock.now() - content.timestamp;
  const owner = content === null ? "another program" : `"${content.command}"`;
  if (ageMs < STALE_MS) {
    onWaiting();
    // A program that crashed a moment ago left a young file too; a live one rewrites it.
    for (let waitedMs = 0; waitedMs <= STALE_MS; waitedMs += POLL_MS) {
      await clock.sleep(POLL_MS, signal);
      if ((await readLock(path)) === found) continue;
      throw inUse(`${owner} is running on this identity key (it renews ${path}); stop it first`);
    }
  }
  const otherHash = content?.cluster_lock_hash?.toLowerCase();
  if (otherHash === undefined || otherHash === lockHash || ageMs >= MIGRATION_MS) return;
  const leftS = Math.ceil((MIGRATION_MS - ageMs) / 1000);
  throw inUse(
    `${owner} used this identity key under the cluster lock ${otherHash.slice(0, 9)} until ` +
      `${Math.floor(ageMs / 1000)} s ago; start again in ${leftS} s, two epochs after it stopped`,
  );
}

/** Renews the file until the signal aborts, and says so when it no longer can. */
async function keepAlive(
  path: string,
  options: CharonLockOptions & { readonly written: string; readonly signal: AbortSignal },
): Promise<void> {
  const { clock, signal, onLost } = options;
  let { written } = options;
  try {
    for (;;) {
      await clock.sleep(HEARTBEAT_MS, signal);
      if ((await readLock(path)) !== written) {
        onLost(`another program wrote ${path}`);
        return;
      }
      written = (await renew(path, options)) ?? written;
    }
  } catch (error) {
    if (!signal.aborted) onLost(`${path} cannot be renewed: ${String(error)}`);
  }
}

async function readLock(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
}

/**
 * What stands in the file now; null when the disk is full, which is a reason to wait and not to
 * stop: whatever this node would sign cannot be recorded on that disk either.
 */
async function renew(path: string, options: CharonLockOptions): Promise<string | null> {
  try {
    return await writeLock(path, options);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : null;
    if (code === "ENOSPC" || code === "EDQUOT") return null;
    throw error;
  }
}

/** Not synced: after a power cut no program lives, and an old file says so just as well. */
async function writeLock(path: string, options: CharonLockOptions): Promise<string> {
  const text = JSON.stringify({
    command: "coterie run",
    timestamp: new Date(options.clock.now()).toISOString(),
    cluster_lock_hash: options.lockHash,
  });
  await writeFile(`${path}.tmp`, text, { mode: 0o600 });
  await rename(`${path}.tmp`, path);
  return text;
}

function parseContent(text: string): z.infer<typeof contentSchema> | null {
  const json = parseJson(text, MAX_JSON_DEPTH);
  const content = contentSchema.safeParse(json.ok ? json.value : null);
  return content.success ? content.data : null;
}

function inUse(detail: string): FaultError {
  return new FaultError("data_dir_in_use", detail);
}
