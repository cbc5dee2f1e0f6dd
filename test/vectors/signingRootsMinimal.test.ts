// Suite 17 under the minimal preset (ETH-5): the preset is fixed when the types load, so it is set
// first and everything else is imported after it. Each test file has a process of its own.
import assert from "node:assert/strict";
import { test } from "node:test";
import { vectorOptions } from "../support/vectors.ts";

process.env["LODESTAR_PRESET"] = "minimal";
const { root } = await import("../../src/eth2/signing.ts");
const { activePreset } = await import("../../src/eth2/preset.ts");
const { EXCLUDED, MINIMAL_ONLY, SIGNING_ROOT_FILES, signingExamples, toSigningRequest } =
  await import("../support/signingRoots.ts");

test("the process loaded the minimal preset", () => {
  assert.equal(activePreset, "minimal");
});

for (const file of SIGNING_ROOT_FILES) {
  test(`signs what ${file} says, minimal preset`, vectorOptions, () => {
    const examples = signingExamples(file).filter(({ name }) => !EXCLUDED.includes(name));
    const names = examples.map(({ name }) => name);
    for (const name of MINIMAL_ONLY) assert.ok(names.includes(name), `${name} is missing`);
    for (const example of examples) {
      const expected = { ok: true, value: example.request.signingRoot };
      assert.deepEqual(root(toSigningRequest(example)), expected, example.name);
    }
  });
}
