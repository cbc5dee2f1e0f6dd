/**
 * The ways in which an operator reaches the running node: the admin server, the `FREEZE` file of
 * the data directory, and SIGUSR2. Each of them works while the node still starts.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { startAdminServer } from "../../adapters/http/adminServer.ts";
import { systemClock } from "../../adapters/system/clock.ts";
import { FaultError } from "../../domain/errors.ts";
import { MAX_FREEZE_REASON } from "../../domain/limits.ts";
import type { Millis } from "../../domain/units.ts";
import type { SafetyControl } from "../../node/safetyControl.ts";
import type { Logger } from "../../ports/logger.ts";
import type { HostAndPort } from "../addresses.ts";
import { adminToken, publishAdminAddress, withdrawAdminAddress } from "./adminFiles.ts";
import { type AdminSubject, adminRoutes } from "./adminRoutes.ts";

/** How long a FREEZE file that appears may go unnoticed. */
const FILE_POLL_MS: Millis = 250;
const BY_SIGNAL = { scope: "all", validator: null, reason: "SIGUSR2", by: "signal" } as const;

type AdminParts = AdminSubject & {
  readonly dataDir: string;
  readonly address: HostAndPort;
  readonly logger: Logger;
  readonly onBug: (error: unknown) => void;
};

export type Admin = AsyncDisposable & {
  /** Why nothing may be signed from the very start; null where nothing says so. */
  readonly standingFreeze: () => string | null;
};

/** Throws UsageError when the address cannot be bound. */
export async function openAdmin(parts: AdminParts): Promise<Admin> {
  const { dataDir, address, onBug } = parts;
  const server = await startAdminServer({
    ...address,
    token: await adminToken(dataDir),
    routes: adminRoutes(parts),
    onBug,
  });
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  await publishAdminAddress(dataDir, `http://${host}:${server.port}`);
  const signal = listenToSignal(parts);
  const watching = new AbortController();
  let isFrozen = false;
  const onRunning = async (running: SafetyControl): Promise<void> => {
    await signal.hand(running);
    // FREEZE-5: what held from the start goes with its file, also before anybody could follow it.
    if (isFrozen && readFreezeFile(dataDir) === null) await running.followFile(null);
  };
  watchFile(parts, onRunning, watching.signal).catch(onBug);
  return {
    standingFreeze: () => {
      const standing = readFreezeFile(dataDir) ?? signal.standing();
      isFrozen = standing !== null;
      return standing;
    },
    async [Symbol.asyncDispose]() {
      watching.abort();
      signal.stop();
      await withdrawAdminAddress(dataDir);
      await server.close();
    },
  };
}

/** FREEZE-5: a signal that comes before the node runs is not lost. */
function listenToSignal({ control, logger, onBug }: AdminParts): {
  readonly standing: () => string | null;
  /** To the node, as soon as it runs: a freeze like any other, which can be lifted. */
  readonly hand: (running: SafetyControl) => Promise<void>;
  readonly stop: () => void;
} {
  let isWaiting = false;
  const freeze = async (running: SafetyControl): Promise<void> => {
    try {
      await running.freeze(BY_SIGNAL);
    } catch (error) {
      if (!(error instanceof FaultError)) throw error;
      logger.error("A freeze could not be written.", { reason: error.message });
    }
  };
  const onSignal = (): void => {
    const running = control();
    isWaiting ||= running === null;
    if (running !== null) freeze(running).catch(onBug);
  };
  process.on("SIGUSR2", onSignal);
  return {
    standing: () => (isWaiting ? "SIGUSR2 while the node started" : null),
    hand: async (running) => {
      if (isWaiting) await freeze(running);
    },
    stop: () => void process.off("SIGUSR2", onSignal),
  };
}

async function watchFile(
  { dataDir, control }: AdminParts,
  onRunning: (running: SafetyControl) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  let told: string | null = null;
  let isKnown = false;
  while (!signal.aborted) {
    const running = control();
    if (running !== null && !isKnown) await onRunning(running);
    isKnown ||= running !== null;
    const reason = readFreezeFile(dataDir);
    if (running !== null && reason !== told) {
      told = reason;
      await running.followFile(reason);
    }
    try {
      await systemClock.sleep(FILE_POLL_MS, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}

/** The file's first line, or a word for an empty one; null while there is none. */
function readFreezeFile(dataDir: string): string | null {
  try {
    const [line = ""] = readFileSync(join(dataDir, "FREEZE"), "utf8").split("\n");
    return line.trim().slice(0, MAX_FREEZE_REASON) || "no reason is given";
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    // FREEZE-1: it is there, and whoever put it there meant it.
    return "the FREEZE file cannot be read";
  }
}
