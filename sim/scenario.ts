/**
 * A scenario as plain data: the cluster, its surroundings, and what goes wrong when. A YAML file
 * maps onto it one to one, the swarm draws it from a seed, and `sim shrink` takes faults out of it.
 * Instants and durations are counted in slots, with fractions, so that a scenario keeps its meaning
 * with any length of slot; only delays of single frames and requests are in milliseconds.
 */
import type { LockIndex, PeerIndex } from "../src/domain/keys.ts";
import type { Millis } from "../src/domain/units.ts";

/** Since genesis, in slots; fractions allowed. */
export type SlotInstant = number;
export type SlotDuration = number;

export type Window = {
  readonly at: SlotInstant;
  /** How long it lasts; to the end of the run where absent. */
  readonly for?: SlotDuration;
};
/** Whom it strikes; everybody where absent. */
export type Struck = { readonly nodes?: readonly PeerIndex[] };
/** A one-way connection; absent ends mean everybody. */
export type Link = { readonly from?: PeerIndex; readonly to?: PeerIndex };

export type NetworkFault =
  /** Nothing passes between the groups; nodes in no group are alone. */
  | { readonly kind: "partition"; readonly groups: readonly (readonly PeerIndex[])[] }
  /** Frames from one side reach the other, but not back. */
  | {
      readonly kind: "one-way";
      readonly from: readonly PeerIndex[];
      readonly to: readonly PeerIndex[];
    }
  /** One connection is broken in both directions. */
  | { readonly kind: "broken-link"; readonly between: readonly [PeerIndex, PeerIndex] }
  /** Frames vanish with this probability. */
  | ({ readonly kind: "loss"; readonly rate: number } & Link)
  /** Frames arrive twice with this probability. */
  | ({ readonly kind: "duplication"; readonly rate: number } & Link)
  /** Frames are held back by up to `byMs` with this probability, so that later ones overtake. */
  | ({ readonly kind: "reordering"; readonly rate: number; readonly byMs: Millis } & Link)
  /** Every frame takes this much longer, give or take the jitter. */
  | ({ readonly kind: "delay"; readonly byMs: Millis; readonly jitterMs?: Millis } & Link)
  /** Frames are held until it ends, then all arrive. */
  | ({ readonly kind: "clog" } & Link)
  /** Bytes per second; what does not fit waits, and beyond the queue's limit is dropped. */
  | ({ readonly kind: "capacity"; readonly bytesPerSecond: number } & Link);

export type WriteCrash = {
  readonly write: number;
  readonly lands: boolean;
  readonly downMs: Millis;
};
export type ProcessFault =
  /** A power cut: memory and unsynced writes are lost. The node starts again when it ends. */
  | ({ readonly kind: "crash" } & Struck)
  /** The same at the n-th write from then on, for so long; `lands` when that one is on the disk. */
  | ({ readonly kind: "crash-at-write" } & WriteCrash & Struck)
  /** The wall clock is off by this much, and comes back when it ends. */
  | ({ readonly kind: "clock-skew"; readonly byMs: Millis } & Struck)
  /** The wall clock steps by this much, for good; negative steps back. */
  | ({ readonly kind: "clock-step"; readonly byMs: Millis } & Struck);

export type DiskFault =
  /** Writes fail with this probability, half of those after reaching the disk. */
  | ({ readonly kind: "disk-fails"; readonly rate: number } & Struck)
  /** The n-th write from then on fails, once; `lands` when it reaches the disk all the same. */
  | ({ readonly kind: "write-fails"; readonly write: number; readonly lands: boolean } & Struck)
  /** A sync takes this long. */
  | ({ readonly kind: "disk-slow"; readonly syncMs: Millis } & Struck);

export const BEACON_LIES = [
  "unknown-head",
  "old-head",
  "wrong-target",
  "future-source",
  "wrong-source-root",
  "wrong-slot",
  "no-duties",
  "wrong-duties",
  "wrong-fee-recipient",
  "wrong-parent",
  "syncing",
] as const;
export type BeaconLie = (typeof BEACON_LIES)[number];

