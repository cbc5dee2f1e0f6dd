/**
 * The node: the workflow's components over the ports it is given. `cli/run.ts` gives it the real
 * ones and the simulator its virtual ones; there is no second way to build a node.
 */
import type { Cluster } from "../cluster/cluster.ts";
import { GateAdmission } from "../core/admission.ts";
import { MemoryAggregatedSignatureStore } from "../core/aggregatedSignatureStore.ts";
import { Background } from "../core/background.ts";
import { BeaconBroadcaster } from "../core/broadcaster.ts";
import { QbftConsensus } from "../core/consensus.ts";
import { Courier } from "../core/courier.ts";
import { Deadlines } from "../core/deadlines.ts";
import { DecidedArchive } from "../core/decidedArchive.ts";
import { DutyGater } from "../core/dutyGater.ts";
import { DecidedDutyStore } from "../core/dutyStore.ts";
import { Evidence } from "../core/evidence.ts";
import { BeaconFetcher } from "../core/fetcher.ts";
import { HeadFeed } from "../core/headFeed.ts";
import type { Components } from "../core/interfaces.ts";
import { DirectExchange } from "../core/partialSignatureExchange.ts";
import { MemoryPartialSignatureStore } from "../core/partialSignatureStore.ts";
import { DutyScheduler } from "../core/scheduler.ts";
import { ThresholdAggregator } from "../core/signatureAggregator.ts";
import { type PubShareOf, SignatureVerifier } from "../core/signatureVerifier.ts";
import { DutySigner } from "../core/signer.ts";
import { Submissions } from "../core/submissions.ts";
import { DutyTracker } from "../core/tracker.ts";
import { DutyValidatorApi } from "../core/validatorApi.ts";
import { ValueChecker } from "../core/valueChecker.ts";
import { VoteGuard } from "../core/voteGuard.ts";
import { track, wire } from "../core/workflow.ts";
import type { Duty } from "../domain/duty.ts";
import { Cancelled, type RejectionCode } from "../domain/errors.ts";
import { peerIndexOf, type ShareIndex } from "../domain/keys.ts";
import type { DutyKind } from "../duties/kind.ts";
import { DUTY_KINDS } from "../duties/table.ts";
import type { Chain } from "../eth2/chain.ts";
import type { Channel } from "../ports/network.ts";
import type { Ports } from "../ports/ports.ts";
import type { ValidatorApi } from "../ports/validatorApi.ts";
import { type Freezes, openFreezes } from "../safety/freezes.ts";
import { createSafetyGate, type SafetyGate } from "../safety/gate.ts";
import { openSlashingStore } from "../safety/openSlashingStore.ts";
import { assert } from "../util/assert.ts";
import { nativeProfile } from "../wire/nativeProfile.ts";
import { connectChain } from "./chainConnection.ts";
import { type Health, healthOf } from "./health.ts";
import { startProposerPreparer } from "./proposerPreparer.ts";
import { SyncWatch } from "./syncWatch.ts";

export type NodeConfig = { readonly cluster: Cluster };

export interface Node {
  readonly chain: Chain;
  /** What a validator client may ask; the caller's server carries it. */
  readonly validatorApi: ValidatorApi;
  health(): Health;
  /** Whether a gossiped frame carries the seal of one of the cluster's operators. */
  isSealed(channel: Channel, bytes: Uint8Array): boolean;
  /** Resolves with what broke when an invariant did; the process then stops signing and exits. */
  readonly failure: Promise<unknown>;
  /** Drops timers and waiting work; the ports stay the caller's to close. */
  stop(): void;
}

/**
 * Opens the store, learns the chain from the beacon node (waiting for it as long as it takes) and
 * starts the workflow. Rejects with `signal.reason` when the signal aborts before it runs.
 */
export async function createNode(
  config: NodeConfig,
  ports: Ports,
  signal: AbortSignal,
): Promise<Node> {
  const { cluster } = config;
  assert(ports.identity.nodes === cluster.nodes, "the identity knows every operator");
  const chain = await connectChain(cluster, ports, signal);
  const slashing = await openSlashingStore(ports.store, chain.genesisValidatorsRoot);
  const votes = await VoteGuard.open(ports.store, chain.slotAt(ports.clock.now()));

  const failure = Promise.withResolvers<unknown>();
  const stopping = new AbortController();
  const background = new Background(failure.resolve);
  const kindOf = (duty: Duty): DutyKind => DUTY_KINDS[duty.type];
  const deadlines = new Deadlines(ports.clock, chain, kindOf);
  const { valueRoot } = nativeProfile;
  const archive = await DecidedArchive.open({ ...ports, deadlines, valueRoot });
  const heads = new HeadFeed(ports.beacon);
  const sync = new SyncWatch(ports, background, stopping.signal);
  const common = { ...ports, chain, background, deadlines, kindOf, heads };
  const freezes = await openFreezes(ports.store);
  const gate = createSafetyGate({ slashing, lock: ports.lock, freezes });
  const { components, courier, stop } = buildComponents({
    ...common,
    cluster,
    gate,
    freezes,
    votes,
    archive,
    stopping,
  });

  wire(components);
  track(components);
  heads.start(stopping.signal);
  sync.start();
  startProposerPreparer({ ...common, cluster, signal: stopping.signal });
  components.scheduler.start();
  return {
    chain,
    validatorApi: components.validatorApi,
    failure: failure.promise,
    isSealed: (channel, bytes) => courier.isSealed(channel, bytes),
    health: () => healthOf(observe(config, ports, sync)),
    stop() {
      stopping.abort(new Cancelled("the node stops"));
      stop();
    },
  };
}

