/**
 * The node: the workflow's components over the ports it is given. `cli/run.ts` gives it the real
 * ones and the simulator its virtual ones; there is no second way to build a node.
 */
import type { Cluster } from "../cluster/cluster.ts";
import { Background } from "../core/background.ts";
import type { Courier } from "../core/courier.ts";
import { Deadlines } from "../core/deadlines.ts";
import { DecidedArchive } from "../core/decidedArchive.ts";
import { HeadFeed } from "../core/headFeed.ts";
import type { Components, Step } from "../core/interfaces.ts";
import { VoteGuard } from "../core/voteGuard.ts";
import { track, wire } from "../core/workflow.ts";
import type { UnsignedData } from "../domain/data.ts";
import type { Duty } from "../domain/duty.ts";
import { Cancelled } from "../domain/errors.ts";
import type { DutyKind } from "../duties/kind.ts";
import { DUTY_KINDS } from "../duties/table.ts";
import type { Chain } from "../eth2/chain.ts";
import type { Ports } from "../ports/ports.ts";
import type { ValidatorApi } from "../ports/validatorApi.ts";
import { assert } from "../util/assert.ts";
import { nativeProfile } from "../wire/nativeProfile.ts";
import type { Profile } from "../wire/profile.ts";
import { connectChain } from "./chainConnection.ts";
import { ClockWatch, type ClockWatchParts } from "./clockWatch.ts";
import { buildComponents } from "./components.ts";
import { type Health, healthOf, type Observations } from "./health.ts";
import type { PeerSafety } from "./peerSafety.ts";
import { startProposerPreparer } from "./proposerPreparer.ts";
import { openSafety } from "./safety.ts";
import { NodeSafetyControl, type SafetyControl } from "./safetyControl.ts";
import { SightingWatch, type SightingWatchParts } from "./sightingWatch.ts";
import { SlashedWatch, type SlashedWatchParts } from "./slashedWatch.ts";
import { type NodeStatus, statusOf } from "./status.ts";
import { SyncWatch } from "./syncWatch.ts";
import { ViewWatch } from "./viewWatch.ts";
import { WatchedStore } from "./watchedStore.ts";

export type NodeConfig = {
  readonly cluster: Cluster;
  /** Of this program, as the audit log and the peers are told. */
  readonly version?: string;
  /** Why nothing may be signed from the very start, by the FREEZE file; null without it. */
  readonly standingFreeze?: () => string | null;
  /** Hears why the node cannot start yet, and again whenever the reason changes. */
  readonly onWaiting?: (reason: string) => void;
  /** The operator answers for it that no other signer was active in the last two epochs. */
  readonly skipWait?: boolean;
  /** Nobody can have signed under the lock yet, here or elsewhere. */
  readonly isFresh?: boolean;
  /** The wire; profile 1 unless given. The simulator's studies try others. */
  readonly profile?: Profile;
  /** Sees the duties go by from outside, as the tracker does; it changes nothing. */
  readonly watch?: NodeWatch;
};

export type NodeWatch = {
  /** May be called more than once for one step. */
  readonly reached: (duty: Duty, step: Step) => void;
  readonly decided: (data: UnsignedData) => void;
};

export interface Node {
  readonly chain: Chain;
  /** What a validator client may ask; the caller's server carries it. */
  readonly validatorApi: ValidatorApi;
  /** What its operator may change of what it signs. */
  readonly control: SafetyControl;
  health(): Health;
  status(): NodeStatus;
  /** Whether a gossiped frame may be forwarded: an operator of this cluster sealed it. */
  judgeGossip: Courier["judgeGossip"];
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
  const { cluster, onWaiting, profile = nativeProfile } = config;
  assert(ports.identity.nodes === cluster.nodes, "the identity knows every operator");
  const chain = await connectChain({ ...ports, cluster, onWaiting }, signal);
  const store = new WatchedStore(ports.store, ports.logger);
  const votes = await VoteGuard.open(store, chain.slotAt(ports.clock.now()));

