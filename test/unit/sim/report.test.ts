/** The pages' components: pure functions of what a trace says. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { cdf, heatMap, lineChart } from "../../../sim/report/charts.ts";
import { html, Markup } from "../../../sim/report/html.ts";
import { roundDiagram } from "../../../sim/report/rounds.ts";
import { RunReader } from "../../../sim/report/runModel.ts";
import { runPage } from "../../../sim/report/runPage.ts";
import {
  compressed,
  instant,
  milliseconds,
  quantile,
  roundValues,
} from "../../../sim/report/scale.ts";
import { sweepPage } from "../../../sim/report/sweepPage.ts";
import { invariantTable, stageTable } from "../../../sim/report/tables.ts";
import { waterfall } from "../../../sim/report/waterfall.ts";
import type { TraceEvent } from "../../../sim/trace.ts";

const HOSTILE = `</title><script>alert("1")</script><img src=x onerror='x'>&`;

test("REPORT-1: whatever text goes in, it comes out as text", () => {
  const page = html`<p title="${HOSTILE}">${[HOSTILE, html`<b>${HOSTILE}</b>`]}</p>`.toString();
  assert.doesNotMatch(page, /<script|<img|onerror='/);
  assert.match(page, /^<p title="&lt;\/title&gt;/);
  assert.ok(html`${null}${undefined}` instanceof Markup);
  assert.equal(html`${null}${0}${1 / 3}`.toString(), "00.33");
});

test("REPORT-1: the page of a run needs nothing from outside and runs no script", () => {
  const reader = new RunReader();
  for (const event of slotOf(3, { hostile: HOSTILE })) reader.take(event);
  reader.takeLine(JSON.stringify({ ...HEADER, command: HOSTILE }));
  const page = runPage(reader.model());
  assert.match(page, /^<!doctype html>/);
  assert.match(page, /default-src 'none'/);
  assert.doesNotMatch(page, /<script|<img|<link|@import|url\(|\bon\w+=['"a-z]/i);
  assert.doesNotMatch(page, /https?:\/\/|<[^>]*\b(?:src|href)=/);
  assert.equal(page, runPage(reader.model()), "the same trace gives the same page");
});

test("a duty that was missed is in its waterfall, with the step that it stopped after", () => {
  const reader = new RunReader();
  for (const event of slotOf(3)) reader.take(event);
  const [detail] = reader.model().details;
  const duty = detail?.duties.get("3/attester");
  assert.ok(duty !== undefined && detail !== undefined);
  const drawing = waterfall(duty, detail.at).toString();
  assert.match(drawing, /node\s+1<\/text>[\s\S]*✕\s+after\s+fetched/);
  assert.match(drawing, /consensus:\s+40 ms/);
  assert.equal(duty.rounds, 2);
});

test("every message is an arrow, and one that was lost ends in a cross", () => {
  const reader = new RunReader();
  for (const event of slotOf(3)) reader.take(event);
  const duty = reader.model().details[0]?.duties.get("3/attester");
  assert.ok(duty !== undefined);
  const drawing = roundDiagram(duty, { nodes: 2, slotAt: 36_000 }).toString();
  assert.equal(
    drawing.match(/PREPARE\s+of\s+round\s+1,\s+node\s+0\s+to\s+1,\s+15\s+ms/g)?.length,
    1,
  );
  assert.match(drawing, /ROUND-CHANGE\s+of\s+round\s+2,\s+node\s+1\s+to\s+0,\s+lost: partition/);
  assert.match(drawing, /✕/);
  assert.match(drawing, /round\s+1<[\s\S]*round\s+2</);
});

test("REPORT-2: of a long run only the slots with something to see are kept whole", () => {
  const reader = new RunReader();
  for (let slot = 0; slot < 500; slot++) {
    for (const event of slotOf(slot, { isMissed: slot % 100 === 7 })) reader.take(event);
  }
  const model = reader.model();
  assert.equal(model.slots.length, 500);
  assert.ok(model.details.length <= 12);
  assert.deepEqual(
    model.details
      .filter(({ duties }) => [...duties.values()].some(({ missed }) => missed.size > 0))
      .map(({ slot }) => slot),
    [7, 107, 207, 307, 407],
  );
  assert.equal(quantile(model.stages.get("decided") ?? [], 0.5), 40);
});

test("a broken invariant is shown with its first violation", () => {
  const reader = new RunReader();
  reader.take({ at: 1_500, kind: "violation", checker: "agreement", message: "two <values>" });
  reader.take({ at: 2_000, kind: "verdict", checker: "agreement", passed: false, checked: 3 });
  const table = invariantTable(reader.model()).toString();
  assert.match(table, /✕ broken[\s\S]*at 1\.500 s: two &lt;values&gt;/);
  assert.match(invariantTable(new RunReader().model()).toString(), /before the checkers spoke/);
});

test("stages are shown with their percentiles", () => {
  const table = stageTable({ stages: new Map([["decided", [10, 20, 30]]]), totals: new Map() });
  assert.match(table.toString(), /consensus[\s\S]*20 ms[\s\S]*30 ms/);
});

test("long silences are cut out of a time axis, and order is kept", () => {
  const scale = compressed([0, 5, 9, 4_000, 4_010], [0, 500]);
  const places = [0, 5, 9, 4_000, 4_010].map((time) => scale.at(time));
  assert.deepEqual(
    [...places].sort((a, b) => a - b),
    places,
  );
  assert.equal(scale.gaps.length, 1);
  assert.equal(scale.gaps[0]?.ms, 3_991);
  assert.equal(places[0], 0);
  assert.equal(places.at(-1), 500);
});

test("numbers are written so that neighbours differ", () => {
  assert.equal(milliseconds(0.25), "0.3 ms");
  assert.equal(milliseconds(1_234), "1.23 s");
  assert.equal(milliseconds(Number.NaN), "–");
  assert.notEqual(instant(17_302, 5), instant(17_307, 5));
  assert.deepEqual(roundValues(0, 10, 5), [0, 2, 4, 6, 8, 10]);
  assert.deepEqual(roundValues(5, 5, 5), [5]);
});

test("charts draw empty and single samples without a NaN", () => {
  const axis = { name: "x", format: String };
  const drawings = [
    cdf({
      title: "t",
      x: axis,
      series: [
        { name: "a", samples: [] },
        { name: "b", samples: [3] },
      ],
    }),
    lineChart({ title: "t", x: axis, y: axis, series: [{ name: "a", points: [[1, 1]] }] }),
    heatMap({
      title: "t",
      x: { name: "x", values: [1, 2] },
      y: { name: "y", values: [1] },
      at: (x) => (x === 1 ? 5 : Number.NaN),
      format: String,
    }),
  ];
  for (const drawing of drawings) assert.doesNotMatch(drawing.toString(), /NaN|Infinity/);
});

test("the page of a sweep has a map for each pair of parameters", () => {
  const run = { seed: "1", done: 4, missed: 0, durations: [5], submittedAt: [9], included: 1 };
  const page = sweepPage({
    command: "coterie sim sweep",
    commit: "abc",
    parameters: [
      { name: "latency", values: [20, 40] },
      { name: "nodes", values: [4] },
    ],
    runs: [20, 40].map((latency) => ({
      ...run,
      point: { latency, nodes: 4 },
      p50: 5,
      p99: 5,
      rounds: 1,
      violations: 0,
    })),
  });
  assert.match(page, /latency and nodes/);
  assert.equal(page.match(/aria-label="Median time of a duty"/g)?.length, 1);
  assert.match(page, /no violation/);
});

const HEADER = {
  kind: "run",
  seed: "1",
  commit: "abc",
  preset: "minimal",
  command: "coterie sim",
  options: {},
  scenario: {
    name: "calm",
    nodes: 2,
    threshold: 2,
    validators: 1,
    slots: 8,
    slotMs: 12_000,
    network: {},
    signers: [],
    syncMs: 1,
    beaconMs: 1,
    proposals: 0,
    faults: [],
  },
};

/** One slot of two nodes: one does its duty, the other misses it and changes the round. */
function slotOf(
  slot: number,
  { hostile = "no answer", isMissed = true } = {},
): readonly TraceEvent[] {
  const at = slot * 12_000;
  const duty = `${slot}/attester` as const;
  const [id, other] = [10 * slot, 10 * slot + 1];
  const vote = { duty, value: null, preparedRound: 0, preparedValue: null, justification: 0 };
  const missed: readonly TraceEvent[] = [
    {
      at: at + 2_000,
      kind: "send",
      id: other,
      from: 1,
      to: 0,
      via: "direct",
      frame: { ...vote, type: "ROUND-CHANGE", source: 1, round: 2 },
    },
    { at: at + 2_001, kind: "drop", id: other, from: 1, to: 0, reason: "partition" },
    { at: at + 2_002, kind: "obstacle", node: 1, duty, reason: hostile },
    { at: at + 9_000, kind: "miss", node: 1, duty, stoppedAfter: "fetched" },
  ];
  return [
    { at, kind: "slot", slot, epoch: 0 },
    { at: at + 10, kind: "step", node: 0, duty, step: "scheduled" },
    { at: at + 20, kind: "step", node: 0, duty, step: "fetched" },
    { at: at + 12, kind: "step", node: 1, duty, step: "scheduled" },
    { at: at + 25, kind: "step", node: 1, duty, step: "fetched" },
    {
      at: at + 30,
      kind: "send",
      id,
      from: 0,
      to: 1,
      via: "direct",
      frame: { ...vote, type: "PREPARE", source: 0, round: 1 },
    },
    { at: at + 45, kind: "receive", id, from: 0, to: 1 },
    { at: at + 60, kind: "step", node: 0, duty, step: "decided" },
    { at: at + 90, kind: "step", node: 0, duty, step: "broadcast" },
    ...(isMissed ? missed : []),
  ];
}