type BuildParts = Ports & {
  readonly cluster: Cluster;
  readonly chain: Chain;
  readonly background: Background;
  readonly deadlines: Deadlines;
  readonly kindOf: (duty: Duty) => DutyKind;
  readonly heads: HeadFeed;
  readonly gate: SafetyGate;
  readonly freezes: Freezes;
  readonly votes: VoteGuard;
  readonly archive: DecidedArchive;
  readonly stopping: AbortController;
};

function buildComponents(parts: BuildParts): {
  readonly components: Components;
  readonly courier: Courier;
  readonly stop: () => void;
} {
  const { cluster, chain, deadlines, background, store, logger, bls, gate } = parts;
  const profile = nativeProfile;
  const scope = {
    genesisValidatorsRoot: chain.genesisValidatorsRoot,
    lockHash: cluster.lockHash,
  };
  const tracker = new DutyTracker(parts);
  const courier = new Courier({ ...parts, profile, scope });
  const evidence = new Evidence(store, logger, background);
  const verifier = new SignatureVerifier(bls, pubShareOf(cluster), cluster.nodes);
  const reject = (share: ShareIndex, code: RejectionCode): void =>
    courier.reject("partials", peerIndexOf(share), code);

  const scheduler = new DutyScheduler({
    ...parts,
    validators: cluster.validators,
    resumed: parts.archive.duties,
    signal: parts.stopping.signal,
  });
  const aggregatedSignatures = new MemoryAggregatedSignatureStore(deadlines);
  const gater = new DutyGater({ ...parts, scheduler });
  const fetcher = new BeaconFetcher({
    ...parts,
    tracker,
    valueRoot: profile.valueRoot,
    awaitSignature: (...query) => aggregatedSignatures.awaitSignature(...query),
  });
  const checker = new ValueChecker({ ...parts, scheduler, fetcher });
  const consensus = new QbftConsensus({
    ...parts,
    profile,
    scope,
    courier,
    gater,
    checker,
    evidence,
    tracker,
  });
  const dutyStore = new DecidedDutyStore(deadlines);
  const signer = new DutySigner({ ...parts, scheduler, tracker });
  const admission = new GateAdmission({ ...parts, verifier, tracker });
  const submissions = new Submissions({ ...parts, scheduler, admission, verifier });
  const validatorApi = new DutyValidatorApi({
    ...parts,
    gater,
    scheduler,
    dutyStore,
    submissions,
    tracker,
  });
  const exchange = new DirectExchange({
    ...parts,
    profile,
    courier,
    gater,
    scheduler,
    validators: cluster.validators.length,
  });
  const { threshold } = cluster;
  const partialSignatures = new MemoryPartialSignatureStore({
    threshold,
    deadlines,
    evidence,
    reject,
  });
  const aggregator = new ThresholdAggregator({
    ...parts,
    threshold,
    gate,
    verifier,
    dutyStore,
    partialSignatures,
    scheduler,
    reject,
    tracker,
  });
  const broadcaster = new BeaconBroadcaster({ ...parts, dutyStore, scheduler, tracker });
  return {
    components: {
      scheduler,
      fetcher,
      consensus,
      dutyStore,
      signer,
      validatorApi,
      admission,
      exchange,
      partialSignatures,
      aggregator,
      aggregatedSignatures,
      broadcaster,
      tracker,
    },
    courier,
    stop() {
      consensus.stop();
      tracker.stop();
      deadlines.stop();
    },
  };
}

function pubShareOf(cluster: Cluster): PubShareOf {
  return (validator, share) => {
    const pubShare = cluster.validators[validator]?.pubShares[share - 1];
    assert(pubShare !== undefined, `the lock has share ${share} of validator ${validator}`);
    return pubShare;
  };
}

function observe({ cluster }: NodeConfig, ports: Ports, sync: SyncWatch) {
  const peers = Array.from({ length: cluster.nodes }, (_, peer) => peer);
  return {
    nodes: cluster.nodes,
    threshold: cluster.threshold,
    connected: peers.filter((p) => p !== ports.identity.self && ports.network.path(p) === "direct"),
    sync: sync.latest,
    signedFor: ports.signer.validators.size,
    validators: cluster.validators.length,
    isLockHeld: ports.lock.isHeld(),
    isStarted: true,
  };
}