  const failure = Promise.withResolvers<unknown>();
  const stopping = new AbortController();
  const background = new Background(failure.resolve);
  const kindOf = (duty: Duty): DutyKind => DUTY_KINDS[duty.type];
  const deadlines = new Deadlines(ports.clock, chain, kindOf);
  const archive = await DecidedArchive.open({ ...ports, ...profile, store, deadlines });
  const heads = new HeadFeed(ports.beacon);
  const sync = new SyncWatch({ ...ports, chain, background, signal: stopping.signal });
  const view = new ViewWatch(ports);
  const common = { ...ports, store, chain, background, deadlines, kindOf, heads };
  const { standingFreeze = () => null } = config;
  const safety = await openSafety({ ...common, ...config, profile, standingFreeze });
  const { peers, audit } = safety;
  const built = buildComponents({
    ...common,
    cluster,
    profile,
    ...safety,
    votes,
    archive,
    untilWitnessed: (signal) => peers.rollback.untilWitnessed(signal),
    signal: stopping.signal,
  });

  const { components, courier } = built;
  wire(components);
  watchFor(config, components);
  watchView(components, view);
  const reach = { ...common, cluster, ...safety, ...components, signal: stopping.signal };
  const control = new NodeSafetyControl(reach);
  const health = (): Health => healthOf(observe({ ...ports, cluster, store, sync, view, peers }));
  peers.start({
    ...built,
    sources: { ...components, verifier: built.verifier, background },
    version: config.version ?? "unknown",
    state: () => ({ auditHead: audit.head.hash, isReady: health().isReady }),
    onTwinAhead: failure.resolve,
    control,
    signal: stopping.signal,
  });
  startWatches({ ...reach, control });
  sync.start();
  background.run(() => safety.projector.run(stopping.signal), failure.resolve);
  startProposerPreparer(reach);
  components.scheduler.start();
  return {
    chain,
    validatorApi: components.validatorApi,
    control,
    failure: failure.promise,
    judgeGossip: (channel, bytes, from) => courier.judgeGossip(channel, bytes, from),
    health,
    status: () => statusOf({ ...common, cluster, ...safety, tracker: components.tracker }),
    stop() {
      stopping.abort(new Cancelled("the node stops"));
      built.stop();
    },
  };
}

/** What looks at the chain for harm done, or about to be done, with the validators' keys. */
function startWatches(parts: SightingWatchParts & SlashedWatchParts & ClockWatchParts): void {
  new ClockWatch(parts).start();
  new SightingWatch(parts).start();
  new SlashedWatch(parts).start();
  parts.heads.start(parts.signal);
}

/** Every node builds another block, and a reveal is nobody's view: they say nothing here. */
function watchView({ fetcher, consensus }: Components, view: ViewWatch): void {
  fetcher.onFetched((data) => view.fetched(data));
  consensus.onDecided((data) => {
    const kind = DUTY_KINDS[data.duty.type];
    if (kind.consensus === "agree" && kind.needsOwnData) view.decided(data);
  });
}

/** The tracker, and whoever the configuration names. */
function watchFor({ watch }: NodeConfig, components: Components): void {
  track(components, components.tracker);
  if (watch === undefined) return;
  track(components, watch);
  components.consensus.onDecided(watch.decided);
}

type Watched = Ports & {
  readonly cluster: Cluster;
  readonly store: WatchedStore;
  readonly sync: SyncWatch;
  readonly view: ViewWatch;
  readonly peers: PeerSafety;
};

function observe({ cluster, store, sync, view, peers, ...ports }: Watched): Observations {
  const all = Array.from({ length: cluster.nodes }, (_, peer) => peer);
  return {
    nodes: cluster.nodes,
    threshold: cluster.threshold,
    connected: all.filter((p) => p !== ports.identity.self && ports.network.path(p) !== "none"),
    beaconProblem: sync.problem,
    signedFor: ports.signer.validators.size,
    validators: cluster.validators.length,
    isLockHeld: ports.lock.isHeld(),
    viewProblem: view.problem,
    signingProblems: peers.problems,
    storeProblem: store.problem,
  };
}
