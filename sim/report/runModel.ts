/**
 * What a trace tells, folded line by line into what the page shows. Memory is bounded
 * (REPORT-2): of every
 * slot a summary is kept, of a few slots (the ones with something to see) all of it.
 */
import { STEPS, type Step } from "../../src/core/interfaces.ts";
import type { DutyId } from "../../src/domain/duty.ts";
import type { PeerIndex } from "../../src/domain/keys.ts";
import type { Millis, Round, Slot } from "../../src/domain/units.ts";
import type { TraceHeader } from "../commands/spec.ts";
import type { Fault } from "../scenario.ts";
import type { DropReason, FrameSummary, TraceEvent } from "../trace.ts";

/** One frame on its way: where it ended, if it did. */
export type Flight = {
  readonly from: PeerIndex;
  readonly to: PeerIndex;
  readonly sentAt: Millis;
  readonly frame: FrameSummary;
  arrivedAt: Millis | null;
  lost: DropReason | null;
};
export type DutyDetail = {
  readonly duty: DutyId;
  readonly steps: Map<PeerIndex, Map<Step, Millis>>;
  readonly flights: Flight[];
  readonly missed: Map<PeerIndex, string>;
  readonly obstacles: string[];
  rounds: Round;
};
export type SlotDetail = {
  readonly slot: Slot;
  readonly at: Millis;
  readonly duties: Map<DutyId, DutyDetail>;
};
/** Nodes that did their part of a duty, that missed it, and duties that are on chain. */
type DutySummary = { done: number; missed: number; included: number; rounds: Round };
export type SlotSummary = {
  readonly slot: Slot;
  readonly duties: Map<string, DutySummary>;
};
export type Band = {
  readonly label: string;
  readonly from: Millis;
  to: Millis | null;
  readonly kind: string;
};
export type Verdict = {
  readonly checker: string;
  readonly passed: boolean;
  readonly checked: number;
};

export type RunModel = {
  readonly header: TraceHeader | null;
  readonly slotMs: Millis;
  readonly nodes: number;
  readonly slots: readonly SlotSummary[];
  readonly details: readonly SlotDetail[];
  readonly bands: readonly Band[];
  /** Milliseconds that each step took after the one before, for all nodes and duties. */
  readonly stages: ReadonlyMap<Step, readonly Millis[]>;
  /** From the slot's start to the end of a node's part, by type of duty. */
  readonly totals: ReadonlyMap<string, readonly Millis[]>;
  /** From a node's first step of a duty to its last, by type of duty. */
  readonly durations: ReadonlyMap<string, readonly Millis[]>;
  readonly verdicts: readonly Verdict[];
  readonly violations: readonly {
    readonly at: Millis;
    readonly checker: string;
    readonly message: string;
  }[];
  readonly behaviours: ReadonlyMap<string, number>;
  readonly included: number;
  readonly events: number;
};

const MAX_DETAILS = 12;
/** Slots in which nothing happened, where there are no others. */
const MAX_PLAIN = 3;
const MAX_FLIGHTS = 4_000;
const MAX_LISTED = 50;
const DEFAULT_SLOT_MS = 12_000;

export class RunReader {
  readonly #slots = new Map<Slot, SlotSummary>();
  readonly #details = new Map<Slot, SlotDetail>();
  readonly #bands = new Map<string, Band>();
  readonly #stages = new Map<Step, Millis[]>();
  readonly #totals = new Map<string, Millis[]>();
  readonly #durations = new Map<string, Millis[]>();
  readonly #inFlight = new Map<number, Flight>();
  readonly #verdicts: Verdict[] = [];
  readonly #violations: { at: Millis; checker: string; message: string }[] = [];
  readonly #behaviours = new Map<string, number>();
  readonly #starts = new Map<Slot, Millis>();
  #header: TraceHeader | null = null;
  #slot: Slot = 0;
  #nodes = 0;
  #included = 0;
  #events = 0;

  takeLine(line: string): void {
    if (line.trim() === "") return;
    const event: TraceEvent | TraceHeader = JSON.parse(line);
    if (event.kind === "run") this.#header = event;
    else this.take(event);
  }

