import "../../support/minimalPreset.ts";
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Fault, Scenario } from "../../../sim/scenario.ts";
import { CALM } from "../../../sim/scenario.ts";
import type { TraceEvent } from "../../../sim/trace.ts";
import type { RunResult } from "../../../sim/world.ts";

const { createWorld } = await import("../../../sim/world.ts");

const SHORT: Scenario = { ...CALM, validators: 6, slots: 12, proposals: 0.4 };

function run(seed: number, changes: Partial<Scenario> = {}): Promise<RunResult> {
  return createWorld({ seed, scenario: { ...SHORT, ...changes } }).run();
}

describe("a simulated cluster", () => {
  it("does every duty in calm weather, and every checker has looked at something", async () => {
    const { violations, verdicts } = await run(1);
    assert.deepEqual(violations, []);
    for (const { checker, checked } of verdicts) {
      // Nobody is penalised where everybody is honest and nothing is lost.
      if (checker !== "standing") assert(checked > 0, `${checker} saw nothing`);
    }
  });

  it("SIM-3: one seed is one trace, and another seed another", async () => {
    const faults: readonly Fault[] = [
      { kind: "loss", rate: 0.1, at: 2, for: 3 },
      { kind: "crash", nodes: [2], at: 4, for: 2.5 },
      { kind: "beacon-fork", nodes: [1], depth: 2, at: 5, for: 2 },
    ];
    const [first, again, other] = await Promise.all([
      run(3, { faults }),
      run(3, { faults }),
      run(4, { faults }),
    ]);
    assert.equal(first.hash, again.hash);
    assert.equal(first.events, again.events);
    assert.notEqual(first.hash, other.hash);
  });

  it("bears the crash of one node of four for good, and any fault that ends", async () => {
    const crashed = await run(1, { faults: [{ kind: "crash", nodes: [2], at: 0 }] });
    assert.deepEqual(crashed.violations, []);
    const offline = await run(1, { faults: [{ kind: "beacon-offline", at: 2, for: 4 }] });
    assert.deepEqual(offline.violations, []);
  });

  it("BEAT-4: gossips around a broken link, not for a peer that nobody reaches", async () => {
    const gossiped = async (fault: Fault): Promise<{ early: number; late: number }> => {
      const counts = { early: 0, late: 0 };
      const onTrace = (line: string): void => {
        const event: TraceEvent = JSON.parse(line);
        if (event.kind !== "send" || event.via !== "gossip") return;
        // The others notice the silence within seconds; two slots are many of them.
        counts[event.at < 2 * CALM.slotMs ? "early" : "late"]++;
      };
      const scenario = { ...SHORT, faults: [fault] };
      const { violations } = await createWorld({ seed: 1, scenario, onTrace }).run();
      assert.deepEqual(violations, []);
      return counts;
    };
    const around = await gossiped({ kind: "broken-link", between: [0, 1], at: 0 });
    assert(around.late > 100, "two live nodes hear each other over the others");
    const gone = await gossiped({ kind: "crash", nodes: [2], at: 0 });
    assert.equal(gone.late, 0, "nobody can bring a frame to a machine without power");
  });

  it("CHECK-4: names the duties that are missed once two nodes of four are gone", async () => {
    const { violations } = await run(1, { faults: [{ kind: "crash", nodes: [2, 3], at: 4 }] });
    assert(violations.length > 0);
    for (const { checker, kind, message } of violations) {
      assert.equal(checker, "liveness");
      assert.equal(kind, "liveness");
      assert.match(message, /^\d+\/(attester|proposer) of validator \d was not done$/);
    }
  });
});
