import "../../support/minimalPreset.ts";
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CALM, type Fault, type Scenario } from "../../../sim/scenario.ts";
import type { Violation } from "../../../sim/world.ts";
import { loadMutant, type Patch } from "../../support/mutant.ts";

const { createWorld } = await import("../../../sim/world.ts");

/** Whom the mutant's node would have harmed, by checker; the real node passes the same run. */
async function foundBy(patch: Patch, scenario: Scenario): Promise<ReadonlySet<string>> {
  const { createNode } = await loadMutant<typeof import("../../../src/node/node.ts")>(
    "src/node/node.ts",
    [patch],
  );
  const real = await createWorld({ seed: 1, scenario }).run();
  const isCorrect = ({ kind }: Violation): boolean => kind === "liveness";
  assert(real.violations.every(isCorrect), "the real node breaks nothing");
  const mutant = await createWorld({ seed: 1, scenario, createNode }).run();
  return new Set(mutant.violations.map(({ checker }) => checker));
}

describe("the simulator finds a node without its guards", () => {
  it("VOTE-2: one that votes again in the slot of its restart", async () => {
    // Blocks come late: a leader that lost its power after its proposal finds another head.
    const crashes = Array.from({ length: 16 }, (_, i): Fault => {
      return { kind: "crash", nodes: [i % 4], at: 2 + i + 0.345, for: 0.01 };
    });
    const latencyMs = { "eu/eu": 300 };
    const network = { ...CALM.network, latencyMs, jitter: 0, noticeMs: 5, reconnectMs: 5 };
    const faults: readonly Fault[] = [{ kind: "late-blocks", byMs: 3_500, at: 1 }, ...crashes];
    const scenario = { ...CALM, validators: 24, proposals: 0, slots: 20, network, faults };
    const found = await foundBy(
      {
        file: "src/core/voteGuard.ts",
        find: "return slot > this.quarantinedUntil;",
        replace: "return slot >= 0;",
      },
      scenario,
    );
    assert(found.has("standing") || found.has("agreement"), `found by ${[...found]}`);
  });

  it("SLASH-2: one that signs two votes for one target, when a reorg moves its seats", async () => {
    const faults: readonly Fault[] = [10, 12, 18, 20].map((at) => {
      return { kind: "reorg", depth: 20, at: at + 0.1 };
    });
    const found = await foundBy(
      {
        file: "src/safety/rules.ts",
        find: "if (record.target === message.target) return",
        replace: "if (record.target < 0) return",
      },
      { ...CALM, validators: 12, slots: 24, faults },
    );
    assert(found.has("slashing"), `found by ${[...found]}`);
  });
});
