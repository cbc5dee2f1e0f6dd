import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { EPOCH_OF, LADDER_GENESIS, ladderChain } from "../../support/rawSpec.ts";

const GENESIS_MS = 1000 * LADDER_GENESIS.genesisTime;

test("a slot lasts from its start to just before the next", () => {
  const chain = ladderChain();
  assert.equal(chain.slotAt(GENESIS_MS - 1), -1);
  assert.equal(chain.slotAt(GENESIS_MS), 0);
  assert.equal(chain.slotAt(GENESIS_MS + 11_999), 0);
  assert.equal(chain.slotAt(GENESIS_MS + 12_000), 1);
});

test("slots below a second are exact", () => {
  const chain = ladderChain({ SLOT_DURATION_MS: "250" });
  fc.assert(
    fc.property(fc.nat({ max: 1e9 }), fc.nat({ max: 249 }), (slot, offsetMs) => {
      assert.equal(chain.slotAt(chain.slotStart(slot) + offsetMs), slot);
    }),
  );
});

test("epochs begin at their first slot", () => {
  const chain = ladderChain();
  assert.deepEqual(
    [0, 31, 32, 63, 64].map((slot) => chain.epochOf(slot)),
    [0, 0, 1, 1, 2],
  );
  assert.equal(chain.firstSlot(2), 64);
});

test("a due time is the share of the slot, rounded down", () => {
  const chain = ladderChain();
  assert.equal(chain.dueAt(1, 3333), GENESIS_MS + 12_000 + 3_999);
  assert.equal(chain.dueAt(1, 0), chain.slotStart(1));
  assert.equal(chain.dueAt(1, 10_000), chain.slotStart(2));
});

test("ETH-1: the fork of an epoch is the last that has started", () => {
  const chain = ladderChain();
  for (const [name, epoch] of Object.entries(EPOCH_OF)) {
    assert.equal(chain.forkAt(epoch).fork.name, name);
  }
  assert.equal(chain.forkAt(1_000_000).fork.name, "gloas");
  const together = ladderChain({ ALTAIR_FORK_EPOCH: "0", BELLATRIX_FORK_EPOCH: "0" });
  assert.equal(together.forkAt(0).fork.name, "bellatrix");
});

test("ETH-6: a fork without a row is unknown from its first epoch on", () => {
  const chain = ladderChain({ HEZE_FORK_EPOCH: "20" });
  assert.equal(chain.isForkKnown(19), true);
  assert.equal(chain.isForkKnown(20), false);
});
