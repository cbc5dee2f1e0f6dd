// What is frozen stays frozen, whatever the disk does (FREEZE-1).
import assert from "node:assert/strict";
import { test } from "node:test";
import { openFreezes } from "../../../src/safety/freezes.ts";
import { MemoryDisk } from "../../support/memoryStore.ts";
import { pubKey } from "../../support/slashing.ts";

test("FREEZE-1: a freeze holds although its write fails, and the fault is told", async () => {
  const disk = new MemoryDisk();
  const freezes = await openFreezes(disk.open());
  disk.fault = { write: 1, lands: false };
  await assert.rejects(freezes.freeze(pubKey(1), "reason"));
  assert.equal(freezes.refusalOf(pubKey(1))?.code, "frozen");
  assert.equal(freezes.refusalOf(pubKey(2)), null);
});

test("FREEZE-1: the first reason stays, also after a restart", async () => {
  const disk = new MemoryDisk();
  const freezes = await openFreezes(disk.open());
  await freezes.freeze(pubKey(1), "first");
  await freezes.freeze(pubKey(1), "second");
  const restarted = await openFreezes(disk.open());
  assert.match(restarted.refusalOf(pubKey(1))?.detail ?? "", /first$/);
});
