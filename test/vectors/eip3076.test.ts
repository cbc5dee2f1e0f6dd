/**
 * Suites 1 and 2: slashing interchange, by the clients' own test files. The strategy is the
 * complete one with low watermarks: attempts are judged by `should_succeed_complete`, and where a
 * later file leaves a gap by `should_succeed` (Decision 189).
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualDisk } from "../../sim/virtualStore.ts";
import type { SlashingInput } from "../../src/domain/data.ts";
import type { PubKey, Root } from "../../src/domain/keys.ts";
import { exportInterchange, importInterchange } from "../../src/safety/interchange.ts";
import { openSlashingStore } from "../../src/safety/openSlashingStore.ts";
import { sign } from "../support/slashing.ts";
import { listVectors, readVector, vectorOptions } from "../support/vectors.ts";

type Attempt = {
  readonly pubkey: PubKey;
  readonly slot?: string;
  readonly source_epoch?: string;
  readonly target_epoch?: string;
  readonly signing_root?: Root;
  readonly should_succeed: boolean;
  readonly should_succeed_complete: boolean;
};
type Vector = {
  readonly genesis_validators_root: Root;
  readonly steps: readonly {
    readonly should_succeed: boolean;
    readonly interchange: unknown;
    readonly blocks: readonly Attempt[];
    readonly attestations: readonly Attempt[];
  }[];
};

/** SLASH-6: nobody knows what lay in the gap. */
const GAP = "multiple_interchanges_single_validator_single_message_gap.json";

const KNOWN = { validatorOf: (key: string) => key as PubKey };

test(
  "SLASH-8: decides every attempt of the EIP-3076 suite as a complete database may",
  vectorOptions,
  async (t) => {
    const counts = { files: 0, steps: 0, attempts: 0, wrongAccepts: 0, wrongRefusals: 0 };
    for (const name of listVectors("eip3076/interchange-tests", ".json")) {
      const vector = JSON.parse(readVector("eip3076/interchange-tests", name).toString()) as Vector;
      const disk = new VirtualDisk();
      let store = await openSlashingStore(disk.open(), vector.genesis_validators_root);
      counts.files++;
      for (const step of vector.steps) {
        counts.steps++;
        const imported = await importInterchange(store, JSON.stringify(step.interchange), KNOWN);
        assert.equal(imported.ok, step.should_succeed, `${name}: import`);
        // Everything is decided by what is on the disk, so each step begins with a restart.
        store = await openSlashingStore(disk.open(), vector.genesis_validators_root);
        for (const attempt of [...step.blocks, ...step.attestations]) {
          counts.attempts++;
          const verdict = await sign(store, inputOf(attempt), {
            key: attempt.pubkey,
            ...(attempt.signing_root === undefined ? {} : { signingRoot: attempt.signing_root }),
          });
          const label = `${name}: ${JSON.stringify(attempt)}`;
          const expected = name === GAP ? attempt.should_succeed : attempt.should_succeed_complete;
          if (verdict.isApproved && !expected) counts.wrongAccepts++;
          if (!verdict.isApproved && expected) counts.wrongRefusals++;
          assert.equal(verdict.isApproved, expected, label);
        }
      }
    }
    t.diagnostic(JSON.stringify(counts));
    assert.equal(counts.files, 22);
    assert.equal(counts.attempts, 88);
    assert.equal(counts.wrongAccepts, 0);
  },
);

test(
  "SLASH-10: an exported history decides in a fresh store as it did in the first",
  vectorOptions,
  async () => {
    for (const name of listVectors("eip3076/interchange-tests", ".json")) {
      const vector = JSON.parse(readVector("eip3076/interchange-tests", name).toString()) as Vector;
      const chain = vector.genesis_validators_root;
      const store = await openSlashingStore(new VirtualDisk().open(), chain);
      for (const step of vector.steps) {
        await importInterchange(store, JSON.stringify(step.interchange), KNOWN);
      }
      const moved = await openSlashingStore(new VirtualDisk().open(), chain);
      const text = JSON.stringify(exportInterchange(store));
      assert.deepEqual((await importInterchange(moved, text, KNOWN)).ok, true, name);
      for (const step of vector.steps) {
        for (const attempt of [...step.blocks, ...step.attestations]) {
          const candidate = {
            slashing: inputOf(attempt),
            signingRoot: attempt.signing_root as Root,
          };
          const before = store.check(attempt.pubkey, candidate);
          const after = moved.check(attempt.pubkey, candidate);
          assert.equal(after.isApproved, before.isApproved, `${name}: ${JSON.stringify(attempt)}`);
        }
      }
    }
  },
);

/** What the file's name says it is, and what our import answers: `ok`, or the field it names. */
const MALFORMED: Readonly<Record<string, "ok" | RegExp>> = {
  "web3signer-import/conflictingBlocks.json": "ok",
  "web3signer-import/dataFieldNotArray.json": /^data must be an array/,
  "web3signer-import/errorInSecondBlock.json": /^data\[0\]\.signed_blocks\[1\]\.slot is missing/,
  "web3signer-import/errorInSecondValidator.json":
    /^data\[1\]\.signed_attestations\[0\]\.target_epoch is missing/,
  // Suite 1 wants such histories imported: what was signed wrongly must still be remembered.
  "web3signer-import/invalidAttestationContent.json": "ok",
  "web3signer-import/missingDataField.json": /^data is missing/,
  "web3signer-import/multipleNullSigningRootBlock.json": "ok",
  "web3signer-import/singleValidAttestation.json": "ok",
  "web3signer-import/slashingImport.json": "ok",
  "web3signer-import/slashingImport_two_entries.json": "ok",
  "teku-dataexchange/format1_complete.json": "ok",
  "teku-dataexchange/format2_minimal.json": "ok",
  "teku-dataexchange/format2_minimal_different_genesis_validators_root.json":
    /^metadata\.genesis_validators_root is .* of another chain/,
  "teku-dataexchange/invalid_json.json": /^the file is no JSON/,
  "teku-dataexchange/minimal_invalidKey.json": /^data\[0\]\.pubkey has 49 bytes/,
  "teku-dataexchange/shouldExportSlashProtection.json":
    /^metadata\.genesis_validators_root is missing/,
};

test(
  "SLASH-11: names the field of a malformed history and writes none of it",
  vectorOptions,
  async () => {
    for (const [name, expected] of Object.entries(MALFORMED)) {
      const text = readVector("eip3076", name).toString();
      const chain = name.startsWith("teku") ? `0x${"123456".padStart(64, "0")}` : WEB3SIGNER_CHAIN;
      const disk = new VirtualDisk();
      const store = await openSlashingStore(disk.open(), chain as Root);
      const writes = disk.writes;
      const result = await importInterchange(store, text, KNOWN);
      if (expected === "ok") {
        assert.equal(result.ok, true, name);
        const again = await importInterchange(store, text, KNOWN);
        assert.deepEqual(again.ok && again.value.added, 0, `${name}: imported twice`);
      } else {
        assert.match(result.ok ? "imported" : result.error, expected, name);
        assert.equal(disk.writes, writes, `${name}: nothing is written`);
      }
    }
  },
);

const WEB3SIGNER_CHAIN = "0x04700007fabc8282644aed6d1c7c9e21d38a03a0c4ba193f3afe428824b3a673";

function inputOf(attempt: Attempt): SlashingInput {
  return attempt.slot === undefined
    ? {
        kind: "attestation",
        source: Number(attempt.source_epoch),
        target: Number(attempt.target_epoch),
      }
    : { kind: "block", slot: Number(attempt.slot) };
}
