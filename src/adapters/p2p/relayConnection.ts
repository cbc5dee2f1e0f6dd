/** Keeps one relay connected: ask where it is, dial, wait until it goes, pause, again (NET-13). */
import type { Connection } from "@libp2p/interface";
import type { Multiaddr } from "@multiformats/multiaddr";
import { MAX_RELAY_RETRY_MS, RELAY_REQUEST_TIMEOUT_MS } from "../../domain/limits.ts";
import type { Millis } from "../../domain/units.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import { Bug } from "../../util/assert.ts";
import { type AskRelay, type RelaySource, resolveRelay } from "./relaySources.ts";

const FIRST_RETRY_MS: Millis = 1_000;
/** A connection that held this long has worked: its next failure is a new one. */
const LASTING_MS: Millis = MAX_RELAY_RETRY_MS;
/** A relay that restarts is back before that. */
const TOLD_AFTER_FAILURES = 5;

export type RelayConnectionOptions = {
  readonly source: RelaySource;
  readonly ask: AskRelay;
  /** Lets the relay's peer id in, then dials. */
  readonly dial: (addresses: readonly Multiaddr[], signal: AbortSignal) => Promise<Connection>;
  readonly clock: Clock;
  readonly logger: Logger;
};

/** Runs until `signal` aborts; rejects with nothing but a bug of ours. */
export async function keepRelayConnected(
  options: RelayConnectionOptions,
  signal: AbortSignal,
): Promise<void> {
  const { source, clock, logger } = options;
  const relay = source.kind === "url" ? hostOf(source.text) : source.text;
  let failures = 0;
  while (!signal.aborted) {
    const startedAt = clock.monotonic();
    try {
      const connection = await connect(options, signal);
      logger.info("Connected to a relay.", { relay });
      await untilClosed(connection, signal);
      if (!signal.aborted) logger.info("Lost the connection to a relay.", { relay });
    } catch (error) {
      if (error instanceof Bug) throw error;
      if (!signal.aborted) tellFailure(logger, { relay, failures, error });
    }
    failures = clock.monotonic() - startedAt > LASTING_MS ? 1 : failures + 1;
    const pauseMs = Math.min(FIRST_RETRY_MS * 2 ** (failures - 1), MAX_RELAY_RETRY_MS);
    await clock.sleep(pauseMs * (0.75 + Math.random() / 2), signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }
}

async function connect(
  { source, ask, dial }: RelayConnectionOptions,
  signal: AbortSignal,
): Promise<Connection> {
  const within = AbortSignal.any([signal, AbortSignal.timeout(RELAY_REQUEST_TIMEOUT_MS)]);
  return dial(await resolveRelay(source, ask, within), within);
}

type Failure = { readonly relay: string; readonly failures: number; readonly error: unknown };

/** Once as news and once as a warning; the repetitions are for those who debug. */
function tellFailure(logger: Logger, { relay, failures, error }: Failure): void {
  const fields = { relay, reason: error instanceof Error ? error.message : String(error) };
  if (failures === 0) logger.info("A relay cannot be reached yet; trying again.", fields);
  else if (failures === TOLD_AFTER_FAILURES) {
    logger.warn("A relay is out of reach. Check --p2p-relays and whether it runs.", fields);
  } else logger.debug("A relay cannot be reached; trying again.", fields);
}

/** URLs may carry a token or a password. */
function hostOf(url: string): string {
  return URL.parse(url)?.host ?? "a relay";
}

function untilClosed(connection: Connection, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (connection.status !== "open" || signal.aborted) resolve();
    connection.addEventListener("close", () => resolve(), { once: true });
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
