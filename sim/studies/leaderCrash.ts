/** What a dead leader costs: one node of four is down, and leads every fourth slot. */
import { cdf, lineChart } from "../report/charts.ts";
import { milliseconds } from "../report/scale.ts";
import { SWEEP_BASE, type SweepRun, sweep } from "../sweep.ts";
import { type Study, submitted } from "./study.ts";

const LATENCIES = [20, 60, 120, 200, 300];
const SHOWN = 60;

export const leaderCrash: Study = async ({ runs, onRun }) => {
  const results = await sweep({
    seed: "leader-crash",
    base: { ...SWEEP_BASE, slots: 24 },
    parameters: [
      { name: "latency", values: LATENCIES },
      { name: "down", values: [0, 1] },
    ],
    runs,
    onRun,
  });
  const at = (latency: number, down: number): readonly SweepRun[] =>
    results.filter(({ point }) => point["latency"] === latency && point["down"] === down);
  const cases = [
    { name: "all four nodes are up", down: 0 },
    { name: "one node is down", down: 1 },
  ];
  const x = { name: "submitted, from the slot's start", format: milliseconds };
  const p95 = (down: number): string => milliseconds(submitted(at(SHOWN, down), 0.95));
  return {
    name: "leaderCrash",
    question: "What does a dead leader cost?",
    figures: [
      {
        file: "leader-crash-spread.svg",
        drawing: cdf({
          title: `Attestations submitted, ${SHOWN} ms one way`,
          x,
          series: cases.map(({ name, down }) => ({
            name,
            samples: at(SHOWN, down).flatMap(({ submittedAt }) => submittedAt),
          })),
        }),
      },
      {
        file: "leader-crash-latency.svg",
        drawing: lineChart({
          title: "95th percentile by latency",
          x: { name: "one-way latency in ms", format: (value) => String(value) },
          y: { name: "submitted", format: milliseconds },
          series: cases.map(({ name, down }) => ({
            name,
            points: LATENCIES.map((latency) => [latency, submitted(at(latency, down), 0.95)]),
          })),
        }),
      },
    ],
    findings: [
      `With ${SHOWN} ms one way and all nodes up, 95 % are submitted by ${p95(0)}; ` +
        `with one node down by ${p95(1)}.`,
      "A slot whose first leader is down waits for the end of round 1, 8 % of the slot after the " +
        "due time; the others lose nothing.",
    ],
  };
};
