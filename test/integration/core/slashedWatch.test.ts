import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { FIRST_INDEX } from "../../support/fakeBeacon.ts";
import { NodeCluster } from "../../support/nodeCluster.ts";

let cluster: NodeCluster;
afterEach(() => cluster.stop());

test("SLASHED-1: a slashed validator freezes everything, once, and is told", async () => {
  cluster = new NodeCluster({ validators: 2 });
  await cluster.start();
  await cluster.runSlot(0);
  const { beacon, log } = cluster.member(0);
  const freezes = () => cluster.member(0).node?.control.freezes() ?? [];
  assert.deepEqual(freezes(), []);
  beacon.statuses.set(1, "active_slashed");
  for (let slot = 1; slot < 18; slot++) await cluster.runSlot(slot);
  const pubKey = cluster.cluster.validators[1]?.pubKey ?? "";
  assert.deepEqual(
    freezes().map(({ scope, validator, by }) => [scope, validator, by]),
    [["all", null, "the slashed watch"]],
  );
  assert.match(freezes()[0]?.reason ?? "", new RegExp(pubKey));
  const told = log.filter(({ level, message }) => level === "error" && /was slashed/.test(message));
  assert.equal(told.length, 1);

  // Whoever unfreezes has looked; a restart does not undo that.
  await cluster.member(0).node?.control.unfreeze({ scope: "all", validator: null }, "test");
  cluster.crash(0);
  await cluster.start([0]);
  for (let slot = 18; slot < 36; slot++) await cluster.runSlot(slot);
  assert.deepEqual(freezes(), []);
});

test("SLASHED-2: a slashing that is told as an event freezes everything at once", async () => {
  cluster = new NodeCluster({ validators: 2 });
  await cluster.start();
  await cluster.runSlot(0);
  const { beacon } = cluster.member(0);
  const freezes = () => cluster.member(0).node?.control.freezes() ?? [];
  beacon.emitSlashing(FIRST_INDEX + 7);
  await cluster.clock.runUntil(cluster.clock.now() + 100);
  assert.deepEqual(freezes(), [], "somebody else's");
  beacon.emitSlashing(FIRST_INDEX + 7, FIRST_INDEX + 1);
  await cluster.clock.runUntil(cluster.clock.now() + 100);
  assert.deepEqual(
    freezes().map(({ validator, by }) => [validator, by]),
    [[null, "the slashed watch"]],
  );
});
