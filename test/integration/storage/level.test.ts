import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  rmdirSync,
  rmSync,
  statfsSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { openLevel } from "../../../src/adapters/storage/level.ts";
import { FaultError } from "../../../src/domain/errors.ts";
import type { KeyValueStore } from "../../../src/ports/keyValueStore.ts";
import { contentOf, put } from "../../contract/keyValueStore.ts";
import { outputOf } from "../../support/childProcess.ts";
import { loadMutant } from "../../support/mutant.ts";
import { temporaryFolder } from "../../support/temporary.ts";

type OpenLevel = typeof openLevel;

test("STORE-8: a second open is refused here and elsewhere, also after a failed one", async (t) => {
  await checkSecondOpen(t, openLevel);
});

test("STORE-8: without the registry, another process gets in after a failed open", async (t) => {
  const mutant = await loadMutant<{ openLevel: OpenLevel }>("src/adapters/storage/level.ts", [
    { find: "if (openDirectories.has(identity)) {", replace: "if (false) {" },
  ]);
  await assert.rejects(checkSecondOpen(t, mutant.openLevel), { name: "AssertionError" });
});

async function checkSecondOpen(t: TestContext, open: OpenLevel): Promise<void> {
  const directory = join(temporaryFolder(t), "db");
  const store = await open(directory);
  t.after(() => store.close());
  const spellings = [directory, `${directory}/../db/`, `${directory}-link`];
  symlinkSync(directory, `${directory}-link`);
  for (const spelling of spellings) {
    await assert.rejects(open(spelling), { name: "FaultError", code: "data_dir_in_use" });
  }
  assert.match(await outputOf(t, "levelOpener", [directory]), /open in another process.*Stop that/);
  await store.batch([put("a", "1")]);
}

test("a closed store can be opened again, here and elsewhere", async (t) => {
  const directory = join(temporaryFolder(t), "db");
  for (let round = 0; round < 2; round++) {
    const store = await openLevel(directory);
    await store.close();
  }
  assert.equal(await outputOf(t, "levelOpener", [directory]), "opened");
});

test("a path that is no directory is a fault that names it, and locks nothing", async (t) => {
  const path = join(temporaryFolder(t), "file");
  writeFileSync(path, "");
  await assert.rejects(openLevel(path), (error: unknown) => {
    assert(error instanceof FaultError);
    assert.equal(error.code, "disk_failed");
    assert(error.message.includes(path));
    return true;
  });
  rmSync(path);
  await (await openLevel(path)).close();
});

test("damaged database files keep the node from starting, with the remedy", async (t) => {
  const directory = join(temporaryFolder(t), "db");
  await (await openLevel(directory)).close();
  for (const name of readdirSync(directory)) {
    if (name.startsWith("MANIFEST")) writeFileSync(join(directory, name), "damaged");
  }
  await assert.rejects(openLevel(directory), {
    name: "UsageError",
    fix: /complete slashing history/,
  });
});

test("STORE-7: a full disk fails the write, and loses nothing acknowledged after it", async (t) => {
  const mount = mountSmallDisk(t);
  if (mount !== null) await checkFullDisk(t, mount, openLevel);
});

test("STORE-7: without opening anew, what is acknowledged after a full disk is lost", async (t) => {
  const mount = mountSmallDisk(t);
  if (mount === null) return;
  const mutant = await loadMutant<{ openLevel: OpenLevel }>("src/adapters/storage/level.ts", [
    { find: "if (this.#needsReopen) await this.#reopen();", replace: "" },
  ]);
  await assert.rejects(checkFullDisk(t, mount, mutant.openLevel), { name: "AssertionError" });
});

/** On a file system of one megabyte, filled to the brim and emptied again. */
async function checkFullDisk(t: TestContext, mount: string, open: OpenLevel): Promise<void> {
  const filler = join(mount, "filler");
  const store = await open(join(mount, "db"));
  t.after(() => store.close());
  await store.batch([put("before", "1")]);
  const { bavail, bsize } = statfsSync(mount);
  writeFileSync(filler, Buffer.alloc(Number(bavail) * Number(bsize) - 4_096));
  const acknowledged = ["before"];
  const refused = await writeUntilFull(store, acknowledged);
  assert.equal(refused.code, "disk_failed");
  assert.match(refused.message, /No space left on device/);
  await assert.rejects(store.batch([put("still-full", "x".repeat(3_000))]), FaultError);

  rmSync(filler);
  for (let index = 0; index < 20; index++) {
    await store.batch([put(`after-${index}`, "1")]);
    acknowledged.push(`after-${index}`);
  }
  // What a crash at this moment leaves behind.
  const copy = join(temporaryFolder(t), "db");
  cpSync(join(mount, "db"), copy, { recursive: true });
  const recovered = await openLevel(copy);
  const content = new Set((await contentOf(recovered)).map((entry) => entry.split("=")[0]));
  await recovered.close();
  assert.deepEqual(
    acknowledged.filter((key) => !content.has(key)),
    [],
  );
}

async function writeUntilFull(store: KeyValueStore, acknowledged: string[]): Promise<FaultError> {
  for (let index = 0; index < 100; index++) {
    try {
      await store.batch([put(`big-${index}`, "x".repeat(3_000))]);
      acknowledged.push(`big-${index}`);
    } catch (error) {
      if (error instanceof FaultError) return error;
      throw error;
    }
  }
  return assert.fail("the disk does not fill up");
}

/** Null, with the test skipped, where this user may not mount. */
function mountSmallDisk(t: TestContext): string | null {
  const mount = mkdtempSync(join(tmpdir(), "coterie-disk-"));
  const result = spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", mount]);
  t.after(() => {
    if (result.status === 0) execFileSync("umount", ["-l", mount]);
    rmdirSync(mount);
  });
  if (result.status === 0) return mount;
  t.skip("mounting a small file system needs root");
  return null;
}
