import assert from "node:assert/strict";
import { readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  isJournalBegun,
  openCeremonyJournal,
} from "../../../src/adapters/storage/ceremonyJournal.ts";
import { temporaryFolder } from "../../support/temporary.ts";

const SECRET = Buffer.from("5ec2e7c0ffee5ec2e7c0ffee5ec2e7c0ffee5ec2e7c0ffee", "hex");
const RECORDS = [SECRET, Buffer.from("second"), Buffer.alloc(100_000, 3)].map(
  (bytes) => new Uint8Array(bytes),
);
const optionsIn = (folder: string) => ({
  path: join(folder, "journal"),
  secretKey: new Uint8Array(32).fill(7),
  context: new Uint8Array(36).fill(9),
});

async function written(folder: string) {
  const journal = await openCeremonyJournal(optionsIn(folder));
  for (const record of RECORDS) await journal.append(record);
  await journal.close();
  return optionsIn(folder);
}

test("JOURNAL-1 what was appended is read back in order, and appended to", async (t) => {
  const options = await written(temporaryFolder(t));
  const again = await openCeremonyJournal(options);
  assert.deepEqual(again.records, RECORDS);
  await again.append(Uint8Array.of(1));
  await again.close();
  const third = await openCeremonyJournal(options);
  assert.deepEqual(third.records, [...RECORDS, Uint8Array.of(1)]);
  await third.close();
});

test("JOURNAL-1 the file shows nothing, and opens for its identity and context", async (t) => {
  const options = await written(temporaryFolder(t));
  assert.equal(readFileSync(options.path).indexOf(SECRET), -1);
  assert.equal(statSync(options.path).mode & 0o777, 0o600);
  for (const change of [
    { secretKey: new Uint8Array(32).fill(8) },
    { context: new Uint8Array(36).fill(8) },
  ]) {
    await assert.rejects(openCeremonyJournal({ ...options, ...change }), /is damaged, or belongs/);
  }
});

test("JOURNAL-2 a crash at any byte of an append costs that record at most", async (t) => {
  const folder = temporaryFolder(t);
  const options = await written(folder);
  const journal = await openCeremonyJournal(options);
  const before = statSync(options.path).size;
  await journal.append(Buffer.from("torn"));
  await journal.close();
  const whole = readFileSync(options.path);
  for (let size = before; size < whole.length; size++) {
    writeFileSync(options.path, whole.subarray(0, size));
    const torn = await openCeremonyJournal(options);
    assert.deepEqual(torn.records, RECORDS, `cut at ${size}`);
    await torn.append(Buffer.from("instead"));
    await torn.close();
    const next = await openCeremonyJournal(options);
    assert.equal(next.records.length, RECORDS.length + 1);
    await next.close();
  }
  // A file system that had grown the file when its power went, and had not written the bytes.
  for (const written of [0, 2, 10]) {
    const grown = Buffer.concat([
      whole.subarray(0, before + written),
      Buffer.alloc(whole.length - before - written),
    ]);
    writeFileSync(options.path, grown);
    const torn = await openCeremonyJournal(options);
    assert.deepEqual(torn.records, RECORDS, `${written} bytes, then zeros`);
    await torn.close();
  }
  for (let size = 0; size < 40; size++) {
    writeFileSync(options.path, whole.subarray(0, size));
    const empty = await openCeremonyJournal(options);
    assert.deepEqual(empty.records, []);
    await empty.close();
  }
});

test("JOURNAL-5 a journal is begun with its first record, until its bytes are zeros", async (t) => {
  const options = optionsIn(temporaryFolder(t));
  assert.equal(await isJournalBegun(options.path), false);
  const journal = await openCeremonyJournal(options);
  assert.equal(await isJournalBegun(options.path), false, "it has a header only");
  await journal.append(SECRET);
  await journal.close();
  assert.equal(await isJournalBegun(options.path), true);
  // A crash in the middle of JOURNAL-3.
  writeFileSync(options.path, Buffer.alloc(statSync(options.path).size));
  assert.equal(await isJournalBegun(options.path), false);
});

test("JOURNAL-2 a changed, moved or missing record is refused", async (t) => {
  const folder = temporaryFolder(t);
  const options = await written(folder);
  const whole = readFileSync(options.path);
  const flipped = Buffer.from(whole);
  flipped[60] = (flipped[60] ?? 0) ^ 1;
  writeFileSync(options.path, flipped);
  await assert.rejects(openCeremonyJournal(options), /is damaged/);
  const firstLength = 4 + whole.readUInt32BE(40);
  const without = Buffer.concat([whole.subarray(0, 40), whole.subarray(40 + firstLength)]);
  writeFileSync(options.path, without);
  await assert.rejects(openCeremonyJournal(options), /is damaged/);
});

test("JOURNAL-3 an erased journal holds nothing", async (t) => {
  const options = await written(temporaryFolder(t));
  const journal = await openCeremonyJournal(options);
  await journal.erase();
  assert.equal(statSync(options.path).size, 0);
  truncateSync(options.path, 0);
});
