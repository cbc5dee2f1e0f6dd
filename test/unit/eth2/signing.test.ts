import "../../support/mainnetPreset.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import { FORKS } from "../../../src/eth2/forks.ts";
import {
  attesterDomain,
  computeDomain,
  computeSigningRoot,
  root,
} from "../../../src/eth2/signing.ts";
import { toHex } from "../../../src/util/bytes.ts";
import { EPOCH_OF, ladderChain } from "../../support/rawSpec.ts";

const GVR = `0x${"4b".repeat(32)}`;
const FORK = { previous_version: "0x01000000", current_version: "0x02000000", epoch: "10" };
const message = (slot: number) => ({
  beacon_block_root: `0x${"aa".repeat(32)}`,
  slot: String(slot),
});

test("a domain is the type and the first 28 bytes of the fork data root", () => {
  const domain = computeDomain({
    domainType: Uint8Array.of(1, 0, 0, 0),
    forkVersion: Uint8Array.of(4, 0, 0, 0),
    genesisValidatorsRoot: new Uint8Array(32),
  });
  assert.equal(domain.length, 32);
  assert.equal(toHex(domain.subarray(0, 4)), "0x01000000");
});

test("ETH-7: an attestation's domain follows the fork of its target epoch", () => {
  const chain = ladderChain();
  const domains = Object.values(EPOCH_OF).map((epoch) => toHex(attesterDomain(chain, epoch)));
  assert.equal(new Set(domains).size, domains.length);
  assert.equal(toHex(attesterDomain(chain, 5)), toHex(attesterDomain(ladderChain(), 5)));
});

test("ETH-5: the fork is the previous one before its epoch and the current one from it on", () => {
  const sign = (slot: number) =>
    root({ type: "SYNC_COMMITTEE_MESSAGE", fork: FORK, gvr: GVR, object: message(slot) });
  const signed = (forkVersion: number) => ({
    ok: true,
    value: computeSigningRoot(
      message(0).beacon_block_root as never,
      computeDomain({
        domainType: Uint8Array.of(7, 0, 0, 0),
        forkVersion: Uint8Array.of(forkVersion, 0, 0, 0),
        genesisValidatorsRoot: new Uint8Array(32).fill(0x4b),
      }),
    ),
  });
  assert.deepEqual(sign(10 * 32 - 1), signed(1));
  assert.deepEqual(sign(10 * 32), signed(2));
});

const MALFORMED: Readonly<Record<string, Parameters<typeof root>[0]>> = {
  "an unknown type": { type: "TEA", fork: FORK, gvr: GVR, object: {} },
  "a type named like a property of objects": { type: "toString", fork: FORK, gvr: GVR, object: {} },
  "no object": { type: "ATTESTATION", fork: FORK, gvr: GVR, object: undefined },
  "an object of another type": { type: "ATTESTATION", fork: FORK, gvr: GVR, object: message(1) },
  "an unknown version": {
    type: "BLOCK_V2",
    fork: FORK,
    gvr: GVR,
    object: { version: "CONSTANTINOPLE", block: {} },
  },
  "no fork": { type: "SYNC_COMMITTEE_MESSAGE", gvr: GVR, object: message(1) },
  "a fork of text": { type: "SYNC_COMMITTEE_MESSAGE", fork: "fulu", gvr: GVR, object: message(1) },
  "no genesis validators root": { type: "SYNC_COMMITTEE_MESSAGE", fork: FORK, object: message(1) },
  "a short root": {
    type: "SYNC_COMMITTEE_MESSAGE",
    fork: FORK,
    gvr: "0x4b",
    object: message(1),
  },
};
for (const [name, request] of Object.entries(MALFORMED)) {
  test(`ETH-5: ${name} is an error value`, () => {
    const result = root(request);
    assert.equal(result.ok, false);
    assert.equal(!result.ok && result.error.code, "malformed");
  });
}

test("ETH-1: each fork submits the container of its time", () => {
  const attestation = {
    fork: "deneb" as const,
    data: {
      slot: 129,
      index: 3,
      beaconBlockRoot: GVR as never,
      source: { epoch: 3, root: GVR as never },
      target: { epoch: 4, root: GVR as never },
    },
    validatorIndex: 77,
    committeeIndex: 3,
    committeeLength: 10,
    validatorCommitteeIndex: 9,
    signature: new Uint8Array(96).fill(1),
  };
  const json = (name: keyof typeof FORKS): object =>
    Object(FORKS[name].attestationJson(attestation));
  // Ten bits and the length bit after them, little endian: bits 9 and 10.
  assert.equal(Reflect.get(json("deneb"), "aggregation_bits"), "0x0006");
  assert.deepEqual(Object.keys(json("electra")).sort(), [
    "attester_index",
    "committee_index",
    "data",
    "signature",
  ]);
  assert.equal(Reflect.get(json("gloas"), "attester_index"), "77");
});
