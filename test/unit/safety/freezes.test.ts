// What is frozen stays frozen, whatever the disk does (FREEZE-1), until it is let go (FREEZE-3).
import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualDisk } from "../../../sim/virtualStore.ts";
import { openFreezes } from "../../../src/safety/freezes.ts";
import type { FreezeScope } from "../../../src/safety/guards.ts";
import { pubKey } from "../../support/slashing.ts";

const one = (number: number, reason = "reason") =>
  ({ scope: "all", validator: pubKey(number), reason, by: "test" }) as const;

test("FREEZE-1: a freeze holds although its write fails, and the fault is told", async () => {
  const disk = new VirtualDisk();
  const freezes = await openFreezes(disk.open());
  disk.fault = { write: 1, lands: false };
  await assert.rejects(freezes.freeze(one(1)));
  assert.equal(freezes.refusalOf(pubKey(1), "attest")?.code, "frozen");
  assert.equal(freezes.refusalOf(pubKey(2), "attest"), null);
});

test("FREEZE-1: the first reason stays, also after a restart", async () => {
  const disk = new VirtualDisk();
  const freezes = await openFreezes(disk.open());
  await freezes.freeze(one(1, "first"));
  await freezes.freeze(one(1, "second"));
  const restarted = await openFreezes(disk.open());
  assert.match(
    restarted.refusalOf(pubKey(1), "sync")?.detail ?? "",
    /by test: first\. .* unfreeze/,
  );
});

test("FREEZE-1: what was frozen before scopes existed, or cannot be read, is frozen", async () => {
  const disk = new VirtualDisk();
  const put = (key: string, text: string): void =>
    void disk.platter.set(key, new TextEncoder().encode(text));
  put(`freeze/${pubKey(1)}`, "its whole key was used");
  put(`freeze/${pubKey(2)}/attest`, "not JSON");
  const freezes = await openFreezes(disk.open());
  assert.match(freezes.refusalOf(pubKey(1), "sync")?.detail ?? "", /its whole key was used/);
  assert.equal(freezes.refusalOf(pubKey(2), "attest")?.code, "frozen");
  assert.equal(freezes.refusalOf(pubKey(2), "propose"), null);
  put("freeze/garbage", "");
  assert.equal((await openFreezes(disk.open())).refusalOf(pubKey(9), "exit")?.code, "frozen");
});

test("FREEZE-1: a scope stops its own part of the work, of one validator or of all", async () => {
  const freezes = await openFreezes(new VirtualDisk().open());
  const frozen = (key: number, scope: Exclude<FreezeScope, "all">): boolean =>
    freezes.refusalOf(pubKey(key), scope) !== null;
  await freezes.freeze({ scope: "attest", validator: pubKey(1), reason: "drill", by: "test" });
  assert.deepEqual(
    [frozen(1, "attest"), frozen(1, "propose"), frozen(2, "attest")],
    [true, false, false],
  );
  await freezes.freeze({ scope: "propose", validator: null, reason: "drill", by: "test" });
  assert.deepEqual(
    [frozen(1, "propose"), frozen(2, "propose"), frozen(2, "attest")],
    [true, true, false],
  );
  await freezes.freeze({ scope: "all", validator: null, reason: "drill", by: "test" });
  assert.deepEqual([frozen(2, "sync"), frozen(3, "exit")], [true, true]);
});

test("FREEZE-1: a freeze that comes while another one is lifted holds, now and later", async () => {
  const disk = new VirtualDisk();
  const freezes = await openFreezes(disk.open());
  await freezes.freeze(one(1, "drill"));
  const { validator } = one(1);
  const lifting = freezes.unfreeze({ scope: "all", validator });
  const slashed = freezes.freeze(one(1, "the chain slashed it"));
  assert.deepEqual((await Promise.all([lifting, slashed]))[0], true);
  for (const each of [freezes, await openFreezes(disk.open())]) {
    assert.match(each.refusalOf(pubKey(1), "sync")?.detail ?? "", /the chain slashed it/);
  }
  assert.equal(await freezes.unfreeze({ scope: "all", validator }), true);
  assert.equal(freezes.refusalOf(pubKey(1), "sync"), null);
});

test("FREEZE-3: unfreezing lifts that freeze alone, and only once it is written", async () => {
  const disk = new VirtualDisk();
  const freezes = await openFreezes(disk.open());
  await freezes.freeze(one(1));
  await freezes.freeze({ scope: "attest", validator: null, reason: "drill", by: "test" });
  disk.fault = { write: disk.writes + 1, lands: false };
  await assert.rejects(freezes.unfreeze({ scope: "attest", validator: null }));
  assert.equal(freezes.refusalOf(pubKey(2), "attest")?.code, "frozen");
  assert.equal(await freezes.unfreeze({ scope: "attest", validator: null }), true);
  assert.equal(freezes.refusalOf(pubKey(2), "attest"), null);
  assert.equal(freezes.refusalOf(pubKey(1), "attest")?.code, "frozen");
  assert.equal(await freezes.unfreeze({ scope: "attest", validator: null }), false);
  const restarted = await openFreezes(disk.open());
  assert.deepEqual(restarted.list(), [one(1)]);
});
