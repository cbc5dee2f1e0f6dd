import assert from "node:assert/strict";
import { test } from "node:test";
import { FORKS } from "../../../src/eth2/forks.ts";
import { loadMutant } from "../../support/mutant.ts";

const ROOT = `0x${"cc".repeat(32)}`;
const signature = `0x${"07".repeat(96)}`;

/** As JSON, whose numbers may have a sign. */
function item(changes: {
  readonly slot?: string;
  readonly source?: string;
  readonly target?: string;
}) {
  const { slot = "9", source = "0", target = "1" } = changes;
  const data = {
    slot,
    index: "0",
    beacon_block_root: ROOT,
    source: { epoch: source, root: ROOT },
    target: { epoch: target, root: ROOT },
  };
  return { committee_index: "0", attester_index: "4", data, signature };
}

type Forks = typeof import("../../../src/eth2/forks.ts");
const isTaken = ({ FORKS: { electra } }: Forks, json: unknown): boolean =>
  electra.submittedAttestations.fromJson(json).ok;

test("ATT-1: a negative number in a submitted attestation is malformed", () => {
  assert.ok(isTaken({ FORKS }, item({})));
  const changes = [{ target: "-1" }, { source: "-1" }, { slot: "-9" }];
  for (const change of changes)
    assert.ok(!isTaken({ FORKS }, item(change)), JSON.stringify(change));
});

test("mutant: without the guard ATT-1 an epoch before genesis passes", async () => {
  const mutant = await loadMutant<Forks>("src/eth2/forks.ts", [
    { file: "src/eth2/attestationData.ts", find: "number < 0n || ", replace: "" },
  ]);
  assert.ok(isTaken(mutant, item({ target: "-1" })));
});
