import "../../support/minimalPreset.ts";
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CALM } from "../../../sim/scenario.ts";

const { findScenario, listScenarios, parseScenario } = await import(
  "../../../sim/scenarioFiles.ts"
);

function refusalOf(text: string): string {
  try {
    parseScenario(text, "wild.yaml");
  } catch (error) {
    assert(error instanceof Error && "fix" in error);
    return `${error.message} / ${error.fix}`;
  }
  return assert.fail("the scenario is taken");
}

describe("SCENARIO-1: a scenario file", () => {
  it("says only what differs from calm weather", () => {
    const { scenario, about } = parseScenario(
      "about: Nothing.\nslots: 3\n",
      "some/where/still.yaml",
    );
    assert.equal(about, "Nothing.");
    assert.deepEqual(scenario, { ...CALM, name: "still", slots: 3, validators: 8 });
  });

  it("has the smallest safe threshold unless it names one", () => {
    assert.equal(parseScenario("about: x\nnodes: 7\n", "x.yaml").scenario.threshold, 5);
    assert.equal(
      parseScenario("about: x\nnodes: 7\nthreshold: 6\n", "x.yaml").scenario.threshold,
      6,
    );
  });

  const FAULT = "about: x\nfaults:\n  - ";
  const REFUSED: readonly (readonly [what: string, text: string, says: RegExp])[] = [
    ["an unknown field", "about: x\nspeed: 3\n", /unknown field speed .* spelling/],
    ["a field of another type", "about: x\nnodes: many\n", /wild\.yaml: nodes: .*number/],
    ["too many nodes", "about: x\nnodes: 99\n", /nodes: .*31/],
    [
      "an unknown kind",
      `${FAULT}{ kind: storm, at: 1 }`,
      /faults\[0\].*no such fault.*partition, /,
    ],
    ["a rate above one", `${FAULT}{ kind: loss, at: 1, rate: 3 }`, /faults\[0\]\.rate: /],
    ["a fault without its time", `${FAULT}{ kind: clog }`, /faults\[0\]\.at: /],
    [
      "a field of another kind of fault",
      `${FAULT}{ kind: clog, at: 1, rate: 1 }`,
      /faults\[0\]: unknown field rate/,
    ],
    [
      "a node that is not there",
      `${FAULT}{ kind: crash, at: 1, nodes: [4] }`,
      /there is no node 4 .* from 0 to 3/,
    ],
    [
      "an unknown behaviour",
      `${FAULT}{ kind: byzantine, at: 1, nodes: [1], behaviour: nice }`,
      /faults\[0\]\.behaviour: there is no behaviour "nice"; say silent, /,
    ],
    [
      "an option that the behaviour does not have",
      `${FAULT}{ kind: byzantine, at: 1, nodes: [1], behaviour: silent, options: { reach: 1 } }`,
      /silent has no option "reach"/,
    ],
    [
      "an option of another type",
      `${FAULT}{ kind: byzantine, at: 1, nodes: [1], behaviour: slash-bait, options: { bait: 3 } }`,
      /"bait" of slash-bait is one of future-source/,
    ],
    ["no YAML", "about: [", /make it valid YAML/],
    [
      "text that grows",
      `a: &a [x,x,x]\nb: &b [${"*a,".repeat(90)}]\nc: [${"*b,".repeat(90)}]`,
      /./,
    ],
    ["nothing", "", /./],
  ];
  for (const [what, text, says] of REFUSED) {
    it(`with ${what} is refused by the field's name, with the fix`, () => {
      assert.match(refusalOf(text), says);
    });
  }

  it("is found by its name or by its path, and every one that comes along is valid", async () => {
    const files = await listScenarios();
    assert(files.length > 20);
    for (const { scenario, about } of files) {
      assert.match(about, /\.$/, `${scenario.name} says what it shows in a sentence`);
      assert.deepEqual((await findScenario(scenario.name)).scenario, scenario);
    }
    assert.deepEqual(await findScenario("sim/scenarios/happy.yaml"), await findScenario("happy"));
    await assert.rejects(findScenario("hapy"), /there is no scenario "hapy"/);
    await assert.rejects(findScenario("not/there.yaml"), /cannot be read/);
  });
});