  take(event: TraceEvent): void {
    this.#events++;
    if ("node" in event) this.#nodes = Math.max(this.#nodes, event.node + 1);
    switch (event.kind) {
      case "slot":
        this.#enter(event.slot, event.at);
        return;
      case "step":
        this.#step(event);
        return;
      case "send":
        this.#sent(event);
        return;
      case "receive":
      case "drop":
        this.#landed(event);
        return;
      case "miss":
        this.#missed(event);
        return;
      case "obstacle":
        this.#dutyOf(event.duty)?.obstacles.push(`node ${event.node}: ${event.reason}`);
        return;
      case "included":
        this.#included++;
        this.#summaryOf(event.duty).included++;
        return;
      default:
        this.#takeRare(event);
    }
  }

  model(): RunModel {
    const scenario = this.#header?.scenario;
    return {
      header: this.#header,
      slotMs: scenario?.slotMs ?? DEFAULT_SLOT_MS,
      nodes: scenario?.nodes ?? this.#nodes,
      slots: [...this.#slots.values()].filter(({ duties }) => duties.size > 0),
      details: this.#worthShowing(MAX_DETAILS),
      bands: [...this.#bands.values()],
      stages: this.#stages,
      totals: this.#totals,
      durations: this.#durations,
      verdicts: this.#verdicts,
      violations: this.#violations,
      behaviours: this.#behaviours,
      included: this.#included,
      events: this.#events,
    };
  }

  #takeRare(event: TraceEvent): void {
    switch (event.kind) {
      case "fault":
        if (event.phase === "begin") this.#begin(`fault ${event.id}`, event.at, event.fault);
        else this.#end(`fault ${event.id}`, event.at);
        return;
      case "crash":
        this.#bands.set(`down ${event.node}/${event.at}`, {
          label: `node ${event.node} is down`,
          from: event.at,
          to: null,
          kind: "down",
        });
        return;
      case "up":
        for (const [id, band] of this.#bands) {
          if (id.startsWith(`down ${event.node}/`) && band.to === null) band.to = event.at;
        }
        return;
      case "verdict":
        this.#verdicts.push(event);
        return;
      case "violation":
        if (this.#violations.length < MAX_LISTED) this.#violations.push(event);
        return;
      case "byzantine":
        this.#behaviours.set(event.behaviour, (this.#behaviours.get(event.behaviour) ?? 0) + 1);
        return;
      default:
        return;
    }
  }

  #enter(slot: Slot, at: Millis): void {
    this.#slot = slot;
    this.#starts.set(slot, at);
    if (this.#details.size <= 3 * MAX_DETAILS) return;
    const kept = new Set(this.#worthShowing(MAX_DETAILS).map((detail) => detail.slot));
    for (const old of this.#details.keys()) {
      // What is still going on may yet become interesting.
      if (!kept.has(old) && old < slot - 2) this.#details.delete(old);
    }
  }

  #step({ node, duty, step, at }: TraceEvent & { kind: "step" }): void {
    const detail = this.#dutyOf(duty);
    if (detail === null) return;
    const steps = detail.steps.get(node) ?? new Map<Step, Millis>();
    detail.steps.set(node, steps.set(step, at));
    const { slot, type } = partsOf(duty);
    const before = previousStep(steps, step);
    if (before !== null) push(this.#stages, step, at - before);
    if (step !== "broadcast") return;
    const summary = this.#summaryOf(duty);
    summary.done++;
    const start = this.#starts.get(slot);
    if (start !== undefined) push(this.#totals, type, at - start);
    push(this.#durations, type, at - Math.min(...steps.values()));
  }

  #sent({ id, from, to, frame, at }: TraceEvent & { kind: "send" }): void {
    if (frame.type === "other") return;
    const detail = this.#dutyOf(frame.duty);
    if (detail === null) return;
    if ("round" in frame) {
      detail.rounds = Math.max(detail.rounds, frame.round);
      const summary = this.#summaryOf(frame.duty);
      summary.rounds = Math.max(summary.rounds, frame.round);
    }
    if (detail.flights.length >= MAX_FLIGHTS || frame.type === "partials") return;
    const flight: Flight = { from, to, sentAt: at, frame, arrivedAt: null, lost: null };
    detail.flights.push(flight);
    this.#inFlight.set(id, flight);
  }

  #landed(event: TraceEvent & { kind: "receive" | "drop" }): void {
    const flight = this.#inFlight.get(event.id);
    if (flight === undefined) return;
    if (event.kind === "drop") flight.lost = event.reason;
    else flight.arrivedAt ??= event.at;
    this.#inFlight.delete(event.id);
  }

  #missed({ node, duty, stoppedAfter }: TraceEvent & { kind: "miss" }): void {
    this.#dutyOf(duty)?.missed.set(node, stoppedAfter);
    this.#summaryOf(duty).missed++;
  }

