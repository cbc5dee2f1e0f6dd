/** SSZ of the consensus specs' minimal preset, which has a process of its own. */
import "../support/minimalPreset.ts";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Type } from "@chainsafe/ssz";
import { exact } from "../../src/eth2/exact.ts";
import { ssz } from "../../src/eth2/ssz.ts";
import { toHex } from "../../src/util/bytes.ts";
import { unsnap } from "../support/snappy.ts";
import { readVector, vectorOptions } from "../support/vectors.ts";

const { altair, electra, fulu } = ssz;
type Case<T> = readonly [type: Type<T>, path: string];

function testStatic<T>([type, path]: Case<T>): void {
  const read = (name: string): string =>
    readVector("ssz", "ssz_static-minimal-electra", ...path.split("/"), name).toString("utf8");
  test(`ETH-3: ${path} has the root of the specs`, () => {
    const exactType = exact(type);
    const value = exactType.fromJson(mapOf(read("value.yaml")));
    const [, root] = /root: '(0x[0-9a-f]{64})'/.exec(read("roots.yaml")) ?? [];
    assert.equal(toHex(exactType.hashTreeRoot(value)), root);
    const again = exactType.deserialize(exactType.serialize(value));
    assert.equal(toHex(exactType.hashTreeRoot(again)), root);
  });
}

function testRoundTrip<T>([type, path]: Case<T>): void {
  test(`ETH-3: ${path} is written as it was read`, () => {
    const bytes = readSnappy(path);
    assert.deepEqual(Buffer.from(exact(type).serialize(exact(type).deserialize(bytes))), bytes);
  });
}

describe("ssz_static, electra", vectorOptions, () => {
  testStatic([electra.Attestation, "Attestation/ssz_random/case_12"]);
  testStatic([electra.SingleAttestation, "SingleAttestation/ssz_random/case_1"]);
  testStatic([electra.SignedAggregateAndProof, "SignedAggregateAndProof/ssz_random/case_0"]);
  testStatic([altair.ContributionAndProof, "ContributionAndProof/ssz_random_chaos/case_10"]);
});

const OPERATIONS = {
  attestation: "attestation/pyspec_tests/one_basic_attestation",
  slashing: "attester_slashing/pyspec_tests/basic_surround",
  sync: "sync_aggregate/pyspec_tests/sync_committee_rewards_nonduplicate_committee",
  payload: "execution_payload/pyspec_tests/success_regular_payload",
  deposit: "deposit_request/pyspec_tests/process_deposit_request_max_effective_balance_compounding",
  consolidation:
    "consolidation_request/pyspec_tests/basic_consolidation_in_current_consolidation_epoch",
} as const;
const SANITY = "sanity/blocks/pyspec_tests/attestation";

describe("pyspec, fulu, whose blocks are electra's", vectorOptions, () => {
  const at = (operation: keyof typeof OPERATIONS, file: string): string =>
    `operations/${OPERATIONS[operation]}/${file}`;
  testRoundTrip([electra.Attestation, at("attestation", "attestation")]);
  testRoundTrip([electra.AttesterSlashing, at("slashing", "attester_slashing")]);
  testRoundTrip([altair.SyncAggregate, at("sync", "sync_aggregate")]);
  testRoundTrip([electra.BeaconBlockBody, at("payload", "body")]);
  testRoundTrip([electra.DepositRequest, at("deposit", "deposit_request")]);
  testRoundTrip([electra.ConsolidationRequest, at("consolidation", "consolidation_request")]);
  for (const file of ["blocks_0", "blocks_1"]) {
    testRoundTrip([electra.SignedBeaconBlock, `${SANITY}/${file}`]);
  }
  for (const operation of Object.keys(OPERATIONS) as (keyof typeof OPERATIONS)[]) {
    for (const file of ["pre", "post"]) testRoundTrip([fulu.BeaconState, at(operation, file)]);
  }
  for (const file of ["pre", "post"]) testRoundTrip([fulu.BeaconState, `${SANITY}/${file}`]);

  test("ETH-3: a block's root is its child's parent, and names the state after it", () => {
    const [first, second] = ["blocks_0", "blocks_1"].map((file) =>
      electra.SignedBeaconBlock.deserialize(readSnappy(`${SANITY}/${file}`)),
    );
    assert.ok(first !== undefined && second !== undefined);
    const root = electra.BeaconBlock.hashTreeRoot(first.message);
    assert.equal(toHex(second.message.parentRoot), toHex(root));
    const post = exact(fulu.BeaconState).deserialize(readSnappy(`${SANITY}/post`));
    const state = exact(fulu.BeaconState).hashTreeRoot(post);
    assert.equal(toHex(second.message.stateRoot), toHex(state));
  });
});

function readSnappy(path: string): Buffer {
  const file = `${path}.ssz_snappy`.split("/");
  return Buffer.from(unsnap(readVector("ssz", "pyspec-minimal", ...file)));
}

/** YAML as these files use it: nested maps of scalars. */
function mapOf(yaml: string): unknown {
  const root: Record<string, unknown> = {};
  const open: { readonly indent: number; readonly map: Record<string, unknown> }[] = [
    { indent: -1, map: root },
  ];
  for (const line of yaml.split("\n").filter((each) => each.trim() !== "")) {
    const [, spaces = "", name = "", value = ""] = /^( *)(\w+):(?: '?([^']*)'?)?$/.exec(line) ?? [];
    assert.notEqual(name, "", `a line of nested maps: ${line}`);
    while ((open.at(-1)?.indent ?? -1) >= spaces.length) open.pop();
    const map = open.at(-1)?.map ?? root;
    if (value !== "") map[name] = value;
    else {
      const inner: Record<string, unknown> = {};
      map[name] = inner;
      open.push({ indent: spaces.length, map: inner });
    }
  }
  return root;
}
