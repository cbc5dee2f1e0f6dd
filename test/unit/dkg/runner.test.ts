import assert from "node:assert/strict";
import { test } from "node:test";
import { parseLock } from "../../../src/cluster/lock.ts";
import { verifyLock } from "../../../src/cluster/verify.ts";
import { sign } from "../../../src/crypto/bls.ts";
import { CeremonyTable } from "../../support/ceremonyTable.ts";

const ALL = [0, 1, 2, 3];

test("four operators end with the same valid lock, and nothing of the ceremony is left", async () => {
  const table = new CeremonyTable({ validators: 2 });
  for (const node of ALL) table.start(node);
  await table.runToEnd();
  assert.deepEqual([...table.failures], []);
  assert.deepEqual(
    ALL.map((node) => table.ends.get(node)?.kind),
    ["finished", "finished", "finished", "finished"],
  );
  assert.equal(new Set(table.lockHashes()).size, 1);
  for (const disk of table.disks) {
    const lock = parseLock(disk.files?.find(({ name }) => name.startsWith("cluster"))?.text ?? "");
    assert.ok(lock.ok && verifyLock(lock.value).ok);
    assert.equal(disk.journals.size, 0, "the journal is erased");
    assert.equal(disk.published?.secrets.length, 2);
  }
  void sign;
});