  #begin(id: string, from: Millis, fault: Fault): void {
    this.#bands.set(id, { label: describeFault(fault), from, to: null, kind: fault.kind });
  }

  #end(id: string, at: Millis): void {
    const band = this.#bands.get(id);
    if (band !== undefined) band.to = at;
  }

  #summaryOf(duty: DutyId): DutySummary {
    const { slot, type } = partsOf(duty);
    const summary = this.#slots.get(slot) ?? { slot, duties: new Map() };
    this.#slots.set(slot, summary);
    const known = summary.duties.get(type) ?? { done: 0, missed: 0, included: 0, rounds: 0 };
    summary.duties.set(type, known);
    return known;
  }

  /** The duty's detail; null when its slot was dropped already. */
  #dutyOf(duty: DutyId): DutyDetail | null {
    const { slot } = partsOf(duty);
    const at = this.#starts.get(slot) ?? 0;
    const detail = this.#details.get(slot);
    if (detail === undefined && slot < this.#slot - 2) return null;
    const known = detail ?? { slot, at, duties: new Map<DutyId, DutyDetail>() };
    this.#details.set(slot, known.at === at ? known : { ...known, at });
    const found = known.duties.get(duty) ?? {
      duty,
      steps: new Map(),
      flights: [],
      missed: new Map(),
      obstacles: [],
      rounds: 0,
    };
    known.duties.set(duty, found);
    return found;
  }

  /** Misses first, then many rounds, then obstacles, then whatever took longest; by slot. */
  #worthShowing(count: number): readonly SlotDetail[] {
    const weight = ({ duties }: SlotDetail): number =>
      [...duties.values()].reduce(
        (sum, { missed, rounds, obstacles }) =>
          sum + 1_000 * missed.size + 100 * Math.max(0, rounds - 1) + obstacles.length,
        0,
      );
    return [...this.#details.values()]
      .filter(({ duties }) => duties.size > 0)
      .map((detail) => ({ detail, weight: weight(detail) }))
      .sort((a, b) => b.weight - a.weight || a.detail.slot - b.detail.slot)
      .filter((each, index) => index < count && (each.weight > 0 || index < MAX_PLAIN))
      .map(({ detail }) => detail)
      .sort((a, b) => a.slot - b.slot)
      .map((detail) => ({ ...detail, at: this.#starts.get(detail.slot) ?? detail.at }));
  }
}

export function partsOf(duty: DutyId): { readonly slot: Slot; readonly type: string } {
  const [slot = "0", type = ""] = duty.split("/");
  return { slot: Number(slot), type };
}

/** A fault in the words of a band. */
function describeFault(fault: Fault): string {
  const { kind, at: _, for: __, ...rest } = fault as Fault & Record<string, unknown>;
  const words = Object.entries(rest).map(([name, value]) =>
    name === "behaviour"
      ? String(value)
      : `${name} ${typeof value === "object" ? JSON.stringify(value) : String(value)}`,
  );
  return [kind, ...words].join(" ").replaceAll(/["{}]/g, "");
}

function previousStep(steps: ReadonlyMap<Step, Millis>, step: Step): Millis | null {
  for (let index = STEPS.indexOf(step) - 1; index >= 0; index--) {
    const before = STEPS[index];
    const at = before && steps.get(before);
    if (at !== undefined) return at;
  }
  return null;
}

function push<K>(lists: Map<K, Millis[]>, key: K, value: Millis): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}
