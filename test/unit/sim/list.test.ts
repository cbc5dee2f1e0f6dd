import "../../support/minimalPreset.ts";
import assert from "node:assert/strict";
import { it } from "node:test";

const { behaviourList, listed, scenarioList } = await import("../../../sim/commands/list.ts");

it("scenarios and behaviours are listed, for people and for programs", async () => {
  for (const entries of [await scenarioList(), behaviourList()]) {
    const lines = listed(entries, false).trimEnd().split("\n");
    assert.equal(lines.length, entries.length);
    for (const [i, { name, about }] of entries.entries()) {
      assert(lines[i]?.startsWith(`${name} `) && lines[i]?.endsWith(about));
    }
    const parsed = listed(entries, true)
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    assert.deepEqual(parsed, entries);
  }
});
