/**
 * Many runs over a grid of parameters. A parameter changes one thing of the scenario; each cell of
 * the grid is run with several seeds, and a run is boiled down to a line of numbers.
 */
import { UsageError } from "../src/domain/errors.ts";
import { quorum } from "../src/domain/quorum.ts";
import type { Millis } from "../src/domain/units.ts";
import type { Profile } from "../src/wire/profile.ts";
import { RunReader, type SlotSummary } from "./report/runModel.ts";
import { quantile } from "./report/scale.ts";
import { CALM, type Scenario } from "./scenario.ts";
import { createWorld } from "./world.ts";

export type Parameter = { readonly name: string; readonly values: readonly number[] };
export type SweepPoint = Readonly<Record<string, number>>;
export type SweepRun = {
  readonly point: SweepPoint;
  readonly seed: string;
  /** Parts of attester duties that nodes did and missed. */
  readonly done: number;
  readonly missed: number;
  /** Milliseconds from a node's first step of an attester duty to its last. */
  readonly durations: readonly Millis[];
  /** Milliseconds from the slot's start to a node's submission. */
  readonly submittedAt: readonly Millis[];
  /** Attestations of the run's own slots that reached the chain. */
  readonly included: number;
  readonly p50: Millis;
  readonly p99: Millis;
  readonly rounds: number;
  readonly violations: number;
};
export type SweepPlan = {
  readonly seed: string | number;
  readonly base: Scenario;
  readonly parameters: readonly Parameter[];
  readonly runs: number;
  readonly onRun?: (run: SweepRun, done: number, of: number) => void;
};

/** What can be swept: how a value changes the scenario. */
const PARAMETERS: Readonly<Record<string, (scenario: Scenario, value: number) => Scenario>> = {
  latency: (scenario, value) => {
    const { network } = scenario;
    const entries = Object.keys(network.latencyMs).map((pair) => [pair, value] as const);
    return { ...scenario, network: { ...network, latencyMs: Object.fromEntries(entries) } };
  },
  jitter: (scenario, jitter) => ({ ...scenario, network: { ...scenario.network, jitter } }),
  nodes: (scenario, nodes) => ({ ...scenario, nodes, threshold: quorum(nodes) }),
  threshold: (scenario, threshold) => ({ ...scenario, threshold }),
  validators: (scenario, validators) => ({ ...scenario, validators }),
  beacon: (scenario, beaconMs) => ({ ...scenario, beaconMs }),
  sync: (scenario, syncMs) => ({ ...scenario, syncMs }),
  /** In percent of the frames. */
  loss: (scenario, value) => ({
    ...scenario,
    faults: [...scenario.faults, { kind: "loss", rate: value / 100, at: 0 }],
  }),
  /** Nodes that are down all the time. */
  down: (scenario, value) => {
    if (value === 0) return scenario;
    const nodes = Array.from({ length: value }, (_, node) => node);
    return { ...scenario, faults: [...scenario.faults, { kind: "crash", nodes, at: 0 }] };
  },
};
const DEFAULT_STEPS = 6;
const MAX_VALUES = 100;

/** A small cluster in calm weather, long enough for every validator to attest once. */
export const SWEEP_BASE: Scenario = {
  ...CALM,
  name: "sweep",
  validators: 8,
  slots: 8,
  proposals: 0,
};

/** Reads `latency=20..400`, `latency=20..400/5` (so many values) or `nodes=4,7,10`. */
export function parseParameter(text: string): Parameter {
  const [name = "", list = ""] = text.split("=");
  if (PARAMETERS[name] === undefined) {
    throw new UsageError(`there is no parameter "${name}"`, {
      fix: `sweep one of ${Object.keys(PARAMETERS).join(", ")}`,
    });
  }
  const range = /^(\d+(?:\.\d+)?)\.\.(\d+(?:\.\d+)?)(?:\/(\d+))?$/.exec(list);
  const values = range === null ? list.split(",").map(Number) : rangeOf(range);
  const isFine =
    list !== "" &&
    values.length <= MAX_VALUES &&
    values.every((value) => Number.isFinite(value) && value >= 0);
  if (!isFine) {
    throw new UsageError(`--param ${text} is no list of numbers`, {
      fix: `write ${name}=20,50,100 or ${name}=20..400 or ${name}=20..400/5`,
    });
  }
  return { name, values: [...new Set(values)] };
}

