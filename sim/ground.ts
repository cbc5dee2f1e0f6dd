/**
 * What a world stands on: a beacon chain that says who has which duty, and one beacon node for each
 * operator. The virtual chain is cheap and can go wrong in every way; the real one runs the dev
 * chain's state transition.
 */
import type { DistributedValidator } from "../src/cluster/cluster.ts";
import type { DutyType } from "../src/domain/duty.ts";
import type { LockIndex, PeerIndex, Root, Signature } from "../src/domain/keys.ts";
import type { Slot, ValidatorIndex } from "../src/domain/units.ts";
import type { Chain } from "../src/eth2/chain.ts";
import type { BeaconNode } from "../src/ports/beaconNode.ts";
import type { Clock } from "../src/ports/clock.ts";
import type { VirtualFacts } from "./facts.ts";
import type { ChainJudge, Ledger } from "./ledger.ts";
import type { EventLoop } from "./loop.ts";
import type { SeededRandom } from "./random.ts";
import type { BeaconFault, ChainFault, Scenario } from "./scenario.ts";
import type { TraceBody } from "./trace.ts";

/** Group signatures that a beacon node was handed, and how many it took. */
export type Submission = {
  readonly type: "attester" | "proposer";
  readonly slot: Slot;
  readonly validators: readonly ValidatorIndex[];
  readonly taken: number;
};

export type BeaconPortOptions = {
  readonly facts: VirtualFacts;
  readonly validators: readonly DistributedValidator[];
  /** Waits in true time; dead when the node's machine is. */
  readonly clock: Clock;
  readonly onSubmitted: (submission: Submission) => void;
};

/** A beacon node's port for one life of the node that asks. */
export type MachineBeacon = BeaconNode & {
  /** The node's machine is off: no answer and no event reaches it any more. */
  kill(): void;
};

/** One operator's beacon node. */
export interface BeaconView {
  enterSlot(slot: Slot): void;
  /** Imposes a fault; the result ends it. */
  impose(fault: BeaconFault): () => void;
  /** Validators of the cluster that attest in the slot, as this beacon node has it. */
  seatedIn(slot: Slot): readonly LockIndex[];
  proposerIn(slot: Slot): LockIndex | null;
}

export interface Ground {
  readonly facts: VirtualFacts;
  readonly chain: Chain;
  readonly judge: ChainJudge;
  enterSlot(slot: Slot): void;
  /** Imposes a fault on the chain; the result ends it. */
  impose(fault: ChainFault): () => void;
  /** Validators of the cluster whose attestation of the slot the chain waits for. */
  seatedIn(slot: Slot): readonly LockIndex[];
  /** The validator of the cluster that proposes in the slot, or null. */
  proposerIn(slot: Slot): LockIndex | null;
  /** Once for each operator. */
  createView(options: ViewOptions): BeaconView;
  /** The operator's beacon node for one life of its node. */
  openPort(self: PeerIndex, options: BeaconPortOptions): MachineBeacon;
}

export type ViewOptions = {
  readonly self: PeerIndex;
  readonly ledger: Ledger;
  readonly random: SeededRandom;
  /** BYZ-3: false for a Byzantine operator's: what it is handed goes no further. */
  readonly isRelied: boolean;
};

export type GroundParts = {
  readonly loop: EventLoop;
  readonly scenario: Scenario;
  readonly slotsPerEpoch: number;
  /** Unix seconds. */
  readonly genesisTime: number;
  readonly random: SeededRandom;
  readonly validators: readonly DistributedValidator[];
  /** A duty is done, by the chain's own account. */
  readonly include: (type: DutyType, slot: Slot, validator: LockIndex) => void;
  readonly emit: (event: TraceBody) => void;
  /** With the validator's whole key, which no operator has: for strangers. */
  readonly signAs: (validator: LockIndex, signingRoot: Root) => Signature;
  /** A stranger did. */
  readonly onForeign: (signed: ForeignSigned) => void;
};
export type ForeignSigned = {
  readonly validator: LockIndex;
  readonly slot: Slot;
  readonly what: "attestation" | "block";
};
export type CreateGround = (parts: GroundParts) => Ground;