export type BeaconFault =
  /** No answer to anything: connection refused. */
  | ({ readonly kind: "beacon-offline" } & Struck)
  /** Requests fail with 503 with this probability. */
  | ({ readonly kind: "beacon-errors"; readonly rate: number } & Struck)
  /** Requests take this long. */
  | ({ readonly kind: "beacon-slow"; readonly byMs: Millis } & Struck)
  /** Blocks reach the beacon node this much later. */
  | ({ readonly kind: "beacon-lag"; readonly byMs: Millis } & Struck)
  | ({ readonly kind: "beacon-lies"; readonly what: BeaconLie } & Struck)
  /** Submissions are refused with 400, item by item. */
  | ({ readonly kind: "beacon-refuses" } & Struck)
  /** The beacon node follows a branch of its own that left the chain `depth` slots ago. */
  | ({ readonly kind: "beacon-fork"; readonly depth: number } & Struck);

export type ChainFault =
  /** The last `depth` slots of the chain are replaced by others, for everybody. */
  | { readonly kind: "reorg"; readonly depth: number }
  /** Blocks are published this much later than usual. */
  | { readonly kind: "late-blocks"; readonly byMs: Millis }
  /** Slots stay empty with this probability. */
  | { readonly kind: "empty-slots"; readonly rate: number }
  | ForeignSignerFault;

/** Somebody else holds this validator's whole key and does its duties, too, each differently. */
export type ForeignSignerFault = {
  readonly kind: "foreign-signer";
  readonly validator: LockIndex;
  /** Its votes come in one aggregate with a stranger's, so that nobody can check them alone. */
  readonly isAggregated?: boolean;
};

/** Faults of scripted validator clients; they strike only nodes that have one. */
export type ClientFault =
  | ({ readonly kind: "client-silent" } & Struck)
  | ({ readonly kind: "client-late"; readonly byMs: Millis } & Struck)
  /** Loses what it was doing and polls its duties anew when it ends. */
  | ({ readonly kind: "client-restarts" } & Struck)
  /** Sends every request again, this often. */
  | ({ readonly kind: "client-retries"; readonly times: number } & Struck)
  /** Signs something other than what it was given. */
  | ({ readonly kind: "client-lies" } & Struck);

/** The operator is Byzantine: its Network port is wrapped by the behaviour of this name. */
export type ByzantineFault = {
  readonly kind: "byzantine";
  readonly nodes: readonly PeerIndex[];
  readonly behaviour: string;
  /** What the behaviour wants to know beyond its name. */
  readonly options?: Readonly<Record<string, number | string | boolean>>;
};

export type FaultKind =
  | NetworkFault
  | ProcessFault
  | DiskFault
  | BeaconFault
  | ChainFault
  | ClientFault
  | ByzantineFault;
export type Fault = Window & FaultKind;

/** Who signs at a node: its own built-in signer, or a scripted validator client. */
export type SignerKind = "builtin" | "client";

export type NetworkProfile = {
  /** Region of each node; the last one stands for all further nodes. */
  readonly regions: readonly string[];
  /** Median one-way delay between regions as `a/b`, either way round, and within one as `a/a`. */
  readonly latencyMs: Readonly<Record<string, Millis>>;
  /** Spread of the delays: sigma of their logarithm. */
  readonly jitter: number;
  /** Until a broken connection is noticed, and until a healed one is made again. */
  readonly noticeMs: Millis;
  readonly reconnectMs: Millis;
};

export type Scenario = {
  readonly name: string;
  readonly nodes: number;
  readonly threshold: number;
  readonly validators: number;
  /** Length of the run. */
  readonly slots: number;
  readonly slotMs: Millis;
  readonly network: NetworkProfile;
  /** Who signs at each node; the last one stands for all further nodes. */
  readonly signers: readonly SignerKind[];
  /** Median time of a disk's sync. */
  readonly syncMs: Millis;
  /** Median time of a beacon node's answer. */
  readonly beaconMs: Millis;
  /** Probability that a slot's proposer is one of the cluster's validators. */
  readonly proposals: number;
  readonly faults: readonly Fault[];
};

/** When the fault is over; Infinity for one that lasts. */
export function endOf(fault: Fault): SlotInstant {
  return fault.kind === "clock-step" || fault.kind === "reorg"
    ? fault.at
    : fault.at + (fault.for ?? Infinity);
}

/** Four nodes in one region, and nothing goes wrong. */
export const CALM: Scenario = {
  name: "calm",
  nodes: 4,
  threshold: 3,
  validators: 100,
  slots: 64,
  slotMs: 12_000,
  network: {
    regions: ["eu"],
    latencyMs: { "eu/eu": 15 },
    jitter: 0.3,
    noticeMs: 2_000,
    reconnectMs: 500,
  },
  signers: ["builtin"],
  syncMs: 2,
  beaconMs: 15,
  proposals: 0.25,
  faults: [],
};
