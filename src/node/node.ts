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
import type { Step } from "../core/interfaces.ts";
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
import { buildComponents } from "./components.ts";
import { type Health, healthOf, type Observations } from "./health.ts";
import { startProposerPreparer } from "./proposerPreparer.ts";
import { openSafety } from "./safety.ts";
import { NodeSafetyControl, type SafetyControl } from "./safetyControl.ts";
import { SyncWatch } from "./syncWatch.ts";
import { ViewWatch } from "./viewWatch.ts";
import { WatchedStore } from "./watchedStore.ts";

export type NodeConfig = {
  readonly cluster: Cluster;
  /** Of this program, as the audit log names it. */
  readonly version?: string;
  /** Why nothing may be signed from the very start, by the FREEZE file; null without it. */
  readonly standingFreeze?: () => string | null;
  /** Hears why the node cannot start yet, and again whenever the reason changes. */
  readonly onWaiting?: (reason: string) => void;
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
  const { valueRoot } = profile;
  const archive = await DecidedArchive.open({ ...ports, store, deadlines, valueRoot });
  const heads = new HeadFeed(ports.beacon);
  const sync = new SyncWatch({ ...ports, chain, background, signal: stopping.signal });
  const view = new ViewWatch(ports);
  const common = { ...ports, store, chain, background, deadlines, kindOf, heads };
  const { genesisValidatorsRoot } = chain;
  const { version, standingFreeze = () => null } = config;
  const facts = { cluster, genesisValidatorsRoot, version, standingFreeze };
  const safety = await openSafety({ ...common, ...facts });
  const { components, courier, stop } = buildComponents({
    ...common,
    cluster,
    profile,
    ...safety,
    votes,
    archive,
    signal: stopping.signal,
  });

  wire(components);
  track(components, components.tracker);
  if (config.watch !== undefined) {
    track(components, config.watch);
    components.consensus.onDecided(config.watch.decided);
  }
  components.fetcher.onFetched((data) => view.fetched(data));
  components.consensus.onDecided((data) => {
    const kind = kindOf(data.duty);
    // Every node builds another block, and a reveal is nobody's view: they say nothing here.
    if (kind.consensus === "agree" && kind.needsOwnData) view.decided(data);
  });
  heads.start(stopping.signal);
  sync.start();
  background.run(() => safety.projector.run(stopping.signal), failure.resolve);
  startProposerPreparer({ ...common, cluster, signal: stopping.signal });
  components.scheduler.start();
  return {
    chain,
    validatorApi: components.validatorApi,
    control: new NodeSafetyControl({ ...ports, cluster, ...safety, ...components }),
    failure: failure.promise,
    judgeGossip: (channel, bytes, from) => courier.judgeGossip(channel, bytes, from),
    health: () => healthOf(observe({ ...ports, cluster, store, sync, view })),
    stop() {
      stopping.abort(new Cancelled("the node stops"));
      stop();
    },
  };
}

type Watched = Ports & {
  readonly cluster: Cluster;
  readonly store: WatchedStore;
  readonly sync: SyncWatch;
  readonly view: ViewWatch;
};

function observe({ cluster, store, sync, view, ...ports }: Watched): Observations {
  const peers = Array.from({ length: cluster.nodes }, (_, peer) => peer);
  return {
    nodes: cluster.nodes,
    threshold: cluster.threshold,
    connected: peers.filter((p) => p !== ports.identity.self && ports.network.path(p) !== "none"),
    beaconProblem: sync.problem,
    signedFor: ports.signer.validators.size,
    validators: cluster.validators.length,
    isLockHeld: ports.lock.isHeld(),
    viewProblem: view.problem,
    storeProblem: store.problem,
  };
}
