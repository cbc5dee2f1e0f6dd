// Suite 17 under the mainnet preset (ETH-5). The cases whose containers are sized by the minimal
// preset, or bound to its network's genesis version, run in signingRootsMinimal.test.ts.
import "../support/mainnetPreset.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import { root } from "../../src/eth2/signing.ts";
import {
  EXCLUDED,
  MINIMAL_ONLY,
  SIGNING_ROOT_FILES,
  signingExamples,
  toSigningRequest,
} from "../support/signingRoots.ts";
import { vectorOptions } from "../support/vectors.ts";

for (const file of SIGNING_ROOT_FILES) {
  test(`signs what ${file} says, mainnet preset`, vectorOptions, () => {
    const skipped = [...EXCLUDED, ...MINIMAL_ONLY];
    const examples = signingExamples(file).filter(({ name }) => !skipped.includes(name));
    assert.ok(examples.length >= 13, `only ${examples.length} examples are left`);
    for (const example of examples) {
      const expected = { ok: true, value: example.request.signingRoot };
      assert.deepEqual(root(toSigningRequest(example)), expected, example.name);
    }
  });
}

test("a registration of another network states that network's version", vectorOptions, () => {
  const example = signingExamples(SIGNING_ROOT_FILES[0]).find(
    ({ name }) => name === "VALIDATOR_REGISTRATION",
  );
  assert.ok(example !== undefined);
  const fork = { previous_version: "0x00000001", current_version: "0x00000001", epoch: "0" };
  const signed = root({ ...toSigningRequest(example), fork });
  assert.deepEqual(signed, { ok: true, value: example.request.signingRoot });
});
