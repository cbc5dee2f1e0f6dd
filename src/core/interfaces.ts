/**
 * Every component of the workflow on one page; `workflow.ts` wires them. Data is immutable between
 * components, events are subscribed before the node starts, and each component owns the state that
 * its name says.
 */
import type {
  Admitted,
  AggregatedSet,
  DutyDefinitions,
  PartialSignatureSet,
  Received,
  SigningTask,
  UnsignedData,
  Verified,
} from "../domain/data.ts";
import type { Duty } from "../domain/duty.ts";
import type { LockIndex, Root, ShareIndex, Signature } from "../domain/keys.ts";
import type { SignatureShare } from "../ports/bls.ts";
import type { ValidatorApi } from "../ports/validatorApi.ts";
import type { Refused } from "../safety/gate.ts";

/** Resolves the cluster's duties per epoch and fires each one when it is due. */
export interface Scheduler {
  start(): void;
  onDuty(handler: (duty: Duty, definitions: DutyDefinitions) => void): void;
  /** Who of the cluster has the duty, as far as resolved; empty when nobody. */
  definitions(duty: Duty): DutyDefinitions;
}

/** Gets this node's own proposal for a duty's value from its beacon node. */
export interface Fetcher {
  fetch(duty: Duty, definitions: DutyDefinitions): void;
  onFetched(handler: (data: UnsignedData) => void): void;
  /** What the beacon node said last; waits for its first answer until the signal aborts. */
  latest(duty: Duty, signal: AbortSignal): Promise<UnsignedData | null>;
  /** Asks again, once; what it said before stands when it does not answer. */
  refresh(duty: Duty, signal: AbortSignal): Promise<UnsignedData | null>;
}

/** Agrees with the peers on a duty's value; what every node computes alike is agreed at once. */
export interface Consensus {
  /** Joins the duty's instance, so that its round timer runs before a value is there. */
  participate(duty: Duty): void;
  propose(data: UnsignedData): void;
  /** At most once per duty, after the value's bytes are here. */
  onDecided(handler: (data: UnsignedData) => void): void;
}

/** Keeps the decided value of each duty until its deadline; refuses a second one. */
export interface DutyStore {
  store(data: UnsignedData): void;
  onStored(handler: (data: UnsignedData) => void): void;
  /** What is decided and not past its deadline. */
  decided(): readonly UnsignedData[];
  /** Resolves once the duty is decided; rejects with the signal's reason. */
  awaitData(duty: Duty, signal: AbortSignal): Promise<UnsignedData>;
}

export type Signed = {
  readonly tasks: readonly SigningTask[];
  readonly set: PartialSignatureSet;
  /** Who holds the key shares, for the audit log. */
  readonly caller: string;
};

/** Has this operator's shares sign a decided value; nothing it makes may leave yet. */
export interface Signer {
  sign(data: UnsignedData): void;
  onSigned(handler: (signed: Signed) => void): void;
}

/** Validators of a {@link Signed} set whose signature went no further, and why. */
export type AdmissionOutcome = {
  /** The signature does not verify under this node's public share. */
  readonly unverified: readonly LockIndex[];
  readonly refused: readonly Refused[];
};

/** Checks own partial signatures and takes them through the safety gate. */
export interface Admission {
  admit(signed: Signed): void;
  /** The same for somebody who waits to hear what became of each signature. */
  submit(signed: Signed): Promise<AdmissionOutcome>;
  onAdmitted(handler: (set: Admitted<PartialSignatureSet>) => void): void;
  /** Tries again what a freeze refused in this slot and the one before. */
  resume(): void;
}

/** Sends own admitted partial signatures to the peers and receives theirs. */
export interface PartialSignatureExchange {
  broadcast(set: Admitted<PartialSignatureSet>): void;
  /** Resolves once nothing that may not leave any more waits in this process. */
  settled(): Promise<void>;
  onReceived(handler: (set: Received<PartialSignatureSet>) => void): void;
}

/** The shares of one validator that agree on one root: at least threshold many. */
export type ThresholdGroup = {
  readonly validator: LockIndex;
  readonly messageRoot: Root;
  readonly shares: readonly SignatureShare[];
};

/** Collects partial signatures by duty, validator and root. */
export interface PartialSignatureStore {
  storeOwn(set: Admitted<PartialSignatureSet>): void;
  storeReceived(set: Received<PartialSignatureSet>): void;
  /** Fires when a share completes a group, and again for each later share until it is settled. */
  onThreshold(handler: (duty: Duty, groups: readonly ThresholdGroup[]) => void): void;
  /** The group became a group signature: later shares of it are not reported again. */
  settle(duty: Duty, validator: LockIndex): void;
  /** Forgets shares that were proved invalid; reports the group again if enough are left. */
  drop(duty: Duty, validator: LockIndex, shares: readonly ShareIndex[]): void;
}

/** Combines shares into group signatures and verifies them. */
export interface SignatureAggregator {
  aggregate(duty: Duty, groups: readonly ThresholdGroup[]): void;
  onAggregated(handler: (set: Verified<AggregatedSet>) => void): void;
}

/** Keeps group signatures for the duties that build on them, e.g. a proposal on its randao. */
export interface AggregatedSignatureStore {
  store(set: Verified<AggregatedSet>): void;
  /** Resolves once the signature is there; rejects at the duty's deadline or with the signal. */
  awaitSignature(duty: Duty, validator: LockIndex, signal: AbortSignal): Promise<Signature>;
}

/** Hands group signatures to the beacon node, again and again until it takes them. */
export interface Broadcaster {
  broadcast(set: Verified<AggregatedSet>): void;
  onBroadcast(handler: (duty: Duty, validators: readonly LockIndex[]) => void): void;
}

/** Steps of a duty, in their order; the last one reached says where a missed duty stopped. */
export const STEPS = [
  "scheduled",
  "fetched",
  "decided",
  "signed",
  "admitted",
  "threshold",
  "aggregated",
  "broadcast",
] as const;
export type Step = (typeof STEPS)[number];

/** What became of a duty, or how far it is. */
export type DutyReport = {
  readonly duty: Duty;
  readonly step: Step;
  readonly isMissed: boolean;
  /** What was noted on the way. */
  readonly reasons: readonly string[];
};

/** Watches every duty through its steps and says where and why one stopped. */
export interface Tracker {
  reached(duty: Duty, step: Step): void;
  /** Something went wrong on the way; the last such note is a missed duty's reason. */
  noted(duty: Duty, reason: string): void;
  /** How far the duty got and what was noted on the way, in words. */
  explain(duty: Duty): string;
  /** The last duties of this node, oldest first. */
  recent(): readonly DutyReport[];
}

/** Answers a validator client with what was decided and takes what its key shares sign. */
export interface SigningApi extends ValidatorApi {
  /** Signatures that fit what was decided, before they are checked and admitted. */
  onSigned(handler: (signed: Signed) => void): void;
}

export type Components = {
  readonly scheduler: Scheduler;
  readonly fetcher: Fetcher;
  readonly consensus: Consensus;
  readonly dutyStore: DutyStore;
  readonly signer: Signer;
  readonly validatorApi: SigningApi;
  readonly admission: Admission;
  readonly exchange: PartialSignatureExchange;
  readonly partialSignatures: PartialSignatureStore;
  readonly aggregator: SignatureAggregator;
  readonly aggregatedSignatures: AggregatedSignatureStore;
  readonly broadcaster: Broadcaster;
  readonly tracker: Tracker;
};
