import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Background } from "../../../src/core/background.ts";
import { HeadFeed } from "../../../src/core/headFeed.ts";
import { Cancelled } from "../../../src/domain/errors.ts";
import { ClockWatch } from "../../../src/node/clockWatch.ts";
import { FakeBeacon } from "../../support/fakeBeacon.ts";
import { recordingLogger } from "../../support/quiet.ts";
import { testChain } from "../../support/testChain.ts";
import { VirtualClock } from "../../support/virtualClock.ts";

const chain = testChain();
const SLOT = 20;

function openBench() {
  const clock = new VirtualClock(chain.slotStart(SLOT));
  const beacon = new FakeBeacon([]);
  const heads = new HeadFeed(beacon);
  const logger = recordingLogger();
  const counted: string[] = [];
  const stopping = new AbortController();
  const { signal } = stopping;
  const background = new Background((error) => {
    throw error;
  });
  const precursors = { count: (kind: string) => void counted.push(kind) };
  new ClockWatch({ chain, clock, heads, precursors, logger, background, signal }).start();
  heads.start(signal);
  return { clock, beacon, logger, counted, stop: () => stopping.abort(new Cancelled("over")) };
}

describe("PRECURSOR-2: this machine's clock", () => {
  test("is counted where it is set, and not where it only runs a little off", async () => {
    const { clock, counted, logger, stop } = openBench();
    const start = clock.now();
    await clock.runUntil(start + 30_000);
    clock.setOffset(400);
    await clock.runUntil(start + 60_000);
    assert.deepEqual(counted, []);
    clock.setOffset(-2_600);
    await clock.runUntil(start + 90_000);
    assert.deepEqual(counted, ["clock_drift"]);
    assert.equal(logger.lines[0]?.fields["byMs"], -3_000);
    stop();
  });

  test("is counted where the chain is ahead of it, and told once", () => {
    const { beacon, counted, logger, stop } = openBench();
    beacon.emitHead(SLOT);
    assert.deepEqual(counted, []);
    beacon.emitHead(SLOT + 1);
    beacon.emitHead(SLOT + 2);
    assert.deepEqual(counted, ["clock_drift", "clock_drift"]);
    assert.equal(logger.lines.filter(({ level }) => level === "warn").length, 1);
    assert.equal(logger.lines[0]?.fields["behindMs"], 12_000);
    stop();
  });
});
