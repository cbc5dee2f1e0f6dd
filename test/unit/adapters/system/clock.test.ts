import assert from "node:assert/strict";
import { mock, type TestContext, test } from "node:test";
import { systemClock } from "../../../../src/adapters/system/clock.ts";

const START = 1_700_000_000_000;
const THIRTY_DAYS_MS = 30 * 24 * 3_600_000;

/** Timers and wall clock by hand. */
function fakeTime(test: TestContext): typeof mock.timers {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: START });
  test.after(() => mock.timers.reset());
  return mock.timers;
}

test("at: fires once, not before its instant", (t) => {
  const time = fakeTime(t);
  let calls = 0;
  systemClock.at(START + 1500, () => calls++);
  time.tick(1499);
  assert.equal(calls, 0);
  time.tick(1);
  assert.equal(calls, 1);
  time.tick(10_000);
  assert.equal(calls, 1);
});

test("at: a passed instant fires in a later turn, never inside the call", async () => {
  const order: string[] = [];
  await new Promise<void>((resolve) => {
    systemClock.at(Date.now() - 5000, () => {
      order.push("callback");
      resolve();
    });
    order.push("returned");
  });
  assert.deepEqual(order, ["returned", "callback"]);
});

test("at: an instant beyond the 31 bits of a timer is waited for", (t) => {
  const time = fakeTime(t);
  assert.ok(THIRTY_DAYS_MS > 2 ** 31);
  let calls = 0;
  systemClock.at(START + THIRTY_DAYS_MS, () => calls++);
  time.tick(THIRTY_DAYS_MS - 1);
  assert.equal(calls, 0);
  time.tick(1);
  assert.equal(calls, 1);
});

// OPS-5
test("at: a wall clock set forward is noticed within a second", (t) => {
  const time = fakeTime(t);
  let calls = 0;
  systemClock.at(START + 3_600_000, () => calls++);
  time.setTime(START + 3_600_000);
  time.tick(1000);
  assert.equal(calls, 1);
});

test("at: a wall clock set back delays the instant by as much", (t) => {
  const time = fakeTime(t);
  let calls = 0;
  systemClock.at(START + 2000, () => calls++);
  time.tick(1000);
  time.setTime(START - 10_000);
  time.tick(11_999);
  assert.equal(calls, 0);
  time.tick(1);
  assert.equal(calls, 1);
});

test("at: a cancelled timer never fires, and cancelling twice is harmless", (t) => {
  const time = fakeTime(t);
  let calls = 0;
  const timer = systemClock.at(START + 5000, () => calls++);
  time.tick(3000);
  timer.cancel();
  timer.cancel();
  time.tick(60_000);
  assert.equal(calls, 0);
});

test("sleep: lasts at least its delay on the clock that never steps", async () => {
  const before = systemClock.monotonic();
  await systemClock.sleep(20, new AbortController().signal);
  assert.ok(systemClock.monotonic() - before >= 20);
});

test("sleep: rejects with the signal's reason, at once when it is aborted already", async () => {
  const reason = new Error("the deadline passed");
  const controller = new AbortController();
  const sleeping = systemClock.sleep(60_000, controller.signal);
  controller.abort(reason);
  await assert.rejects(sleeping, reason);
  await assert.rejects(systemClock.sleep(60_000, controller.signal), reason);
});
