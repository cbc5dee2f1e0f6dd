import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EventLoop } from "../../../sim/loop.ts";

describe("virtual time", () => {
  it("runs callbacks by instant, those of one instant in the order of their arrival", async () => {
    const loop = new EventLoop();
    const ran: string[] = [];
    for (const [at, name] of [
      [20, "c"],
      [10, "a"],
      [20, "d"],
      [10, "b"],
    ] as const) {
      loop.at(at, () => ran.push(`${name}@${loop.now}`));
    }
    await loop.run(20);
    assert.deepEqual(ran, ["a@10", "b@10", "c@20", "d@20"]);
  });

  it("SIM-1: a promise chain of any length settles before the next callback begins", async () => {
    const loop = new EventLoop();
    const ran: string[] = [];
    for (const name of ["first", "second"]) {
      const chain = async (): Promise<void> => {
        for (let i = 0; i < 1_000; i++) await Promise.resolve();
        ran.push(name);
      };
      loop.at(5, () => void chain());
      loop.at(5, () => ran.push(`after the ${name}`));
    }
    await loop.run(5);
    assert.deepEqual(ran, ["first", "after the first", "second", "after the second"]);
  });

  it("takes what callbacks add, also for the instant that is running", async () => {
    const loop = new EventLoop();
    const ran: number[] = [];
    loop.at(1, () => {
      loop.at(1, () => ran.push(2));
      loop.at(0, () => ran.push(3));
      ran.push(1);
    });
    await loop.run(1);
    assert.deepEqual(ran, [1, 2, 3]);
    assert.equal(loop.now, 1);
  });

  it("never calls what was cancelled, and counts only what waits", async () => {
    const loop = new EventLoop();
    const timers = Array.from({ length: 100 }, (_, i) => loop.at(i, () => assert(i % 2 === 0)));
    for (const [i, timer] of timers.entries()) if (i % 2 === 1) timer.cancel();
    assert.equal(loop.pending, 50);
    await loop.run(100);
    assert.equal(loop.pending, 0);
    assert.equal(loop.executed, 50);
  });

  it("ends with the error of a callback", async () => {
    const loop = new EventLoop();
    loop.at(1, () => {
      throw new Error("broken");
    });
    await assert.rejects(loop.run(2), /broken/);
  });
});
