/**
 * How long a round should be: shorter ones get over a dead leader sooner, and are too short for
 * slow networks. Other lengths run on a copy of the wire's profile; nothing but its rounds differs.
 */
import type { DutyType } from "../../src/domain/duty.ts";
import type { Round } from "../../src/domain/units.ts";
import { nativeProfile } from "../../src/wire/nativeProfile.ts";
import type { Profile } from "../../src/wire/profile.ts";
import { lineChart } from "../report/charts.ts";
import { milliseconds, percent } from "../report/scale.ts";
import type { Scenario } from "../scenario.ts";
import { measure, SWEEP_BASE, type SweepRun } from "../sweep.ts";
import { type Study, submitted, timelyShare } from "./study.ts";

/** Basis points of the slot for each round of an attester duty. */
const LENGTHS = [300, 500, 800, 1_200];
const RELEASED = 800;
const LATENCIES = [50, 150, 300, 500];

export const roundDeadlines: Study = async ({ runs, onRun }) => {
  const results = new Map<string, SweepRun[]>();
  for (const length of LENGTHS) {
    for (const latency of LATENCIES) {
      const own: SweepRun[] = [];
      for (let index = 0; index < runs; index++) {
        const seed = `round-deadlines/${index}`;
        const profile = withRounds(length);
        own.push(await measure(scenarioAt(latency), { point: { length, latency }, seed, profile }));
        onRun();
      }
      results.set(`${length}/${latency}`, own);
    }
  }
  const at = (length: number, latency: number): readonly SweepRun[] =>
    results.get(`${length}/${latency}`) ?? [];
  const x = { name: "one-way latency in ms", format: (value: number) => String(value) };
  const series = (of: (own: readonly SweepRun[]) => number) =>
    LENGTHS.map((length) => ({
      name: `${length} bp${length === RELEASED ? " (profile 1)" : ""}`,
      points: LATENCIES.map((latency) => [latency, of(at(length, latency))] as const),
    }));
  const share = (length: number, latency: number): number => timelyShare(at(length, latency));
  return {
    name: "roundDeadlines",
    question: "How long should a round be?",
    figures: [
      {
        file: "round-deadlines-time.svg",
        drawing: lineChart({
          title: "95th percentile with one node of four down",
          x,
          y: { name: "submitted", format: milliseconds },
          series: series((own) => submitted(own, 0.95)),
        }),
      },
      {
        file: "round-deadlines-share.svg",
        drawing: lineChart({
          title: "Submitted before aggregators are due",
          x,
          y: { name: "share", format: percent },
          series: series(timelyShare),
        }),
      },
    ],
    findings: LENGTHS.map((length) => {
      const [near, far] = [50, 300].map((latency) =>
        milliseconds(submitted(at(length, latency), 0.95)),
      );
      const [some, most, few] = [50, 300, 500].map((latency) => percent(share(length, latency)));
      return (
        `${length} bp: 95 % submitted by ${near} at 50 ms and by ${far} at 300 ms one way; ` +
        `in time ${some} and ${most}, at 500 ms ${few}.`
      );
    }),
  };
};

/** One node of four is down, and blocks come so late that rounds begin at the due time. */
function scenarioAt(latency: number): Scenario {
  const { network } = SWEEP_BASE;
  const latencyMs = Object.fromEntries(
    Object.keys(network.latencyMs).map((pair) => [pair, latency] as const),
  );
  return {
    ...SWEEP_BASE,
    slots: 16,
    network: { ...network, latencyMs },
    faults: [
      { kind: "crash", nodes: [0], at: 0 },
      { kind: "late-blocks", byMs: 3_500, at: 0 },
    ],
  };
}

function withRounds(length: number): Profile {
  return {
    ...nativeProfile,
    roundEnd: (type: DutyType, round: Round) =>
      type === "attester" ? length * round : nativeProfile.roundEnd(type, round),
  };
}
