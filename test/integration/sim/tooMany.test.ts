/**
 * What breaks once one operator more than a cluster can bear misbehaves, for good: the proof that
 * the checkers can fire. What no number of operators can do is in the table of guards.
 */
import "../../support/minimalPreset.ts";
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { BehaviourName } from "../../../sim/byzantine/behaviours.ts";
import type { Fault } from "../../../sim/scenario.ts";
import { GUARDS } from "../../support/simGuards.ts";

const { BEHAVIOUR_NAMES } = await import("../../../sim/byzantine/behaviours.ts");
const { CALM } = await import("../../../sim/scenario.ts");
const { listScenarios } = await import("../../../sim/scenarioFiles.ts");
const { createWorld } = await import("../../../sim/world.ts");

/** Of four operators a cluster bears one. */
const TOO_MANY = [1, 2];
const SEEDS = [7, 1, 2, 3];
/** An epoch and a half of a few validators: enough for every node to lead. */
const WORLD = { ...CALM, validators: 8, slots: 12, proposals: 0.4 };

type Row = {
  readonly behaviour: BehaviourName;
  readonly checkers: readonly string[];
  readonly nodes?: readonly number[];
  readonly options?: Readonly<Record<string, number>>;
  /** Slots; to the end where absent. */
  readonly for?: number;
  /** What has to happen beside it for the harm to show, and does none of it alone. */
  readonly beside?: { readonly behaviour: BehaviourName; readonly nodes: readonly number[] };
  /** What the first of the checkers says, where others would say something else. */
  readonly says?: RegExp;
};

const ROWS: readonly Row[] = [
  { behaviour: "silent", checkers: ["liveness"] },
  { behaviour: "equivocate", checkers: ["agreement", "slashing"] },
  {
    // One leads with two proposals, the other one has only to vote for both.
    behaviour: "split-votes",
    nodes: [2],
    beside: { behaviour: "equivocate", nodes: [1] },
    checkers: ["agreement", "slashing"],
  },
  { behaviour: "forge", checkers: ["liveness"] },
  { behaviour: "withhold-commit", checkers: ["liveness"] },
  { behaviour: "replay", checkers: ["liveness"] },
  { behaviour: "stale-justification", checkers: ["liveness"] },
  {
    // They take the cluster to its last round, in which one of them leads every other time.
    behaviour: "inflate-rounds",
    beside: { behaviour: "withhold-value", nodes: TOO_MANY },
    checkers: ["liveness"],
  },
  {
    // They take the cluster past the rounds in which the own view counts, and lead there, too.
    behaviour: "random-head",
    beside: { behaviour: "inflate-rounds", nodes: TOO_MANY },
    checkers: ["liveness"],
  },
  { behaviour: "garbage-partials", checkers: ["liveness"] },
  {
    // Each half of the cluster gets t shares of what was decided there.
    behaviour: "double-sign",
    beside: { behaviour: "equivocate", nodes: TOO_MANY },
    checkers: ["slashing"],
    says: /^validator \d+ is slashable: /,
  },
  // Who floods is banned, and two of four are no quorum.
  { behaviour: "flood", options: { framesPerSecond: 100 }, for: 2, checkers: ["liveness"] },
];

function byzantine(behaviour: BehaviourName, rest: Partial<Row>): Fault {
  const { nodes = TOO_MANY, options = {}, for: slots = Infinity } = rest;
  return { kind: "byzantine", behaviour, nodes, options, at: 1, for: slots };
}

/** Whether all checkers of the row fire. */
async function isTold(row: Row, faults: readonly Fault[], seed: number): Promise<boolean> {
  const { violations } = await createWorld({ seed, scenario: { ...WORLD, faults } }).run();
  return row.checkers.every((name) =>
    violations.some(({ checker, message }) => checker === name && (row.says ?? /./).test(message)),
  );
}

describe("BYZ-4: of one operator more than a cluster can bear the checkers tell", () => {
  for (const row of ROWS) {
    const { behaviour, checkers, beside } = row;
    it(`${behaviour}: ${checkers.join(", ")}`, async () => {
      const others = beside === undefined ? [] : [byzantine(beside.behaviour, beside)];
      for (const seed of SEEDS) {
        if (!(await isTold(row, [...others, byzantine(behaviour, row)], seed))) continue;
        const isTheirs = others.length > 0 && (await isTold(row, others, seed));
        assert(!isTheirs, `without ${behaviour} nothing of it is told`);
        return;
      }
      assert.fail(`${checkers.join(", ")} did not fire in any of the runs ${SEEDS.join(", ")}`);
    });
  }

  it("and every behaviour trips a checker, here or where its guard is taken out", async () => {
    const proved = new Set<string>(ROWS.map(({ behaviour }) => behaviour));
    const scenarios = (await listScenarios()).map(({ scenario }) => scenario);
    for (const { scenario: name, harm } of GUARDS) {
      const { faults = [] } = scenarios.find((scenario) => scenario.name === name) ?? {};
      if (typeof harm !== "string") continue;
      for (const fault of faults) if (fault.kind === "byzantine") proved.add(fault.behaviour);
    }
    assert.deepEqual(
      BEHAVIOUR_NAMES.filter((name) => !proved.has(name)),
      [],
    );
  });
});
