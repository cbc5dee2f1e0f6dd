/** Every scenario that comes with the program is borne, and the trace proves that it happened. */
import "../../support/minimalPreset.ts";
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Scenario } from "../../../sim/scenario.ts";
import type { RunResult } from "../../../sim/world.ts";

const { BEHAVIOUR_NAMES } = await import("../../../sim/byzantine/behaviours.ts");
const { listScenarios } = await import("../../../sim/scenarioFiles.ts");
const { createWorld } = await import("../../../sim/world.ts");

const SEED = 7;
const SCENARIOS = (await listScenarios()).map(({ scenario }) => scenario);

type Run = RunResult & { readonly acts: ReadonlyMap<string, number> };

async function run(scenario: Scenario): Promise<Run> {
  const acts = new Map<string, number>();
  const result = await createWorld({
    seed: SEED,
    scenario,
    onTrace: (line) => {
      const event: { readonly kind: string; readonly behaviour?: string } = JSON.parse(line);
      if (event.kind !== "byzantine" || event.behaviour === undefined) return;
      acts.set(event.behaviour, 1 + (acts.get(event.behaviour) ?? 0));
    },
  }).run();
  return { ...result, acts };
}

function behavioursOf({ faults }: Scenario): readonly string[] {
  return faults.flatMap((fault) => (fault.kind === "byzantine" ? [fault.behaviour] : []));
}

describe("BYZ-3: a scenario that a cluster can bear is borne", () => {
  for (const scenario of SCENARIOS) {
    it(scenario.name, async () => {
      const { violations, acts } = await run(scenario);
      for (const behaviour of behavioursOf(scenario)) {
        assert((acts.get(behaviour) ?? 0) > 0, `BYZ-2: the trace shows that ${behaviour} acted`);
      }
      assert.deepEqual(violations, []);
    });
  }

  it("and there is one for each behaviour", () => {
    const shown = new Set(SCENARIOS.flatMap(behavioursOf));
    assert.deepEqual(
      BEHAVIOUR_NAMES.filter((name) => !shown.has(name)),
      [],
    );
  });
});
