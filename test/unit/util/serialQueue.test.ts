import assert from "node:assert/strict";
import { test } from "node:test";
import { err, ok, type Result } from "../../../src/util/result.ts";
import { SerialQueue } from "../../../src/util/serialQueue.ts";

/** A queue whose batches end when the test says so. */
function controlled(): {
  readonly queue: SerialQueue<string, string>;
  readonly batches: (readonly string[])[];
  readonly finish: (answers: readonly Result<string, unknown>[]) => Promise<void>;
} {
  const batches: (readonly string[])[] = [];
  let release: (answers: readonly Result<string, unknown>[]) => void = () => undefined;
  const queue = new SerialQueue<string, string>((batch) => {
    batches.push(batch);
    return new Promise((resolve) => {
      release = resolve;
    });
  });
  const finish = async (answers: readonly Result<string, unknown>[]): Promise<void> => {
    release(answers);
    await settle();
  };
  return { queue, batches, finish };
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("arrivals during a batch collect in the next one, in their order", async () => {
  const { queue, batches, finish } = controlled();
  const first = [queue.run("a"), queue.run("b")];
  await settle();
  const second = [queue.run("c"), queue.run("d"), queue.run("e")];
  await settle();
  assert.deepEqual(batches, [["a", "b"]], "one batch at a time");

  await finish([ok("A"), ok("B")]);
  assert.deepEqual(await Promise.all(first), ["A", "B"]);
  assert.deepEqual(batches, [
    ["a", "b"],
    ["c", "d", "e"],
  ]);
  await finish([ok("C"), ok("D"), ok("E")]);
  assert.deepEqual(await Promise.all(second), ["C", "D", "E"]);
});

test("an item's error is its own; its siblings get their answers", async () => {
  const { queue, finish } = controlled();
  const both = Promise.allSettled([queue.run("a"), queue.run("b")]);
  await settle();
  await finish([err(new Error("a failed")), ok("B")]);
  const [a, b] = await both;
  assert.equal(a.status === "rejected" && (a.reason as Error).message, "a failed");
  assert.deepEqual(b, { status: "fulfilled", value: "B" });
});

test("a batch that throws fails those who wait for it, and the next batch runs", async () => {
  let isBroken = true;
  const queue = new SerialQueue<number, number>(async (batch) => {
    if (isBroken) throw new Error("broken");
    return batch.map((item) => ok(item));
  });
  await assert.rejects(queue.run(1), /broken/);
  isBroken = false;
  assert.equal(await queue.run(2), 2);
});

test("a batch answered in part is a bug, not a lost caller", async () => {
  const queue = new SerialQueue<number, number>(async () => []);
  await assert.rejects(queue.run(1), { name: "Bug" });
});
