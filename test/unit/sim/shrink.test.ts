import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { minimise } from "../../../sim/commands/shrink.ts";
import { commandOf, EXIT_CODES, exitCodeOf } from "../../../sim/commands/spec.ts";

const items = Array.from({ length: 12 }, (_, i) => i);

describe("shrinking a schedule", () => {
  it("finds the faults that are needed together, and nothing else", async () => {
    for (const needed of [[5], [0, 11], [2, 3, 9]]) {
      let runs = 0;
      const smallest = await minimise(items, async (part) => {
        runs++;
        return needed.every((fault) => part.includes(fault));
      });
      assert.deepEqual(smallest, needed);
      assert(runs < 80, `${runs} runs`);
    }
  });

  it("finds none where the run fails without any", async () => {
    assert.deepEqual(await minimise(items, async () => true), []);
  });
});

describe("what a run ends with", () => {
  const ending = (...kinds: readonly ("crash" | "liveness" | "correctness")[]) =>
    exitCodeOf({ violations: kinds.map((kind) => ({ checker: "", kind, at: 0, message: "" })) });

  it("is the worst of what happened", () => {
    assert.equal(ending(), EXIT_CODES.ok);
    assert.equal(ending("liveness"), EXIT_CODES.liveness);
    assert.equal(ending("liveness", "crash"), EXIT_CODES.crash);
    assert.equal(ending("crash", "liveness", "correctness"), EXIT_CODES.correctness);
  });

  it("SIM-6: is reproduced by one line", () => {
    const spec = { seed: 7, scenario: "swarm", preset: "minimal" };
    assert.equal(commandOf(spec), "coterie sim --seed 7 --scenario swarm");
    assert.equal(
      commandOf({ ...spec, nodes: 7, bls: "blst", faults: [] }),
      "coterie sim --nodes 7 --seed 7 --scenario swarm --bls blst --faults none",
    );
  });
});
