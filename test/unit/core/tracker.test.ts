import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { Deadlines } from "../../../src/core/deadlines.ts";
import { DutyTracker } from "../../../src/core/tracker.ts";
import { DUTY_KINDS } from "../../../src/duties/table.ts";
import {
  type CountingMetrics,
  countingMetrics,
  type LogLine,
  recordingLogger,
} from "../../support/quiet.ts";
import { testChain } from "../../support/testChain.ts";
import { VirtualClock } from "../../support/virtualClock.ts";

const chain = testChain();
const DUTY = { slot: 3, type: "attester" } as const;

let clock: VirtualClock;
let log: LogLine[];
let metrics: CountingMetrics;
let tracker: DutyTracker;

beforeEach(() => {
  clock = new VirtualClock(chain.slotStart(3));
  const logger = recordingLogger();
  log = logger.lines;
  metrics = countingMetrics();
  const deadlines = new Deadlines(clock, chain, ({ type }) => DUTY_KINDS[type]);
  tracker = new DutyTracker({ chain, clock, deadlines, logger, metrics });
});

const warnings = (): LogLine[] => log.filter(({ level }) => level === "warn");

describe("the tracker (FLOW-9)", () => {
  test("reports a completed duty once, with the time to each step", async () => {
    tracker.reached(DUTY, "scheduled");
    await clock.runUntil(clock.now() + 30);
    tracker.reached(DUTY, "decided");
    await clock.runUntil(clock.now() + 20);
    tracker.reached(DUTY, "broadcast");
    tracker.reached(DUTY, "broadcast");
    await clock.runUntil(chain.slotStart(6));
    const done = log.filter(({ message }) => message === "A duty is complete.");
    assert.equal(done.length, 1);
    assert.deepEqual(done[0]?.fields["ms"], { scheduled: 0, decided: 30, broadcast: 50 });
    assert.deepEqual(warnings(), []);
    assert.equal(metrics.total("duties_total", { outcome: "completed" }), 1);
  });

  test("says after which step a missed duty stopped, and why", async () => {
    tracker.reached(DUTY, "scheduled");
    tracker.reached(DUTY, "decided");
    tracker.noted(DUTY, "beacon_unreachable");
    tracker.noted(DUTY, "beacon_unreachable");
    await clock.runUntil(chain.slotStart(5) - 1);
    assert.deepEqual(warnings(), []);
    await clock.runUntil(chain.slotStart(5));
    assert.equal(warnings().length, 1);
    assert.equal(warnings()[0]?.fields["stoppedAfter"], "decided");
    assert.deepEqual(warnings()[0]?.fields["reasons"], ["beacon_unreachable"]);
    assert.equal(metrics.total("duties_total", { outcome: "stopped_after_decided" }), 1);
  });

  test("does not call a duty missed that was never this node's to start", async () => {
    tracker.noted(DUTY, "a peer spoke of it");
    await clock.runUntil(chain.slotStart(6));
    assert.deepEqual(warnings(), []);
  });

  test("bounds the reasons that it keeps", async () => {
    tracker.reached(DUTY, "scheduled");
    for (let i = 0; i < 100; i++) tracker.noted(DUTY, `reason ${i}`);
    await clock.runUntil(chain.slotStart(5));
    const expected = Array.from({ length: 8 }, (_, i) => `reason ${i}`);
    assert.deepEqual(warnings()[0]?.fields["reasons"], expected);
  });

  test("leaves no timer behind when it stops", () => {
    tracker.reached(DUTY, "scheduled");
    tracker.stop();
    // The duty's own deadline is the deadlines' to stop.
    assert.equal(clock.pending, 1);
  });
});
