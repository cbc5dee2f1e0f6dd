/** Puts the workflow's components together; nothing runs before the node wires and starts them. */
import type { Cluster } from "../cluster/cluster.ts";
import { GateAdmission } from "../core/admission.ts";
import { MemoryAggregatedSignatureStore } from "../core/aggregatedSignatureStore.ts";
import type { Background } from "../core/background.ts";
import { BeaconBroadcaster } from "../core/broadcaster.ts";
import type { CertificateArchive } from "../core/certificateArchive.ts";
import { keepCertificates } from "../core/certificateKeeping.ts";
import { QbftConsensus } from "../core/consensus.ts";
import { Courier } from "../core/courier.ts";
import type { Deadlines } from "../core/deadlines.ts";
import type { DecidedArchive } from "../core/decidedArchive.ts";
import { DutyGater } from "../core/dutyGater.ts";
import { DecidedDutyStore } from "../core/dutyStore.ts";
import { Evidence } from "../core/evidence.ts";
import { BeaconFetcher } from "../core/fetcher.ts";
import type { HeadFeed } from "../core/headFeed.ts";
import type {
  AggregatedSignatureStore,
  Components,
  Fetcher,
  Scheduler,
  Tracker,
} from "../core/interfaces.ts";
import type { LivenessGuard } from "../core/livenessGuard.ts";
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
import type { VoteGuard } from "../core/voteGuard.ts";
import type { Duty } from "../domain/duty.ts";
import type { RejectionCode } from "../domain/errors.ts";
import { peerIndexOf, type ShareIndex } from "../domain/keys.ts";
import type { Slot } from "../domain/units.ts";
import type { DutyKind } from "../duties/kind.ts";
import type { Chain } from "../eth2/chain.ts";
import type { Ports } from "../ports/ports.ts";
import type { Freezes } from "../safety/freezes.ts";
import type { SafetyGate } from "../safety/gate.ts";
import type { Precursors } from "../safety/precursors.ts";
import type { SlashingStore } from "../safety/slashingStore.ts";
import { assert } from "../util/assert.ts";
import type { Profile, Scope } from "../wire/profile.ts";
import type { PeerSafety } from "./peerSafety.ts";

export type BuildParts = Ports & {
  readonly cluster: Cluster;
  readonly profile: Profile;
  readonly chain: Chain;
  readonly background: Background;
  readonly deadlines: Deadlines;
  readonly kindOf: (duty: Duty) => DutyKind;
  readonly heads: HeadFeed;
  readonly gate: SafetyGate;
  readonly freezes: Freezes;
  readonly precursors: Precursors;
  readonly slashing: SlashingStore;
  readonly votes: VoteGuard;
  readonly archive: DecidedArchive;
  readonly certificates: CertificateArchive;
  readonly liveness: LivenessGuard;
  /** Resolves once this node may sign at all after its start (WITNESS-3). */
  readonly untilWitnessed: (signal: AbortSignal) => Promise<void>;
  readonly peers: Pick<PeerSafety, "isBridged">;
  /** Aborts when the node stops. */
  readonly signal: AbortSignal;
};

export type Built = {
  readonly components: Components;
  readonly courier: Courier;
  readonly scope: Scope;
  readonly verifier: SignatureVerifier;
  readonly stop: () => void;
};

/** What more than one component is made of. */
type Shared = BuildParts & {
  readonly scope: Scope;
  readonly courier: Courier;
  readonly tracker: Tracker;
  readonly evidence: Evidence;
  readonly scheduler: Scheduler;
  readonly gater: DutyGater;
  readonly fetcher: Fetcher;
  readonly verifier: SignatureVerifier;
  readonly aggregatedSignatures: AggregatedSignatureStore;
};

export function buildComponents(parts: BuildParts): Built {
  const { cluster, profile, chain, deadlines, background, store, logger, bls } = parts;
  const scope = {
    genesisValidatorsRoot: chain.genesisValidatorsRoot,
    lockHash: cluster.lockHash,
  };
  const tracker = new DutyTracker(parts);
  const courier = new Courier({
    ...parts,
    profile,
    scope,
    isBridged: (peer) => parts.peers.isBridged(peer),
  });
  const evidence = new Evidence(store, logger, background);
  const { validators } = cluster;
  const resumed = [...parts.archive.duties, ...parts.votes.interruptedDuties()];
  const onSetBack = (slot: Slot): void => parts.votes.clockSetBack(slot);
  const scheduler = new DutyScheduler({ ...parts, validators, resumed, onSetBack });
  const verifier = new SignatureVerifier(bls, pubShareOf(cluster), cluster.nodes);
  const gater = new DutyGater({ ...parts, scheduler });
  const aggregatedSignatures = new MemoryAggregatedSignatureStore(deadlines);
  const fetcher = new BeaconFetcher({
    ...parts,
    tracker,
    valueRoot: profile.valueRoot,
    awaitSignature: (...query) => aggregatedSignatures.awaitSignature(...query),
  });
  const shared = {
    ...parts,
    scope,
    courier,
    tracker,
    evidence,
    scheduler,
    gater,
    fetcher,
    verifier,
    aggregatedSignatures,
  };
  const checker = new ValueChecker(shared);
  const consensus = new QbftConsensus({ ...shared, checker });
  keepCertificates(consensus, parts);
  return {
    components: { scheduler, fetcher, consensus, tracker, ...buildSigning(shared) },
    courier,
    scope,
    verifier,
    stop() {
      consensus.stop();
      tracker.stop();
      deadlines.stop();
    },
  };
}

type Signing = Omit<Components, "scheduler" | "fetcher" | "consensus" | "tracker">;

/** What turns a decided value into a group signature on the chain. */
function buildSigning(shared: Shared): Signing {
  const { cluster, deadlines, courier, aggregatedSignatures } = shared;
  const { threshold } = cluster;
  const reject = (share: ShareIndex, code: RejectionCode): void =>
    courier.reject("partials", peerIndexOf(share), code);
  const dutyStore = new DecidedDutyStore(deadlines);
  const partialSignatures = new MemoryPartialSignatureStore({ ...shared, threshold, reject });
  const lifted = { ...shared, threshold, reject, dutyStore, partialSignatures };
  const admission = new GateAdmission(lifted);
  const submissions = new Submissions({ ...lifted, admission });
  return {
    dutyStore,
    partialSignatures,
    aggregatedSignatures,
    signer: new DutySigner(shared),
    validatorApi: new DutyValidatorApi({ ...lifted, submissions }),
    admission,
    exchange: new DirectExchange({ ...shared, validators: cluster.validators.length }),
    aggregator: new ThresholdAggregator(lifted),
    broadcaster: new BeaconBroadcaster(lifted),
  };
}

function pubShareOf(cluster: Cluster): PubShareOf {
  return (validator, share) => {
    const pubShare = cluster.validators[validator]?.pubShares[share - 1];
    assert(pubShare !== undefined, `the lock has share ${share} of validator ${validator}`);
    return pubShare;
  };
}
