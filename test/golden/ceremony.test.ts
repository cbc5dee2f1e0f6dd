/**
 * The transcript of a small ceremony, byte for byte: whatever changes it changes the protocol, and
 * needs a new number for it. `UPDATE_GOLDEN=1` writes the file anew.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parseTranscript, writeTranscript } from "../../src/dkg/transcript.ts";
import { CeremonyNetwork } from "../support/ceremonyNetwork.ts";

const FILE = join(import.meta.dirname, "ceremony/transcript.json");

test("DKG-13 a ceremony of three from fixed seeds has the transcript that it always had", () => {
  const network = new CeremonyNetwork({ nodes: 3, threshold: 2, validators: 1, seed: "golden" });
  network.start();
  network.run();
  const { outcome } = network.operator(0);
  assert(outcome !== null, "the ceremony finishes");
  const text = writeTranscript(outcome.transcript);
  if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(FILE, text);
  const golden = readFileSync(FILE, "utf8");
  assert.equal(text, golden);
  assert(parseTranscript(golden).ok, "and the file reads");
});
