/**
 * `coterie run`: opens this operator's data directory, gives the node its real ports, and keeps it
 * running until a signal comes or something breaks. Everything that is opened is closed again in
 * reverse order; the locks come first and go last.
 */

import { join } from "node:path";
import { type BeaconClient, createBeaconClient } from "../adapters/beacon/client.ts";
import { startMonitoring } from "../adapters/http/monitoring.ts";
import type { ValidatorApiServer } from "../adapters/http/validatorApiServer.ts";
import type { Libp2pNetwork } from "../adapters/p2p/libp2pNetwork.ts";
import { clusterScope } from "../adapters/p2p/scope.ts";
import { openAuditFiles } from "../adapters/storage/auditFiles.ts";
import { acquireInstanceLock } from "../adapters/storage/instanceLock.ts";
import { openLevel } from "../adapters/storage/level.ts";
import { systemClock } from "../adapters/system/clock.ts";
import { createMetrics, type SystemMetrics } from "../adapters/system/metrics.ts";
import { systemRandom } from "../adapters/system/random.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { createBls } from "../crypto/bls.ts";
import { createBuiltinSigner } from "../crypto/builtinSigner.ts";
import { Cancelled, FaultError } from "../domain/errors.ts";
import type { Health } from "../node/health.ts";
import { createNode, type Node } from "../node/node.ts";
import type { AuditFile } from "../ports/auditFile.ts";
import type { InstanceLock } from "../ports/instanceLock.ts";
import type { KeyValueStore } from "../ports/keyValueStore.ts";
import type { Logger } from "../ports/logger.ts";
import type { Metrics } from "../ports/metrics.ts";
import type { Network } from "../ports/network.ts";
import type { Ports } from "../ports/ports.ts";
import { holdCharonLock } from "./charonLock.ts";
import type { RunOptions } from "./config.ts";
import { type DataDir, readDataDir } from "./dataDir.ts";
import { importKeys } from "./keyImport.ts";
import { openLog } from "./logOptions.ts";
import { openP2p, requireKnownPeers } from "./p2p.ts";
import { openAdmin } from "./safety/openAdmin.ts";
import { runStatus } from "./status.ts";
import { openValidatorApi, withClients } from "./validatorApi.ts";
import { versionInfo } from "./version.ts";

