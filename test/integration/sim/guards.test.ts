/**
 * Guards of the node, each taken out by itself: with it the scenario is borne, without it the same
 * scenario and seed come to harm, by the checker that is named or by what the trace shows.
 */
import "../../support/minimalPreset.ts";
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { TraceEvent } from "../../../sim/trace.ts";
import type { WorldOptions } from "../../../sim/world.ts";
import { loadMutant } from "../../support/mutant.ts";
import { GUARDS, type Guard } from "../../support/simGuards.ts";

const { findScenario } = await import("../../../sim/scenarioFiles.ts");
const { createWorld } = await import("../../../sim/world.ts");

type NodeModule = typeof import("../../../src/node/node.ts");

const SEEDS = [7, 1, 2, 3, 4, 5];

type Outcome = { readonly checkers: ReadonlySet<string>; readonly events: readonly TraceEvent[] };

async function run(
  options: Pick<WorldOptions, "seed" | "scenario" | "createNode">,
): Promise<Outcome> {
  const events: TraceEvent[] = [];
  const world = createWorld({
    ...options,
    onTrace: (line) => void events.push(JSON.parse(line)),
  });
  const { violations } = await world.run();
  return { checkers: new Set(violations.map(({ checker }) => checker)), events };
}

function isHarmed({ harm }: Guard, { checkers, events }: Outcome): boolean {
  return typeof harm === "string" ? checkers.has(harm) : harm(events);
}

describe("BYZ-4: a guard is what stands in the way", () => {
  for (const each of GUARDS) {
    const { guard, patch, change = {} } = each;
    const what = typeof each.harm === "string" ? each.harm : "the trace";
    it(`${guard}: without it ${each.scenario} comes to harm (${what})`, async () => {
      const { scenario: found } = await findScenario(each.scenario);
      const faults = [...found.faults, ...(change.faults ?? [])];
      const scenario = { ...found, ...change, faults };
      const { createNode } = await loadMutant<NodeModule>("src/node/node.ts", [patch]);
      // What the liar draws may miss its chance in one run; in some of them it does not.
      for (const seed of SEEDS) {
        // Of the first seed as it stands, BYZ-3 shows that nothing happens with the guard.
        if (seed !== SEEDS[0] || each.change !== undefined || typeof each.harm !== "string") {
          const guarded = await run({ seed, scenario });
          assert.deepEqual([...guarded.checkers], [], "with the guard nothing happens");
          if (isHarmed(each, guarded)) continue;
        }
        if (isHarmed(each, await run({ seed, scenario, createNode }))) return;
      }
      assert.fail(`no harm in any of the runs ${SEEDS.join(", ")}`);
    });
  }
});
