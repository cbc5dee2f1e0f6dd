/** Beacon clients over fake servers, with everything closed at the end of a test. */
import type { TestContext } from "node:test";
import { type BeaconClient, createBeaconClient } from "../../src/adapters/beacon/client.ts";
import { systemClock } from "../../src/adapters/system/clock.ts";

import { FakeBeaconServer, GENESIS_FORK_VERSION } from "./fakeBeaconServer.ts";
import { countingMetrics, recordingLogger } from "./quiet.ts";

export type Bench = {
  readonly client: BeaconClient;
  readonly servers: readonly FakeBeaconServer[];
  readonly logger: ReturnType<typeof recordingLogger>;
  readonly metrics: ReturnType<typeof countingMetrics>;
  /** Aborts when the test ends. */
  readonly signal: AbortSignal;
};

export async function benchOf(
  t: TestContext,
  count: number,
  options: {
    readonly create?: typeof createBeaconClient;
    readonly prepare?: (servers: readonly FakeBeaconServer[]) => void;
    readonly urls?: (servers: readonly FakeBeaconServer[]) => readonly string[];
  } = {},
): Promise<Bench> {
  const { create = createBeaconClient, prepare, urls } = options;
  const servers = await Promise.all(Array.from({ length: count }, () => FakeBeaconServer.start()));
  prepare?.(servers);
  const logger = recordingLogger();
  const metrics = countingMetrics();
  const client = create({
    endpoints: urls?.(servers) ?? servers.map(({ url }) => url),
    genesisForkVersion: GENESIS_FORK_VERSION,
    clock: systemClock,
    logger,
    metrics,
  });
  const ending = new AbortController();
  t.after(async () => {
    ending.abort(new Error("the test is over"));
    await client.close();
    await Promise.all(servers.map((server) => server.stop()));
  });
  return { client, servers, logger, metrics, signal: ending.signal };
}
