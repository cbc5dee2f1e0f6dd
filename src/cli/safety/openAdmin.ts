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
  watchFile(parts, watching.signal).catch(onBug);
  return {
    standingFreeze: () => readFreezeFile(dataDir) ?? signal.standing(),
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
  readonly stop: () => void;
} {
  let isWaiting = false;
  const onSignal = (): void => {
    const running = control();
    isWaiting ||= running === null;
    running?.freeze(BY_SIGNAL).catch((error: unknown) => {
      if (!(error instanceof FaultError)) onBug(error);
      else logger.error("A freeze could not be written.", { reason: error.message });
    });
  };
  process.on("SIGUSR2", onSignal);
  return {
    standing: () => (isWaiting ? "SIGUSR2 while the node started" : null),
    stop: () => void process.off("SIGUSR2", onSignal),
  };
}

async function watchFile({ dataDir, control }: AdminParts, signal: AbortSignal): Promise<void> {
  let told: string | null = null;
  while (!signal.aborted) {
    const running = control();
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
