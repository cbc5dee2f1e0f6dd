import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { raceInOrder } from "../../../../src/adapters/beacon/race.ts";
import { FaultError } from "../../../../src/domain/errors.ts";
import { VirtualClock } from "../../../support/virtualClock.ts";

const HEDGE_MS = 500;
type Plan = { readonly afterMs: number; readonly answers: boolean };

/** Runs a race among candidates of known speed; tells who won, when, and who was overtaken. */
async function run(plans: readonly Plan[]) {
  const clock = new VirtualClock(0);
  const never = new AbortController().signal;
  const started: number[] = [];
  const overtaken: number[] = [];
  const cancelled: number[] = [];
  const outcome = raceInOrder({
    candidates: plans.map((_, index) => index),
    hedgeAfterMs: HEDGE_MS,
    clock,
    signal: never,
    onOvertaken: (index) => overtaken.push(index),
    ask: async (index, signal) => {
      started.push(index);
      signal.addEventListener("abort", () => cancelled.push(index));
      await clock.sleep(plans[index]?.afterMs ?? 0, signal);
      if (plans[index]?.answers !== true) throw new FaultError("beacon_syncing", `${index}`);
      return { winner: index, atMs: clock.now() };
    },
  }).catch((error: unknown) => error);
  await clock.runUntil(60_000);
  return { outcome: await outcome, started, overtaken, cancelled };
}

test("a prompt first candidate is asked alone", async () => {
  const { outcome, started, overtaken } = await run([
    { afterMs: 499, answers: true },
    { afterMs: 1, answers: true },
  ]);
  assert.deepEqual(outcome, { winner: 0, atMs: 499 });
  assert.deepEqual(started, [0]);
  assert.deepEqual(overtaken, []);
});

test("BN-3: a slow candidate is overtaken by the next, and cancelled", async () => {
  const { outcome, overtaken, cancelled } = await run([
    { afterMs: 10_000, answers: true },
    { afterMs: 20, answers: true },
  ]);
  assert.deepEqual(outcome, { winner: 1, atMs: 520 });
  assert.deepEqual(overtaken, [0]);
  assert.ok(cancelled.includes(0));
});

test("a slow candidate that still answers first wins, and nobody is overtaken", async () => {
  const { outcome, started, overtaken } = await run([
    { afterMs: 600, answers: true },
    { afterMs: 5_000, answers: true },
  ]);
  assert.deepEqual(outcome, { winner: 0, atMs: 600 });
  assert.deepEqual(started, [0, 1]);
  assert.deepEqual(overtaken, []);
});

test("a failure moves on at once", async () => {
  const { outcome } = await run([
    { afterMs: 10, answers: false },
    { afterMs: 10, answers: true },
  ]);
  assert.deepEqual(outcome, { winner: 1, atMs: 20 });
});

test("the first fault is told when all fail", async () => {
  const { outcome } = await run([
    { afterMs: 700, answers: false },
    { afterMs: 10, answers: false },
  ]);
  assert.ok(outcome instanceof FaultError);
  assert.match(outcome.message, /: 1$/);
});

test("a bug is not taken for a failing candidate", async () => {
  const bug = new TypeError("ours");
  const asked: number[] = [];
  const race = raceInOrder({
    candidates: [0, 1],
    hedgeAfterMs: HEDGE_MS,
    clock: new VirtualClock(0),
    signal: new AbortController().signal,
    onOvertaken: () => assert.fail("nobody is overtaken"),
    ask: async (index) => {
      asked.push(index);
      throw bug;
    },
  });
  await assert.rejects(race, bug);
  assert.deepEqual(asked, [0]);
});

test("any plan ends: with an answer if some candidate has one, else with a fault", async () => {
  const plan = fc.record({ afterMs: fc.nat(3_000), answers: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(plan, { minLength: 1, maxLength: 5 }), async (plans) => {
      const { outcome, started } = await run(plans);
      const hasAnswer = plans.some(({ answers }) => answers);
      assert.equal(outcome instanceof FaultError, !hasAnswer);
      assert.deepEqual(started, [...new Set(started)], "nobody is asked twice");
    }),
  );
});
