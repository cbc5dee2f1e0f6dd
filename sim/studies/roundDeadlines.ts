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

/** When rounds end after the due time of an attester duty, in basis points of the slot. */
const CANDIDATES: Readonly<Record<string, (round: Round) => number>> = {
  "300 each": (round) => 300 * round,
  "500 each": (round) => 500 * round,
  "800 each (profile 1)": (round) => nativeProfile.roundEnd("attester", round),
  "1200 each": (round) => 1_200 * round,
  /** 600, 800, 1000 and so on: six rounds are over after 66 % of the slot. */
  "600 and growing by 200": (round) => 500 * round + 100 * round * round,
};
const NAMES = Object.keys(CANDIDATES);
const LATENCIES = [50, 150, 300, 500];

export const roundDeadlines: Study = async ({ runs, onRun }) => {
  const results = new Map<string, SweepRun[]>();
  for (const [name, roundEnd] of Object.entries(CANDIDATES)) {
    for (const latency of LATENCIES) {
      const own: SweepRun[] = [];
      for (let index = 0; index < runs; index++) {
        const seed = `round-deadlines/${index}`;
        const profile = withRounds(roundEnd);
        own.push(await measure(scenarioAt(latency), { point: { latency }, seed, profile }));
        onRun();
      }
      results.set(`${name}/${latency}`, own);
    }
  }
  const at = (name: string, latency: number): readonly SweepRun[] =>
    results.get(`${name}/${latency}`) ?? [];
  const x = { name: "one-way latency in ms", format: (value: number) => String(value) };
  const series = (of: (own: readonly SweepRun[]) => number) =>
    NAMES.map((name) => ({
      name,
      points: LATENCIES.map((latency) => [latency, of(at(name, latency))] as const).filter(
        ([, value]) => !Number.isNaN(value),
      ),
    }));
  return {
    name: "roundDeadlines",
    question: "How long should a round be?",
    figures: [
      {
        file: "round-deadlines-time.svg",
        drawing: lineChart({
          title: "95th percentile of what is submitted, one of four down",
          x,
          y: { name: "submitted", format: milliseconds },
          series: series((own) => submitted(own, 0.95)),
        }),
      },
      {
        file: "round-deadlines-share.svg",
        drawing: lineChart({
          title: "Submitted before aggregators are due, one of four down",
          x,
          y: { name: "share", format: percent },
          series: series(timelyShare),
        }),
      },
    ],
    findings: NAMES.map((name) => {
      const [near, far] = [50, 150].map((latency) =>
        milliseconds(submitted(at(name, latency), 0.95)),
      );
      const shares = LATENCIES.map((latency) => {
        return `${percent(timelyShare(at(name, latency)))} at ${latency} ms`;
      });
      const times = `95 % by ${near} at 50 ms and by ${far} at 150 ms`;
      return `${name}: ${times}; in time ${shares.join(", ")}.`;
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

function withRounds(roundEnd: (round: Round) => number): Profile {
  return {
    ...nativeProfile,
    roundEnd: (type: DutyType, round: Round) =>
      type === "attester" ? roundEnd(round) : nativeProfile.roundEnd(type, round),
  };
}