function rangeOf([, from, to, count]: RegExpExecArray): readonly number[] {
  const steps = Math.max(Number(count ?? DEFAULT_STEPS), 2);
  const [low, high] = [Number(from), Number(to)];
  return Array.from({ length: Math.min(steps, MAX_VALUES + 1) }, (_, index) =>
    Math.round(low + ((high - low) * index) / (steps - 1)),
  );
}

/** Runs the whole grid; the same plan gives the same runs. */
export async function sweep(plan: SweepPlan): Promise<readonly SweepRun[]> {
  const points = pointsOf(plan.parameters);
  const runs: SweepRun[] = [];
  for (const point of points) {
    for (let index = 0; index < plan.runs; index++) {
      const run = await measure(scenarioAt(plan.base, point), {
        point,
        // SWEEP-1: the same seeds in every cell; what differs is the parameter.
        seed: `${plan.seed}/${index}`,
      });
      runs.push(run);
      plan.onRun?.(run, runs.length, points.length * plan.runs);
    }
  }
  return runs;
}

export function pointsOf(parameters: readonly Parameter[]): readonly SweepPoint[] {
  let points: readonly SweepPoint[] = [{}];
  for (const { name, values } of parameters) {
    points = points.flatMap((point) => values.map((value) => ({ ...point, [name]: value })));
  }
  return points;
}

type MeasureOptions = {
  readonly point: SweepPoint;
  readonly seed: string;
  /** Another wire for the nodes, where a study tries one. */
  readonly profile?: Profile;
};

/** One run as numbers; liveness that a harsh scenario must break is counted, not raised. */
export async function measure(
  scenario: Scenario,
  { point, seed, profile }: MeasureOptions,
): Promise<SweepRun> {
  const reader = new RunReader();
  const onTrace = (line: string): void => reader.takeLine(line);
  const world = createWorld({ seed, scenario, onTrace, ...(profile && { profile }) });
  const { violations } = await world.run();
  const { slots, durations, totals } = reader.model();
  const attester = (of: readonly SlotSummary[]) =>
    of.flatMap((s) => s.duties.get("attester") ?? []);
  const duties = attester(slots);
  // A run goes on a little after its last slot; what is on chain by then is not the run's.
  const own = attester(slots.filter(({ slot }) => slot < scenario.slots));
  const samples = durations.get("attester") ?? [];
  return {
    point,
    seed,
    done: duties.reduce((sum, { done }) => sum + done, 0),
    missed: duties.reduce((sum, { missed }) => sum + missed, 0),
    durations: samples,
    submittedAt: totals.get("attester") ?? [],
    included: own.reduce((sum, duty) => sum + duty.included, 0),
    p50: quantile(samples, 0.5),
    p99: quantile(samples, 0.99),
    rounds: Math.max(...duties.map(({ rounds }) => rounds), 0),
    violations: violations.length,
  };
}

function scenarioAt(base: Scenario, point: SweepPoint): Scenario {
  let scenario = base;
  for (const [name, value] of Object.entries(point)) {
    scenario = PARAMETERS[name]?.(scenario, value) ?? scenario;
  }
  return scenario;
}

export const CSV_COLUMNS = ["seed", "done", "missed", "p50_ms", "p99_ms", "rounds", "violations"];

export function csvLine(run: SweepRun): string {
  const { point, seed, done, missed, p50, p99, rounds, violations } = run;
  const ms = (value: number): string => (Number.isNaN(value) ? "" : value.toFixed(2));
  return [...Object.values(point), seed, done, missed, ms(p50), ms(p99), rounds, violations].join();
}
