/**
 * QBFT transcripts, compared to the letter. `UPDATE_GOLDEN=1` writes the traces anew: commit the
 * difference only when every changed line is understood.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { runTranscript } from "../support/qbftTranscript.ts";

const FOLDER = join(import.meta.dirname, "qbft");

for (const name of readdirSync(FOLDER).filter((file) => file.endsWith(".txt"))) {
  test(`the machine behaves as in ${name}`, () => {
    const path = join(FOLDER, name);
    const expected = readFileSync(path, "utf8");
    const actual = runTranscript(expected);
    if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(path, actual);
    else assert.equal(actual, expected);
    assert.doesNotMatch(actual, /VIOLATION/);
  });
}
