/**
 * The outer lock of a data directory: `instance.lock` names the process that may sign with what is
 * in there. LevelDB's own lock does not reach across machines and file systems, and vanishes when
 * the descriptor does; this one is a token that the holder reads again before and after every write
 * (GATE-6), so that whoever lost it notices before it speaks.
 *
 * Every step is one atomic operation of the file system: a file with its whole content appears by
 * `link`, which fails when the name is taken, and a dead holder's file is moved aside by `rename`
 * and looked at before it counts as gone. Whatever two takers do, one token stands in the end.
 */
import {
  closeSync,
  fsyncSync,
  futimesSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { Cancelled, FaultError } from "../../domain/errors.ts";
import { INSTANCE_LOCK_HEARTBEAT_MS, INSTANCE_LOCK_STALE_MS } from "../../domain/limits.ts";
import type { Clock } from "../../ports/clock.ts";
import type { InstanceLock } from "../../ports/instanceLock.ts";
import type { Random } from "../../ports/random.ts";
import { toHex } from "../../util/bytes.ts";
import { currentProcess, livenessOf, type ProcessIdentity } from "./processIdentity.ts";

export interface HeldInstanceLock extends InstanceLock {
  /** Gives the directory up; the caller has closed the database before. */
  release(): void;
}

export type InstanceLockOptions = {
  readonly directory: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Called once when another process took over or the lock is gone: the caller stops, exit 70. */
  readonly onLost: (reason: string) => void;
  /** Called when the disk begins to refuse heartbeats, and with null once it takes them again. */
  readonly onTrouble?: (reason: string | null) => void;
};

type Holder = ProcessIdentity & {
  readonly token: string;
  /** Unix milliseconds. */
  readonly since: number;
};

const CHECK_DISK =
  "Check free space and health of the data directory's disk, and that this user may write there";
const FILE_NAME = "instance.lock";
const TOKEN_BYTES = 16;
/** The last instant that a Date can show. */
const MAX_DATE_MS = 8.64e15;
/** Takers that come in each other's way may make one of them look again. */
const MAX_ATTEMPTS = 16;

/**
 * Takes the lock of `directory`. Throws `FaultError("data_dir_in_use")` that says who holds it and
 * what to do while its holder lives (STORE-9). A holder that cannot be looked up (another
 * container, host or boot) is watched for {@link INSTANCE_LOCK_STALE_MS} for a sign of life
 * (STORE-10).
 */
export async function acquireInstanceLock(options: InstanceLockOptions): Promise<HeldInstanceLock> {
  const { directory, clock, random } = options;
  const path = join(directory, FILE_NAME);
  const token = toHex(random.bytes(TOKEN_BYTES)).slice(2);
  const claim = `${path}.${token}`;
  const descriptor = writeClaim(claim, { ...currentProcess(), token, since: clock.now() });
  try {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      if (tryLink(claim, path)) return new FileLock({ ...options, path, token, descriptor });
      const holder = readHolder(path);
      if (holder === null) continue;
      if (await isAlive(holder, path, clock)) throw inUse(path, holder);
      moveAside(path, { stale: holder.token, aside: `${claim}.old` });
    }
    throw new FaultError("data_dir_in_use", `${path} changes hands all the time; start one node`);
  } catch (error) {
    closeSync(descriptor);
    throw error;
  } finally {
    unlinkSync(claim);
  }
}

class FileLock implements HeldInstanceLock {
  readonly #path: string;
  readonly #token: string;
  readonly #descriptor: number;
  readonly #clock: Clock;
  readonly #onLost: (reason: string) => void;
  readonly #onTrouble: (reason: string | null) => void;
  readonly #stopping = new AbortController();
  /** When the last heartbeat began that found our token in place. */
  #seen = { monotonic: -Infinity, wall: -Infinity };
  /** The heart beat again after a pause, once. */
  #isBack = true;
  #isTroubled = false;

  constructor(
    parts: InstanceLockOptions & {
      readonly path: string;
      readonly token: string;
      readonly descriptor: number;
    },
  ) {
    this.#path = parts.path;
    this.#token = parts.token;
    this.#descriptor = parts.descriptor;
    this.#clock = parts.clock;
    this.#onLost = parts.onLost;
    this.#onTrouble = parts.onTrouble ?? (() => undefined);
    this.#beat();
    void this.#keepBeating();
  }

