/** The Beacon API for validator clients, with the files that protect it. */
import {
  startValidatorApi,
  type ValidatorApiOptions,
  type ValidatorApiServer,
} from "../adapters/http/validatorApiServer.ts";
import { systemClock } from "../adapters/system/clock.ts";
import { readTextFile } from "../adapters/system/files.ts";
import { UsageError } from "../domain/errors.ts";
import type { Millis } from "../domain/units.ts";
import type { Health } from "../node/health.ts";
import type { RunOptions, ValidatorApiSettings } from "./config.ts";
import { versionInfo } from "./version.ts";

const MAX_PEM_BYTES = 256 * 1024;
const MAX_TOKEN_BYTES = 4 * 1024;
/** A token that is guessed over the network in no time is none. */
const MIN_TOKEN_LENGTH = 16;
/** Every client asks something each slot; five slots of the slowest public chain. */
const SILENCE_MS: Millis = 60_000;

/** A block of some megabytes may come over a slow line. */
const TIMEOUTS = { headersMs: 10_000, requestMs: 30_000 } as const;

type Parts = Omit<
  ValidatorApiOptions,
  "host" | "port" | "tls" | "token" | "version" | "clock" | "timeouts"
>;

/** Throws UsageError that names the file, flag or address at fault. */
export async function openValidatorApi(
  settings: ValidatorApiSettings,
  parts: Parts,
): Promise<ValidatorApiServer> {
  const { host, port, tls, tokenFile } = settings;
  if (tls === null && tokenFile === null && !isLoopback(host)) {
    parts.logger.warn("The Beacon API is open to whoever reaches its address.", {
      host,
      fix: "--validator-api-token-file and --validator-api-tls-cert-file protect it",
    });
  }
  const { version, platform } = versionInfo();
  const [system = "", architecture = ""] = platform.split("-");
  return startValidatorApi({
    ...parts,
    host,
    port,
    tls:
      tls === null ? null : { cert: await readPem(tls.certFile), key: await readPem(tls.keyFile) },
    token: tokenFile === null ? null : await readToken(tokenFile),
    version: `coterie/v${version}/${architecture}-${system}`,
    clock: systemClock,
    timeouts: TIMEOUTS,
  });
}

/** The node's health, and whether its validator client is there. */
export function withClients(
  health: Health,
  { validatorKeysDir }: RunOptions,
  server: ValidatorApiServer | null,
): Health {
  if (validatorKeysDir !== null || server === null) return health;
  const silenceMs = server.silenceMs();
  if (silenceMs !== null && silenceMs < SILENCE_MS) return health;
  const since =
    silenceMs === null
      ? "no validator client has asked this node yet: point one at --validator-api-address"
      : `the validator client has been silent for ${Math.round(silenceMs / 1000)} s`;
  return { isReady: false, reasons: [...health.reasons, since] };
}

function readPem(path: string): Promise<string> {
  return readTextFile(path, { maxBytes: MAX_PEM_BYTES, missingFix: "check the path" });
}

async function readToken(path: string): Promise<string> {
  const missingFix = "write a long random text into it, and give it to the validator client too";
  const token = (await readTextFile(path, { maxBytes: MAX_TOKEN_BYTES, missingFix })).trim();
  if (token.length >= MIN_TOKEN_LENGTH && !/\s/.test(token)) return token;
  throw new UsageError(`${path} holds no token of at least ${MIN_TOKEN_LENGTH} characters`, {
    fix: missingFix,
  });
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host.startsWith("127.");
}
