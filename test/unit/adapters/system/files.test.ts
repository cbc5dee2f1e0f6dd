import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readTextFile, writeFileAtomic } from "../../../../src/adapters/system/files.ts";
import { UsageError } from "../../../../src/domain/errors.ts";
import { temporaryFolder } from "../../../support/temporary.ts";

// OPS-2: whole or absent, with the mode that was asked for.
test("writes the content with exactly the given mode and leaves nothing else behind", async (t) => {
  const folder = temporaryFolder(t);
  const umask = process.umask(0o077);
  t.after(() => process.umask(umask));
  for (const mode of [0o600, 0o400, 0o444]) {
    const path = join(folder, `file-${mode}`);
    await writeFileAtomic({ path, data: "content", mode });
    assert.equal(readFileSync(path, "utf8"), "content");
    assert.equal(statSync(path).mode & 0o777, mode);
  }
  assert.equal(readdirSync(folder).length, 3);
});

test("refuses to overwrite unless told, and keeps the old content", async (t) => {
  const path = join(temporaryFolder(t), "enr-private-key");
  await writeFileAtomic({ path, data: "old", mode: 0o600 });
  await assert.rejects(writeFileAtomic({ path, data: "new", mode: 0o600 }), (error) => {
    assert.ok(error instanceof UsageError);
    assert.match(error.message, /enr-private-key exists already and is not overwritten/);
    return true;
  });
  assert.equal(readFileSync(path, "utf8"), "old");
  await writeFileAtomic({ path, data: "new", mode: 0o600, overwrite: true });
  assert.equal(readFileSync(path, "utf8"), "new");
  assert.deepEqual(readdirSync(join(path, "..")), ["enr-private-key"]);
});

test("of two concurrent writers one wins whole and the other is told", async (t) => {
  const path = join(temporaryFolder(t), "file");
  const contents = ["a".repeat(100_000), "b".repeat(100_000)];
  const results = await Promise.allSettled(
    contents.map((data) => writeFileAtomic({ path, data, mode: 0o600 })),
  );
  assert.deepEqual(results.map((result) => result.status).sort(), ["fulfilled", "rejected"]);
  assert.ok(contents.includes(readFileSync(path, "utf8")));
});

test("a missing folder is an error that names the file and the fix", async (t) => {
  const path = join(temporaryFolder(t), "absent", "file");
  await assert.rejects(writeFileAtomic({ path, data: "", mode: 0o600 }), (error) => {
    assert.ok(error instanceof UsageError);
    assert.ok(error.message.includes(path));
    assert.equal(error.fix, "create the folder first");
    return true;
  });
});

test("reads nothing larger than its limit", async (t) => {
  const path = join(temporaryFolder(t), "file");
  writeFileSync(path, "x".repeat(11));
  const options = { missingFix: "" };
  await assert.rejects(readTextFile(path, { maxBytes: 10, ...options }), /at most 10 are read/);
  assert.equal(await readTextFile(path, { maxBytes: 11, ...options }), "x".repeat(11));
});