  isHeld(): boolean {
    if (this.#isStopped) return false;
    const token = readToken(this.#path);
    if (token === this.#token) return true;
    // Missing for a moment is not lost yet: a taker may have moved it and put it back.
    if (token !== null) this.#lose(`${this.#path} holds another process's token`);
    return false;
  }

  isFresh(): boolean {
    const { monotonic, wall } = this.#seen;
    return (
      !this.#isStopped &&
      this.#clock.monotonic() - monotonic < INSTANCE_LOCK_STALE_MS &&
      this.#clock.now() - wall < INSTANCE_LOCK_STALE_MS
    );
  }

  release(): void {
    const isOurs = this.isHeld();
    this.#stop();
    if (isOurs) unlinkSync(this.#path);
  }

  get #isStopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  /** On the monotonic clock: a wall clock that is set back must not stop the heart (STORE-11). */
  async #keepBeating(): Promise<void> {
    const { signal } = this.#stopping;
    try {
      while (!signal.aborted) {
        await this.#clock.sleep(INSTANCE_LOCK_HEARTBEAT_MS, signal);
        this.#beat();
      }
    } catch (error) {
      if (error !== signal.reason) throw error;
    }
  }

  /** Touches our own file, by its descriptor: never that of whoever replaced us (STORE-11). */
  #beat(): void {
    // Taken before the file is looked at: what stood still in between does not count as fresh.
    const seen = { monotonic: this.#clock.monotonic(), wall: this.#clock.now() };
    if (!this.isHeld()) {
      // STORE-11: what cannot be read for a moment, as with too many open files, is not gone.
      if (isUnreadable(this.#path)) this.#tell(`${this.#path} cannot be read`);
      else this.#lose(`${this.#path} is gone or damaged`);
      return;
    }
    const seconds = seen.wall / 1000;
    try {
      futimesSync(this.#descriptor, seconds, seconds);
    } catch (error) {
      // STORE-11: a disk's error may pass. Meanwhile the lock goes stale, and nothing is signed.
      if (!(error instanceof Error && "code" in error)) throw error;
      this.#tell(`${this.#path} takes no heartbeat: ${error.message}`);
      return;
    }
    this.#tell(null);
    // GATE-6: what was decided before a pause must not pass for fresh by the first beat after it.
    const isFirst = !this.isFresh() && !this.#isBack;
    this.#isBack = isFirst;
    if (!isFirst) this.#seen = seen;
  }

  /** Once when it begins, and once when it is over. */
  #tell(trouble: string | null): void {
    const isTroubled = trouble !== null;
    if (isTroubled === this.#isTroubled) return;
    this.#isTroubled = isTroubled;
    this.#onTrouble(isTroubled ? `${trouble}. ${CHECK_DISK}` : null);
  }

  #lose(reason: string): void {
    if (this.#isStopped) return;
    this.#stop();
    this.#onLost(reason);
  }

  #stop(): void {
    if (this.#isStopped) return;
    this.#stopping.abort(new Cancelled("the lock is given up"));
    closeSync(this.#descriptor);
  }
}

/** Writes the file that becomes the lock; open, so that heartbeats reach it and no other. */
function writeClaim(path: string, holder: Holder): number {
  let descriptor: number | null = null;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    descriptor = openSync(path, "wx", 0o600);
    writeFileSync(descriptor, `${JSON.stringify(holder)}\n`);
    fsyncSync(descriptor);
    return descriptor;
  } catch (error) {
    if (descriptor !== null) {
      closeSync(descriptor);
      unlinkSync(path);
    }
    const detail = `${path} cannot be written: ${String(error)}. ${CHECK_DISK}`;
    throw new FaultError("disk_failed", detail, { cause: error });
  }
}

/** Makes `path` a name of the claim's file; false when the name is taken. */
function tryLink(claim: string, path: string): boolean {
  try {
    linkSync(claim, path);
    return true;
  } catch (error) {
    if (hasCode(error, "EEXIST")) return false;
    throw new FaultError("disk_failed", `${path} cannot be created: ${String(error)}`, {
      cause: error,
    });
  }
}

/** Removes the dead holder's file, and only that one: a file of another token is put back. */
function moveAside(
  path: string,
  { stale, aside }: { readonly stale: string; readonly aside: string },
): void {
  try {
    if (readToken(path) !== stale) return;
    renameSync(path, aside);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return;
    throw error;
  }
  // Another taker may have been faster since we looked; what we moved is then a living holder's.
  if (readToken(aside) !== stale) tryLink(aside, path);
  unlinkSync(aside);
}

/** Whether the lock's holder shows any sign of life, now or within the stale limit. */
async function isAlive(holder: Holder, path: string, clock: Clock): Promise<boolean> {
  const liveness = livenessOf(holder);
  if (liveness !== "unknown") return liveness === "alive";
  const first = heartbeatOf(path);
  const end = clock.monotonic() + INSTANCE_LOCK_STALE_MS;
  while (clock.monotonic() < end) {
    await clock.sleep(INSTANCE_LOCK_HEARTBEAT_MS, new AbortController().signal);
    if (heartbeatOf(path) !== first) return true;
  }
  return false;
}

/** When the holder last touched the file, in Unix milliseconds; null when it is gone. */
function heartbeatOf(path: string): number | null {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? null;
}

/** Null when the file is gone. Throws for a file that no node wrote. */
function readHolder(path: string): Holder | null {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (hasCode(error, "ENOENT")) return null;
    throw new FaultError("disk_failed", `${path}: ${String(error)}`, { cause: error });
  }
  const holder = parseHolder(text);
  if (holder !== null) return holder;
  throw new FaultError(
    "data_dir_in_use",
    `${path} is not readable as a lock. Make sure that no node uses this directory, then delete it`,
  );
}

/** The token that stands in the lock; null when the file is missing or cannot be read. */
function readToken(path: string): string | null {
  try {
    return parseHolder(readFileSync(path, "utf8"))?.token ?? null;
  } catch (error) {
    if (error instanceof Error && "code" in error) return null;
    throw error;
  }
}

/** Whether the disk or the system refuses to read what is there. */
function isUnreadable(path: string): boolean {
  try {
    readFileSync(path);
    return false;
  } catch (error) {
    if (error instanceof Error && "code" in error) return error.code !== "ENOENT";
    throw error;
  }
}

function parseHolder(text: string): Holder | null {
  try {
    const holder = JSON.parse(text) as Partial<Holder> | null;
    const isComplete =
      typeof holder?.token === "string" &&
      Number.isSafeInteger(holder.pid) &&
      Number.isSafeInteger(holder.since);
    return isComplete ? (holder as Holder) : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function inUse(path: string, { pid, host, since }: Holder): FaultError {
  const instant = new Date(Math.min(since, MAX_DATE_MS)).toISOString();
  return new FaultError(
    "data_dir_in_use",
    `${path} is held by process ${pid} on ${host} since ${instant}. ` +
      "Stop that process, or give this node a data directory of its own; never copy one to run " +
      "two nodes of one identity",
  );
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