/** Resolves after a clean stop by SIGINT or SIGTERM; throws what ended the node otherwise. */
export async function run(options: RunOptions, decorate = straight): Promise<void> {
  const logger = openLog(options);
  const stopping = new AbortController();
  const onSignal = (name: string): void => stopping.abort(new Cancelled(name));
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  try {
    await runNode({ options, logger, stopping, decorate });
  } catch (error) {
    if (!(error instanceof Cancelled)) throw error;
    logger.info("The node stopped.", { reason: error.message });
  } finally {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

/** Puts something between the node and its network: the chaos peer's way in. */
export type NetworkDecorator = (
  ports: Ports,
  cluster: Cluster,
  signal: AbortSignal,
) => Promise<Network>;

const straight: NetworkDecorator = ({ network }) => Promise.resolve(network);

type Run = {
  readonly options: RunOptions;
  readonly logger: Logger;
  /** Aborts with what ends the node: {@link Cancelled}, or the error that broke it. */
  readonly stopping: AbortController;
  readonly decorate: NetworkDecorator;
};

async function runNode({ options, logger, stopping, decorate }: Run): Promise<void> {
  const { signal } = stopping;
  const reading = readDataDir(options, (done, total) => tellProgress(logger, done, total));
  // A thousand keystores take minutes, and a signal does not wait for them.
  const dataDir = await Promise.race([reading, rejectOnAbort(signal)]);
  const { cluster, identity } = dataDir;
  requireKnownPeers(options, cluster.nodes);
  await using closing = new AsyncDisposableStack();
  const owned = await claimDataDir({ options, dataDir, logger, stopping, closing });
  const { store } = owned;
  announce(logger, dataDir);
  const metrics = metricsOf(dataDir);
  let node: Node | null = null;
  let waitsFor = "the node is starting";
  const onWaiting = (reason: string): void => {
    waitsFor = `the node is starting; ${reason}`;
  };
  let clients: ValidatorApiServer | null = null;
  const health = (): Health =>
    withClients(node?.health() ?? { isReady: false, reasons: [waitsFor] }, options, clients);
  const monitoring = await startMonitoring({
    ...options.monitoringAddress,
    health,
    metrics: () => metrics.page(),
  });
  closing.defer(() => monitoring.close());
  const beacon = openBeacon(options, { dataDir, logger, metrics });
  closing.defer(() => beacon.close());
  const admin = await openAdmin({
    dataDir: options.dataDir,
    address: options.adminAddress,
    cluster,
    control: () => node?.control ?? null,
    status: () => runStatus(dataDir, { health: health(), beacon, node }),
    logger,
    onBug: (error) => stopping.abort(error),
  });
  closing.use(admin);
  clients = await openValidatorApi(options.validatorApi, {
    cluster,
    self: identity.self,
    upstreams: beacon.upstreams,
    api: () => node?.validatorApi ?? null,
    store,
    logger,
    metrics,
    onBug: (error) => stopping.abort(error),
  });
  closing.defer(() => clients?.close());
  const p2p = await openNetwork(options, { dataDir, logger, metrics }, () => node);
  closing.defer(() => p2p.stop());
  const signer = createBuiltinSigner(dataDir.shares);
  logger.info("The node listens, and waits for its peers and its beacon node.", {
    p2p: p2p.addresses(),
    monitoring: monitoring.port,
    validatorApi: clients.port,
  });

  const { network } = p2p;
  const ports = { ...SYSTEM, network, identity, beacon, ...owned, logger, metrics, signer };
  const isFresh = await importKeys({ ...ports, options, dataDir, onWaiting }, signal);
  node = await createNode(
    { ...versionInfo(), cluster, onWaiting, skipWait: options.skipWait, isFresh, ...admin },
    { ...ports, network: await decorate(ports, cluster, signal) },
    signal,
  );
  closing.defer(() => node?.stop());
  announceRun(logger, node);
  throw await Promise.race([node.failure, aborted(signal)]);
}

/** Ports that are the same for every node of this machine. */
const SYSTEM = { clock: systemClock, random: systemRandom, bls: createBls() } as const;

/** Said only by the process that owns the directory: one that waits for it does not start yet. */
function tellProgress(logger: Logger, done: number, total: number): void {
  logger.info("Key shares are being decrypted.", { done, total });
}

function announce(logger: Logger, { cluster, identity, warnings }: DataDir): void {
  for (const warning of warnings) logger.warn(warning);
  logger.info("The node is starting.", {
    cluster: cluster.name,
    lockHash: cluster.lockHash,
    peer: identity.self,
    threshold: `${cluster.threshold} of ${cluster.nodes}`,
    validators: cluster.validators.length,
  });
}

function announceRun(logger: Logger, { chain }: Node): void {
  const slot = chain.slotAt(systemClock.now());
  logger.info("The node runs.", { chain: chain.spec.configName, slot });
}

type Claim = {
  readonly options: RunOptions;
  readonly dataDir: DataDir;
  readonly logger: Logger;
  readonly stopping: AbortController;
  readonly closing: AsyncDisposableStack;
};

/** Both locks before the database: whoever holds them is the only one that may sign. */
async function claimDataDir(claim: Claim): Promise<{
  readonly lock: InstanceLock;
  readonly store: KeyValueStore;
  readonly auditFile: AuditFile;
}> {
  const { options, dataDir, logger, stopping, closing } = claim;
  const { cluster, identityPath } = dataDir;
  const onLost = (reason: string): void => stopping.abort(new FaultError("data_dir_lost", reason));
  const lock = await acquireInstanceLock({
    directory: options.dataDir,
    clock: systemClock,
    random: systemRandom,
    onLost,
    onTrouble: (reason) =>
      reason === null
        ? logger.info("The instance lock beats again: the node signs on.")
        : logger.error("The instance lock does not beat: soon nothing is signed.", { reason }),
  });
  closing.defer(() => lock.release());
  const charonLock = await holdCharonLock(
    {
      identityPath,
      lockHash: cluster.lockHash,
      clock: systemClock,
      onLost,
      onWaiting: () =>
        logger.info("The identity key was in use a moment ago; looking whether it still is."),
    },
    stopping.signal,
  );
  closing.defer(() => charonLock.release());
  const store = await openLevel(join(options.dataDir, "db"));
  closing.defer(() => store.close());
  const auditFile = openAuditFiles({ directory: join(options.dataDir, "audit") });
  closing.defer(() => auditFile.close());
  return { lock, store, auditFile };
}

type Parts = {
  readonly dataDir: DataDir;
  readonly logger: Logger;
  readonly metrics: Metrics;
};

/** Every series says which cluster's and which operator's it is. */
function metricsOf({ cluster, identity }: DataDir): SystemMetrics {
  return createMetrics({
    cluster_name: cluster.name,
    cluster_hash: cluster.lockHash.slice(2, 9),
    cluster_peer: String(identity.self),
  });
}

function openBeacon(options: RunOptions, { dataDir, logger, metrics }: Parts): BeaconClient {
  return createBeaconClient({
    endpoints: options.beaconNodeEndpoints,
    genesisForkVersion: dataDir.cluster.forkVersion,
    clock: systemClock,
    logger,
    metrics,
  });
}

/** The cluster's network, listening. */
function openNetwork(
  options: RunOptions,
  { dataDir, logger, metrics }: Parts,
  runningNode: () => Node | null,
): Promise<Libp2pNetwork> {
  const { cluster, identity, secretKey } = dataDir;
  return openP2p(options, {
    operators: cluster.operators,
    self: identity.self,
    secretKey,
    scope: clusterScope(cluster.lockHash),
    // Before the chain is known no seal can be checked, so nothing is forwarded.
    validateGossip: (channel, bytes, from) =>
      runningNode()?.judgeGossip(channel, bytes, from) ?? "ignore",
    logger,
    metrics,
  });
}

async function rejectOnAbort(signal: AbortSignal): Promise<never> {
  throw await aborted(signal);
}

function aborted(signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(signal.reason);
    else signal.addEventListener("abort", () => resolve(signal.reason), { once: true });
  });
}
