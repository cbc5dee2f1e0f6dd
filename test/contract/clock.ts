/** What every {@link Clock} promises, the machine's and the simulator's alike. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../../src/ports/clock.ts";

export type ClockUnderTest = {
  readonly clock: Clock;
  /** Lets so much time pass, and what is due in it run. */
  pass(ms: number): Promise<void>;
};

const NEVER = new AbortController().signal;

export function testClock(name: string, create: () => ClockUnderTest): void {
  test(`${name}: both its times move together`, async () => {
    const { clock, pass } = create();
    const before = { now: clock.now(), monotonic: clock.monotonic() };
    await pass(50);
    const walked = clock.now() - before.now;
    const ran = clock.monotonic() - before.monotonic;
    assert(ran >= 49, `${ran} ms passed`);
    assert(Math.abs(walked - ran) < 25, `${walked} ms against ${ran} ms`);
  });

  test(`${name}: calls back once, not before the instant, and in the instants' order`, async () => {
    const { clock, pass } = create();
    const start = clock.now();
    const called: [string, number][] = [];
    for (const [label, delay] of [
      ["late", 60],
      ["early", 20],
      ["middle", 40],
    ] as const) {
      clock.at(start + delay, () => called.push([label, clock.now() - start]));
    }
    await pass(90);
    await pass(30);
    assert.deepEqual(
      called.map(([label]) => label),
      ["early", "middle", "late"],
    );
    for (const [i, delay] of [20, 40, 60].entries()) assert((called[i]?.[1] ?? 0) >= delay);
  });

  test(`${name}: an instant that has passed is for the next turn`, async () => {
    const { clock, pass } = create();
    let isInside = true;
    let wasInside: boolean | null = null;
    clock.at(clock.now() - 1_000, () => {
      wasInside = isInside;
    });
    isInside = false;
    await pass(20);
    assert.equal(wasInside, false);
  });

  test(`${name}: a cancelled timer is silent, one that fired cannot be undone`, async () => {
    const { clock, pass } = create();
    let calls = 0;
    const cancelled = clock.at(clock.now() + 20, () => calls++);
    const fired = clock.at(clock.now() + 20, () => calls++);
    cancelled.cancel();
    await pass(50);
    fired.cancel();
    cancelled.cancel();
    assert.equal(calls, 1);
  });
  testSleep(name, create);
}

function testSleep(name: string, create: () => ClockUnderTest): void {
  test(`${name}: a sleeper wakes when its time is over`, async () => {
    const { clock, pass } = create();
    const start = clock.monotonic();
    let slept = 0;
    const sleeping = clock.sleep(30, NEVER).then(() => {
      slept = clock.monotonic() - start;
    });
    await pass(60);
    await sleeping;
    assert(slept >= 29, `${slept} ms`);
  });

  test(`${name}: a sleeper that is woken rejects with the signal's reason, at once`, async () => {
    const { clock, pass } = create();
    const reason = new Error("enough");
    await assert.rejects(clock.sleep(10_000, AbortSignal.abort(reason)), reason);
    const waking = new AbortController();
    const rejected = assert.rejects(clock.sleep(10_000, waking.signal), reason);
    clock.at(clock.now() + 10, () => waking.abort(reason));
    await pass(40);
    await rejected;
  });
}
