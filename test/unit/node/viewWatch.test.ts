// A beacon node at odds with the cluster is told, once, and the end of it too (OPS-6).
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import type { UnsignedData } from "../../../src/domain/data.ts";
import type { Root } from "../../../src/domain/keys.ts";
import { ViewWatch } from "../../../src/node/viewWatch.ts";
import { countingMetrics, type LogLine, recordingLogger } from "../../support/quiet.ts";

let log: LogLine[];
let watch: ViewWatch;
let slot: number;

beforeEach(() => {
  const logger = recordingLogger();
  log = logger.lines;
  watch = new ViewWatch({ logger, metrics: countingMetrics() });
  slot = 0;
});

/** One duty: what our beacon node said, and what the cluster decided. */
function duty(own: string | null, decided: string): void {
  const of = (root: string): UnsignedData => ({
    duty: { slot, type: "attester" },
    value: new Uint8Array(),
    root: `0x${root.repeat(64)}` as Root,
  });
  if (own !== null) watch.fetched(of(own));
  watch.decided(of(decided));
  slot++;
}

test("OPS-6: a single differing duty is no reason", () => {
  duty("a", "b");
  for (let i = 0; i < 5; i++) duty("a", "a");
  assert.equal(watch.problem, null);
});

test("OPS-6: four differing duties in a row are, until one agrees again", () => {
  for (let i = 0; i < 3; i++) duty("a", "b");
  assert.equal(watch.problem, null);
  duty("a", "b");
  assert.notEqual(watch.problem, null);
  assert.equal(log.filter(({ level }) => level === "warn" || level === "error").length, 1);
  duty("a", "a");
  assert.equal(watch.problem, null);
});
