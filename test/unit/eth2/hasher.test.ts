import assert from "node:assert/strict";
import { test } from "node:test";
import * as tree from "@chainsafe/persistent-merkle-tree";
import { attestationDataRoot } from "../../../src/eth2/attestationData.ts";
import type { AttestationData } from "../../../src/eth2/types.ts";
import { loadMutant } from "../../support/mutant.ts";

const root = (byte: string) => `0x${byte.repeat(32)}` as AttestationData["beaconBlockRoot"];
const DATA: AttestationData = {
  slot: 33,
  index: 1,
  beaconBlockRoot: root("11"),
  source: { epoch: 0, root: root("22") },
  target: { epoch: 1, root: root("33") },
};

test("hashes natively, and the same by WebAssembly where there is no native binary", async () => {
  assert.equal(tree.hasher.name, "hashtree");
  const native = attestationDataRoot(DATA);
  await loadMutant("src/eth2/hasher.ts", [{ find: "hasher/hashtree", replace: "hasher/absent" }]);
  assert.equal(tree.hasher.name, "as-sha256");
  assert.equal(attestationDataRoot(DATA), native);
});
