import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { VirtualStore } from "../../../sim/virtualStore.ts";
import { VoteGuard } from "../../../src/core/voteGuard.ts";
import { FaultError } from "../../../src/domain/errors.ts";

describe("the vote guard (VOTE-1, VOTE-2)", () => {
  test("lets a fresh node vote in every slot after the one it started in", async () => {
    const guard = await VoteGuard.open(new VirtualStore(), 41);
    assert.equal(guard.maySend(41), false);
    assert.equal(guard.maySend(42), true);
  });

  test("lets a node that starts before genesis vote from slot 0", async () => {
    const guard = await VoteGuard.open(new VirtualStore(), -3);
    assert.equal(guard.maySend(0), true);
  });

  test("keeps a restarted node quiet up to the highest slot that it voted in", async () => {
    const store = new VirtualStore();
    const firstLife = await VoteGuard.open(store, 10);
    await firstLife.record(20);
    await firstLife.record(15);
    // The clock of the second life is behind: it was stepped back at the start.
    const secondLife = await VoteGuard.open(store, 12);
    assert.equal(secondLife.maySend(20), false);
    assert.equal(secondLife.maySend(21), true);
  });

  test("VOTE-3: a clock that was ahead at the start silences nobody for longer", async () => {
    const store = new VirtualStore();
    await (await VoteGuard.open(store, 10)).record(20);
    // A hardware clock in local time: two hours ahead until the time service corrects it.
    const guard = await VoteGuard.open(store, 625);
    assert.equal(guard.maySend(26), false);
    guard.clockSetBack(25);
    assert.deepEqual([guard.maySend(25), guard.maySend(26)], [false, true]);
    guard.clockSetBack(12);
    assert.deepEqual([guard.maySend(20), guard.maySend(21)], [false, true]);
    guard.clockSetBack(30);
    assert.equal(guard.maySend(21), true);
  });

  test("says that a slot is recorded only once it is on disk", async () => {
    const store = new VirtualStore();
    const guard = await VoteGuard.open(store, 0);
    const recording = guard.record(5);
    assert.equal(guard.isRecorded(5), false);
    await recording;
    assert.equal(guard.isRecorded(5), true);
    assert.equal(guard.isRecorded(6), false);
  });

  test("a write that fails records nothing, and the next one may succeed", async () => {
    const store = new VirtualStore();
    const guard = await VoteGuard.open(store, 0);
    const batch = store.batch.bind(store);
    store.batch = () => Promise.reject(new FaultError("disk_failed", "in this test"));
    await assert.rejects(guard.record(5), FaultError);
    assert.equal(guard.isRecorded(5), false);
    store.batch = batch;
    await guard.record(5);
    assert.equal((await VoteGuard.open(store, 0)).maySend(5), false);
  });

  test("refuses to start on a damaged record", async () => {
    const store = new VirtualStore();
    const value = new Uint8Array(3);
    await store.batch([{ type: "put", key: "consensus/voted-slot", value }]);
    await assert.rejects(VoteGuard.open(store, 0), /consensus\/voted-slot is damaged/);
  });
});
