/**
 * The swarm: everything about a run, drawn from its seed (after TigerBeetle's VOPR and Groce et
 * al., "Swarm Testing", ISSTA 2012: runs that leave some kinds of fault out find more than runs
 * that have them all). Three epochs with faults, then the time to show that all of it has healed.
 */
import type { PeerIndex } from "../src/domain/keys.ts";
import { faulty, quorum } from "../src/domain/quorum.ts";
import type { SeededRandom } from "./random.ts";
import {
  BEACON_LIES,
  CALM,
  type Fault,
  type FaultKind,
  type Link,
  type NetworkProfile,
  type Scenario,
  type Window,
} from "./scenario.ts";

export type SwarmOptions = {
  readonly random: SeededRandom;
  readonly slotsPerEpoch: number;
  /** What a Byzantine operator may do. */
  readonly behaviours: readonly string[];
};

const FAULT_EPOCHS = 3;
const HEALING_EPOCHS = 1;
const MAX_FAULTS = 8;
/** The scenario of its own floods four times as fast; here more seeds are worth more. */
const FLOOD_RATE = 25;
/** A wall clock this far off is an operator's ordinary trouble; beyond it, a fault that ends. */
const TOLERABLE_STEP_MS = 250;

const REGIONS: readonly Pick<NetworkProfile, "regions" | "latencyMs">[] = [
  { regions: ["eu"], latencyMs: { "eu/eu": 15 } },
  { regions: ["lan"], latencyMs: { "lan/lan": 0.5 } },
  {
    regions: ["eu", "us", "eu", "asia", "us"],
    latencyMs: {
      "eu/eu": 15,
      "us/us": 30,
      "asia/asia": 40,
      "eu/us": 45,
      "eu/asia": 120,
      "us/asia": 90,
    },
  },
];

export function swarmScenario({ random, slotsPerEpoch, behaviours }: SwarmOptions): Scenario {
  const shape = random.fork("shape");
  const nodes = shape.pick([4, 4, 4, 4, 7, 7, 10]);
  const troubled = FAULT_EPOCHS * slotsPerEpoch;
  const { regions, latencyMs } = shape.pick(REGIONS);
  return {
    name: "swarm",
    nodes,
    threshold: quorum(nodes),
    validators: shape.integer(1, 8),
    slots: troubled + HEALING_EPOCHS * slotsPerEpoch,
    slotMs: CALM.slotMs,
    network: {
      regions,
      latencyMs,
      jitter: shape.pick([0, 0.2, 0.5]),
      noticeMs: shape.pick([50, 2_000, 10_000]),
      reconnectMs: shape.pick([50, 500, 3_000]),
    },
    signers: Array.from({ length: nodes }, () => (shape.chance(0.3) ? "client" : "builtin")),
    syncMs: shape.pick([0, 1, 5, 40]),
    beaconMs: shape.pick([0, 5, 30, 150]),
    proposals: shape.pick([0, 0.2, 0.6]),
    faults: new Drawing({ random: random.fork("faults"), nodes, troubled, behaviours }).faults(),
  };
}

type DrawingOptions = {
  readonly random: SeededRandom;
  readonly nodes: number;
  /** Slots in which faults last. */
  readonly troubled: number;
  readonly behaviours: readonly string[];
};

/** A kind of fault, and how one of it is drawn. */
type Row = (drawing: Drawing) => FaultKind | null;

class Drawing {
  readonly random: SeededRandom;
  readonly nodes: number;
  readonly behaviours: readonly string[];
  /** At most f operators whose trouble may never end, or whose beacon node or client may lie. */
  readonly scapegoats: readonly PeerIndex[];
  readonly #troubled: number;

  constructor({ random, nodes, troubled, behaviours }: DrawingOptions) {
    this.random = random;
    this.nodes = nodes;
    this.behaviours = behaviours;
    this.#troubled = troubled;
    const count = random.integer(0, faulty(nodes));
    this.scapegoats = random.sample(this.everybody, count);
  }

