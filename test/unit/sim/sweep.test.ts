import "../../support/minimalPreset.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  csvLine,
  measure,
  parseParameter,
  pointsOf,
  SWEEP_BASE,
  sweep,
} from "../../../sim/sweep.ts";
import { UsageError } from "../../../src/domain/errors.ts";
import { nativeProfile } from "../../../src/wire/nativeProfile.ts";

test("a parameter is a list of numbers or a range", () => {
  assert.deepEqual(parseParameter("nodes=4,7,10"), { name: "nodes", values: [4, 7, 10] });
  assert.deepEqual(parseParameter("latency=20..400/3").values, [20, 210, 400]);
  assert.equal(parseParameter("latency=20..400").values.length, 6);
  for (const text of ["speed=1", "nodes=", "nodes=a", "nodes=4,-1", "latency=1..2..3", "nodes"]) {
    assert.throws(() => parseParameter(text), UsageError, text);
  }
});

test("a grid has every combination", () => {
  const points = pointsOf([parseParameter("nodes=4,7"), parseParameter("latency=1,2")]);
  assert.equal(points.length, 4);
  assert.deepEqual(points.at(-1), { nodes: 7, latency: 2 });
});

test("SWEEP-1: cells differ by their parameter alone, and a plan gives the same runs", async () => {
  const plan = {
    seed: 1,
    base: { ...SWEEP_BASE, slots: 3 },
    parameters: [parseParameter("latency=10,200")],
    runs: 1,
  };
  const [near, far] = await sweep(plan);
  assert.ok(near !== undefined && far !== undefined);
  assert.equal(near.seed, far.seed);
  assert.equal(near.violations + far.violations, 0);
  assert.ok(far.p50 > near.p50 + 300, `three more trips of 190 ms: ${near.p50} and ${far.p50} ms`);
  assert.deepEqual((await sweep(plan)).map(csvLine), [near, far].map(csvLine));
});

test("WIRE-3: nodes keep the round deadlines of the profile that they are given", async () => {
  const { network } = SWEEP_BASE;
  const scenario = {
    ...SWEEP_BASE,
    slots: 4,
    network: { ...network, latencyMs: { "eu/eu": 300 } },
    // Blocks come when the duty is due, so that the rounds are all the time that there is.
    faults: [{ kind: "late-blocks", byMs: 3_500, at: 0 }] as const,
  };
  const short = { ...nativeProfile, roundEnd: (_: unknown, round: number) => 100 * round };
  const ours = await measure(scenario, { point: {}, seed: "1" });
  const hasty = await measure(scenario, { point: {}, seed: "1", profile: short });
  assert.ok(ours.done > 0);
  assert.equal(hasty.done, 0, "a round of 120 ms is over before a proposal is prepared");
});
