/** `coterie relay`: carries circuits between nodes that cannot reach each other (NET-13). */
import { type Monitoring, startMonitoring } from "../adapters/http/monitoring.ts";
import { startRelayDirectory } from "../adapters/http/relayDirectory.ts";
import { createRelay } from "../adapters/p2p/relayHost.ts";
import { createMetrics } from "../adapters/system/metrics.ts";
import { Cancelled } from "../domain/errors.ts";
import type { Logger } from "../ports/logger.ts";
import { readCluster } from "./clusterFile.ts";
import { createEnr } from "./createEnr.ts";
import { exists, identityPath, readIdentityKey } from "./identityFiles.ts";
import { openLog } from "./logOptions.ts";
import type { RelaySettings } from "./relayOptions.ts";

/** Resolves after a clean stop by SIGINT or SIGTERM. */
export async function runRelay(settings: RelaySettings): Promise<void> {
  const logger = openLog(settings);
  const stopping = Promise.withResolvers<Cancelled>();
  const onSignal = (name: string): void => stopping.resolve(new Cancelled(name));
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  await using closing = new AsyncDisposableStack();
  closing.defer(() => {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  });
  await startRelay(settings, logger, closing);
  const { message: reason } = await stopping.promise;
  logger.info("The relay stopped.", { reason });
}

async function startRelay(
  settings: RelaySettings,
  logger: Logger,
  closing: AsyncDisposableStack,
): Promise<void> {
  const secretKey = await readOrMakeKey(settings, logger);
  const clusters = await readClusters(settings);
  const metrics = createMetrics({});
  const relay = await createRelay({ ...settings, secretKey, clusters, metrics });
  await relay.start();
  closing.defer(() => relay.stop());
  const monitoring = await openMonitoring(settings, async () => {
    relay.observe();
    return metrics.page();
  });
  closing.defer(() => monitoring.close());
  const addresses = (): readonly string[] => relay.addresses();
  const directory = await startRelayDirectory({ ...settings.http, addresses });
  closing.defer(() => directory.close());
  logger.info("The relay runs.", {
    serves: clusters === null ? "everybody" : `${clusters.length} clusters`,
    addresses: relay.addresses(),
    http: directory.port,
    monitoring: monitoring.port,
  });
}

function openMonitoring(
  settings: RelaySettings,
  metrics: Parameters<typeof startMonitoring>[0]["metrics"],
): Promise<Monitoring> {
  // It answers once the relay listens, and a relay that listens serves.
  const health = () => ({ isReady: true, reasons: [] });
  return startMonitoring({ ...settings.monitoring, health, metrics });
}

/** Nothing but the relay's address hangs on its key, so that a missing one is simply made. */
async function readOrMakeKey(
  { dataDir, privateKeyFile }: RelaySettings,
  logger: Logger,
): Promise<Uint8Array> {
  const path = privateKeyFile ?? (await identityPath(dataDir));
  if (privateKeyFile === null && !(await exists(path))) await createEnr({ dataDir });
  const { secretKey, warnings } = await readIdentityKey(path);
  for (const warning of warnings) logger.warn(warning);
  return secretKey;
}

/** Public keys of each cluster's operators. */
async function readClusters({
  clusterLocks,
  contractWallets,
}: RelaySettings): Promise<readonly (readonly Uint8Array[])[] | null> {
  if (clusterLocks === null) return null;
  const missingFix = "name the cluster-lock.json of each cluster that the relay shall serve";
  const clusters = await Promise.all(
    clusterLocks.map((path) => readCluster(path, contractWallets, missingFix)),
  );
  return clusters.map(({ operators }) => operators.map(({ publicKey }) => publicKey));
}