  get everybody(): readonly PeerIndex[] {
    return Array.from({ length: this.nodes }, (_, node) => node);
  }

  faults(): readonly Fault[] {
    const rows = this.random.sample(Object.values(ROWS), this.random.integer(1, 6));
    const count = this.random.integer(0, MAX_FAULTS);
    const ending = Array.from({ length: count }, () => {
      const kind = this.random.pick(rows)(this);
      return kind === null ? [] : [{ ...kind, ...this.#window() }];
    }).flat();
    return [...this.scapegoats.flatMap((node) => this.#lasting(node)), ...ending];
  }

  /** Some operators, or one, or everybody. */
  some(): { readonly nodes?: readonly PeerIndex[] } {
    if (this.random.chance(0.2)) return {};
    return { nodes: this.random.sample(this.everybody, this.random.integer(1, this.nodes)) };
  }

  one(): { readonly nodes: readonly PeerIndex[] } {
    return { nodes: [this.random.integer(0, this.nodes - 1)] };
  }

  scapegoat(): { readonly nodes: readonly PeerIndex[] } | null {
    return this.scapegoats.length === 0 ? null : { nodes: [this.random.pick(this.scapegoats)] };
  }

  link(): Link {
    const end = (): PeerIndex => this.random.integer(0, this.nodes - 1);
    return {
      ...(this.random.chance(0.5) && { from: end() }),
      ...(this.random.chance(0.5) && { to: end() }),
    };
  }

  #window(): Window {
    const at = this.random.between(0, this.#troubled - 0.5);
    const longest = this.#troubled - at;
    const lasts = Math.min(longest, 0.1 + this.random.fraction() ** 2 * 8);
    return { at: rounded(at), for: rounded(lasts) };
  }

  /** What is wrong with an operator for good. */
  #lasting(node: PeerIndex): readonly Fault[] {
    const at = this.random.pick([0, rounded(this.random.between(0, this.#troubled))]);
    const nodes = [node];
    const roll = this.random.fraction();
    if (roll < 0.25) return [];
    if (roll < 0.4) return [{ kind: "crash", nodes, at }];
    if (roll < 0.5) return [{ kind: "beacon-offline", nodes, at }];
    if (this.behaviours.length === 0) return [];
    const behaviour = this.random.pick(this.behaviours);
    const options = behaviour === "flood" ? { options: { framesPerSecond: FLOOD_RATE } } : {};
    return [{ kind: "byzantine", nodes, behaviour, at, ...options }];
  }
}

const ROWS: Readonly<Record<string, Row>> = {
  partition: ({ random, everybody }) => {
    const side = random.sample(everybody, random.integer(1, everybody.length - 1));
    const groups = [side, everybody.filter((node) => !side.includes(node))];
    return { kind: "partition", groups };
  },
  oneWay: ({ random, everybody }) => ({
    kind: "one-way",
    from: random.sample(everybody, random.integer(1, 2)),
    to: random.sample(everybody, random.integer(1, everybody.length)),
  }),
  brokenLink: ({ random, everybody }) => {
    const [a = 0, b = 1] = random.sample(everybody, 2);
    return { kind: "broken-link", between: [a, b] };
  },
  loss: (drawing) => ({
    kind: "loss",
    rate: drawing.random.pick([0.02, 0.2, 0.6]),
    ...drawing.link(),
  }),
  duplication: (drawing) => ({ kind: "duplication", rate: 0.5, ...drawing.link() }),
  reordering: (drawing) => ({
    kind: "reordering",
    rate: 0.4,
    byMs: drawing.random.pick([100, 1_000, 5_000]),
    ...drawing.link(),
  }),
  delay: (drawing) => ({
    kind: "delay",
    byMs: drawing.random.pick([100, 600, 3_000, 9_000]),
    jitterMs: drawing.random.pick([0, 500]),
    ...drawing.link(),
  }),
  clog: (drawing) => ({ kind: "clog", ...drawing.link() }),
  capacity: (drawing) => ({
    kind: "capacity",
    bytesPerSecond: drawing.random.pick([2_000, 50_000]),
    ...drawing.link(),
  }),
  crash: (drawing) => ({ kind: "crash", ...drawing.some() }),
  crashOne: (drawing) => ({ kind: "crash", ...drawing.one() }),
  clockSkew: (drawing) => ({
    kind: "clock-skew",
    byMs: drawing.random.pick([-15_000, -1_500, 1_500]),
    ...drawing.some(),
  }),
  // A node that is slots ahead spends the votes of slots to come: more than f of them are too many.
  clockAhead: (drawing) => {
    const nodes = drawing.scapegoat();
    const byMs = drawing.random.pick([15_000, 100_000]);
    return nodes === null ? null : { kind: "clock-skew", byMs, ...nodes };
  },
  clockStep: (drawing) => ({
    kind: "clock-step",
    byMs: drawing.random.integer(-TOLERABLE_STEP_MS, TOLERABLE_STEP_MS),
    ...drawing.one(),
  }),
  diskFails: (drawing) => ({
    kind: "disk-fails",
    rate: drawing.random.pick([0.1, 1]),
    ...drawing.some(),
  }),
  writeFails: (drawing) => ({
    kind: "write-fails",
    write: drawing.random.integer(1, 20),
    lands: drawing.random.chance(0.5),
    ...drawing.one(),
  }),
  diskSlow: (drawing) => ({
    kind: "disk-slow",
    syncMs: drawing.random.pick([50, 500, 4_000]),
    ...drawing.some(),
  }),
  beaconOffline: (drawing) => ({ kind: "beacon-offline", ...drawing.some() }),
  beaconErrors: (drawing) => ({ kind: "beacon-errors", rate: 0.5, ...drawing.some() }),
  beaconSlow: (drawing) => ({
    kind: "beacon-slow",
    byMs: drawing.random.pick([300, 2_000, 8_000]),
    ...drawing.some(),
  }),
  beaconLag: (drawing) => ({
    kind: "beacon-lag",
    byMs: drawing.random.pick([1_000, 6_000, 40_000]),
    ...drawing.some(),
  }),
  beaconLies: (drawing) => {
    const nodes = drawing.scapegoat();
    const what = drawing.random.pick(BEACON_LIES);
    return nodes === null ? null : { kind: "beacon-lies", what, ...nodes };
  },
  beaconRefuses: (drawing) => ({ kind: "beacon-refuses", ...drawing.one() }),
  beaconFork: (drawing) => ({
    kind: "beacon-fork",
    depth: drawing.random.integer(1, 12),
    ...drawing.one(),
  }),
  // Beyond two epochs back the committees change, and a validator may be told to vote twice.
  reorg: ({ random }) => ({ kind: "reorg", depth: random.pick([1, 2, 5, 20]) }),
  lateBlocks: ({ random }) => ({ kind: "late-blocks", byMs: random.pick([1_500, 5_000]) }),
  emptySlots: () => ({ kind: "empty-slots", rate: 0.4 }),
  clientSilent: (drawing) => ({ kind: "client-silent", ...drawing.some() }),
  clientLate: (drawing) => ({
    kind: "client-late",
    byMs: drawing.random.pick([500, 3_000, 9_000]),
    ...drawing.some(),
  }),
  clientRestarts: (drawing) => ({ kind: "client-restarts", ...drawing.some() }),
  clientRetries: (drawing) => ({ kind: "client-retries", times: 3, ...drawing.some() }),
  clientLies: (drawing) => {
    const nodes = drawing.scapegoat();
    return nodes === null ? null : { kind: "client-lies", ...nodes };
  },
};

/** Hundredths of a slot are enough, and a schedule that people read. */
function rounded(slots: number): number {
  return Math.round(slots * 100) / 100;
}
