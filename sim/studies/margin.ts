/** What the t-of-n margin is worth: every node is down at random for some share of the time. */

import { quorum } from "../../src/domain/quorum.ts";
import { SeededRandom } from "../random.ts";
import { lineChart } from "../report/charts.ts";
import { percent } from "../report/scale.ts";
import type { Fault, Scenario } from "../scenario.ts";
import { measure, SWEEP_BASE } from "../sweep.ts";
import type { Study } from "./study.ts";

const SIZES = [4, 7, 10];
const DOWNTIMES = [2, 5, 10, 20];
const SLOTS = 64;
const SLOTS_PER_EPOCH = 8;
/** A node that fails is away for so long. */
const OUTAGE_SLOTS = 2;

export const margin: Study = async ({ runs, onRun }) => {
  const shares = new Map<string, number>();
  for (const nodes of SIZES) {
    for (const downtime of DOWNTIMES) {
      let included = 0;
      for (let index = 0; index < runs; index++) {
        const seed = `margin/${downtime}/${index}`;
        const scenario = withOutages(nodes, downtime / 100, seed);
        const run = await measure(scenario, { point: { nodes, downtime }, seed });
        included += run.included;
        onRun();
      }
      const expected = runs * SWEEP_BASE.validators * (SLOTS / SLOTS_PER_EPOCH);
      shares.set(`${nodes}/${downtime}`, included / expected);
    }
  }
  const missed = (nodes: number, downtime: number): number =>
    1 - (shares.get(`${nodes}/${downtime}`) ?? Number.NaN);
  return {
    name: "margin",
    question: "What is the margin between t and n worth?",
    figures: [
      {
        file: "margin.svg",
        drawing: lineChart({
          title: "Attestations missed, by how often a node is down",
          x: { name: "share of the time that each node is down", format: (value) => `${value} %` },
          y: { name: "missed", format: percent },
          series: [
            ...SIZES.map((nodes) => ({
              name: `${quorum(nodes)} of ${nodes}`,
              points: DOWNTIMES.map((downtime) => [downtime, missed(nodes, downtime)] as const),
            })),
            {
              name: "one node alone",
              points: DOWNTIMES.map((each) => [each, each / 100] as const),
            },
          ],
        }),
      },
    ],
    findings: [
      "When each node is down for 5 % of the time, one node alone misses 5 % of its " +
        "attestations, " +
        `3 of 4 miss ${percent(missed(4, 5))}, 5 of 7 ${percent(missed(7, 5))}, ` +
        `7 of 10 ${percent(missed(10, 5))}.`,
      "An outage lasts two slots, and a node that comes back says nothing in consensus in the " +
        "slot in which it starts (VOTE-2): it is away for longer than the axis says. The line of " +
        "one node alone counts the outage only.",
      `At 20 % downtime the margin is often used up: 3 of 4 miss ${percent(missed(4, 20))}, ` +
        `5 of 7 ${percent(missed(7, 20))}, 7 of 10 ${percent(missed(10, 20))}.`,
    ],
  };
};

/** Each node is away for whole outages of its own draw, for `share` of the time. */
function withOutages(nodes: number, share: number, seed: string): Scenario {
  const random = new SeededRandom(seed);
  const faults: Fault[] = [];
  for (let node = 0; node < nodes; node++) {
    const draws = random.fork(`outages/${node}`);
    for (let slot = 0; slot < SLOTS; slot += OUTAGE_SLOTS) {
      if (draws.chance(share)) {
        faults.push({ kind: "crash", nodes: [node], at: slot, for: OUTAGE_SLOTS });
      }
    }
  }
  return { ...SWEEP_BASE, nodes, threshold: quorum(nodes), slots: SLOTS, faults };
}
