/** Blocks of real chains and of the builder specs, through the forms that the cluster agrees on. */
import "../support/mainnetPreset.ts";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { blockSszFromJson, decodeProposal, encodeProposal } from "../../src/eth2/blocks.ts";
import type { ForkName } from "../../src/eth2/forkNames.ts";
import { FORKS } from "../../src/eth2/forks.ts";
import { fromHex } from "../../src/util/bytes.ts";
import { readVector, vectorOptions } from "../support/vectors.ts";

type SignedJson = { readonly message: unknown; readonly signature: string };

function proposalOf(fork: ForkName, isBlinded: boolean, json: unknown) {
  const ssz = blockSszFromJson(fork, isBlinded, json);
  const meta = { fork, isBlinded, executionPayloadValue: 0n, consensusBlockValue: 0n };
  const proposal = decodeProposal(FORKS[fork], encodeProposal({ ...meta, ssz }));
  assert.ok(proposal !== null, "the block is canonical");
  return proposal;
}

function readJson(...parts: readonly string[]) {
  return JSON.parse(readVector("blocks", ...parts).toString("utf8"));
}

const bytes = (hex: string): Uint8Array => fromHex(hex) ?? new Uint8Array();

/** Hex is written in either case, addresses with or without their checksum. */
function assertSameJson(actual: unknown, expected: unknown): void {
  const lowerCase = (json: unknown) => JSON.parse(JSON.stringify(json).toLowerCase());
  assert.deepEqual(lowerCase(actual), lowerCase(expected));
}

describe("builder-specs: signed blinded blocks", vectorOptions, () => {
  for (const fork of ["deneb", "electra", "fulu"] as const) {
    test(`${fork}: signing the message gives the published bytes`, () => {
      const file = readJson("builder-specs", fork, "signed_blinded_beacon_block.json");
      const { message, signature }: SignedJson =
        file.data ?? file.value?.data ?? file.value ?? file;
      const signed = proposalOf(fork, true, message).sign(bytes(signature));
      const published = readVector(
        "blocks",
        "builder-specs",
        fork,
        "signed_blinded_beacon_block.ssz",
      );
      assert.deepEqual(Buffer.from(signed.ssz()), published);
    });
  }
});

describe("mev-boost-relay: blocks of Goerli", vectorOptions, () => {
  test("capella: the blinded block has the root of the full one", () => {
    const full: SignedJson = readJson("mev-boost-relay", "signedBeaconBlockCapella_Goerli.json");
    const blinded: SignedJson = readJson(
      "mev-boost-relay",
      "signedBlindedBeaconBlockCapella_Goerli.json",
    );
    const one = proposalOf("capella", false, full.message);
    const other = proposalOf("capella", true, blinded.message);
    assert.equal(one.root, other.root);
    assertSameJson(one.sign(bytes(full.signature)).json(), full);
    assertSameJson(other.sign(bytes(blinded.signature)).json(), blinded);
  });

  test("deneb: contents with blobs survive both encodings", () => {
    const file = readJson("mev-boost-relay", "signedBeaconBlockContentsDeneb_Goerli.json");
    const { signed_block: signed, kzg_proofs, blobs } = file;
    const block = { block: signed.message, kzg_proofs, blobs };
    const proposal = proposalOf("deneb", false, block);
    assert.equal(proposal.isComplete, true);
    assertSameJson(proposal.sign(bytes(signed.signature)).json(), file);
  });
});
