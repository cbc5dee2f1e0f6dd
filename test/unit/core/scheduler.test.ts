import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { FEE_RECIPIENT, GAS_LIMIT } from "../../../sim/virtualBlocks.ts";
import { Background } from "../../../src/core/background.ts";
import { Deadlines } from "../../../src/core/deadlines.ts";
import { HeadFeed } from "../../../src/core/headFeed.ts";
import { DutyScheduler } from "../../../src/core/scheduler.ts";
import type { Duty } from "../../../src/domain/duty.ts";
import { Cancelled } from "../../../src/domain/errors.ts";
import type { PubKey, Root } from "../../../src/domain/keys.ts";
import type { Slot } from "../../../src/domain/units.ts";
import { DUTY_KINDS } from "../../../src/duties/table.ts";
import { FakeBeacon } from "../../support/fakeBeacon.ts";
import { recordingLogger } from "../../support/quiet.ts";
import { GENESIS_TIME, testChain } from "../../support/testChain.ts";
import { VirtualClock } from "../../support/virtualClock.ts";

const chain = testChain();
const SLOT_MS = chain.spec.slotDurationMs;
const PUB_KEYS = [1, 2].map((i) => `0x${String(i).padStart(96, "0")}` as PubKey);

let clock: VirtualClock;
let beacon: FakeBeacon;
let stopping: AbortController;
let fired: { duty: Duty; at: number }[];
let setBack: Slot[];
let scheduler: DutyScheduler;

function setUp(options: { readonly startsAt?: number; readonly resumed?: readonly Duty[] } = {}) {
  const { startsAt = GENESIS_TIME * 1000 - 5_000, resumed = [] } = options;
  clock = new VirtualClock(startsAt);
  beacon = new FakeBeacon(PUB_KEYS);
  stopping = new AbortController();
  fired = [];
  setBack = [];
  const heads = new HeadFeed(beacon);
  heads.start(stopping.signal);
  scheduler = new DutyScheduler({
    chain,
    beacon,
    clock,
    logger: recordingLogger(),
    background: new Background((error) => assert.fail(String(error))),
    kindOf: (duty) => DUTY_KINDS[duty.type],
    deadlines: new Deadlines(clock, chain, (duty) => DUTY_KINDS[duty.type]),
    validators: PUB_KEYS.map((pubKey, lockIndex) => ({
      lockIndex,
      pubKey,
      pubShares: [],
      feeRecipient: FEE_RECIPIENT,
      targetGasLimit: GAS_LIMIT,
    })),
    resumed,
    heads,
    signal: stopping.signal,
    onSetBack: (slot) => setBack.push(slot),
  });
  scheduler.onDuty((duty) => fired.push({ duty, at: clock.now() - chain.slotStart(duty.slot) }));
}

beforeEach(() => setUp());
afterEach(() => stopping.abort(new Cancelled("the test ends")));

const dueMs = Math.floor((SLOT_MS * 3333) / 10_000);
const slots = (): number[] => fired.map(({ duty }) => duty.slot);

describe("the scheduler (FLOW-2, FLOW-3)", () => {
  test("fires each of the cluster's duties once, when it is due", async () => {
    scheduler.start();
    await clock.runUntil(chain.slotStart(16));
    // Positions 0 and 1: slots 0 and 1 of epoch 0, slots 1 and 2 of epoch 1.
    assert.deepEqual(slots(), [0, 1, 9, 10]);
    assert.deepEqual([...new Set(fired.map(({ at }) => at))], [dueMs]);
  });

  test("fires at the head event when the block comes before the due time", async () => {
    scheduler.start();
    await clock.runUntil(chain.slotStart(1) + 700);
    beacon.emitHead(1);
    await clock.runUntil(chain.slotStart(2));
    assert.deepEqual(fired.at(-1), { duty: { slot: 1, type: "attester" }, at: 700 });
    assert.equal(slots().filter((slot) => slot === 1).length, 1);
  });

  test("FLOW-11: goes on from the slot of a clock that was ahead and is set back", async () => {
    scheduler.start();
    await clock.runUntil(chain.slotStart(5));
    clock.setOffset(8 * SLOT_MS);
    await clock.runUntil(chain.slotStart(6));
    clock.setOffset(0);
    await clock.runUntil(chain.slotStart(24));
    // Slots 9 and 10 again come true; each fires once.
    assert.deepEqual(slots(), [0, 1, 9, 10, 18, 19]);
    assert.deepEqual(setBack, [6]);
  });

  test("does not fire for the head of another slot", async () => {
    scheduler.start();
    await clock.runUntil(chain.slotStart(1) + 100);
    beacon.emitHead(0);
    await clock.runUntil(chain.slotStart(1) + 200);
    assert.equal(slots().includes(1), false);
  });

  test("knows a duty's definitions before it is due, in lock order", async () => {
    scheduler.start();
    await clock.runUntil(chain.slotStart(0));
    const definitions = scheduler.definitions({ slot: 1, type: "attester" });
    assert.deepEqual(
      definitions.map(({ validator, pubKey }) => [validator, pubKey]),
      [[1, PUB_KEYS[1]]],
    );
    assert.deepEqual(scheduler.definitions({ slot: 5, type: "attester" }), []);
  });

  test("asks a beacon node that is away until it answers, and catches its slot", async () => {
    beacon.faults.isOffline = true;
    scheduler.start();
    await clock.runUntil(chain.slotStart(1) + dueMs + 10);
    assert.deepEqual(slots(), []);
    beacon.faults.isOffline = false;
    await clock.runUntil(chain.slotStart(2));
    assert.deepEqual(slots(), [1]);
    assert.ok((fired[0]?.at ?? 0) <= dueMs + 1_100, "within one retry");
  });

  test("asks again while an answer leaves a validator out", async () => {
    const answer = beacon.attesterDuties.bind(beacon);
    beacon.attesterDuties = async (epoch) => ({ ...(await answer(epoch, [])), duties: [] });
    scheduler.start();
    await clock.runUntil(chain.slotStart(0) - 1);
    beacon.attesterDuties = answer;
    await clock.runUntil(chain.slotStart(2));
    // Slot 0 was asked for before genesis and again when slot 1 began.
    assert.deepEqual(slots(), [1]);
  });

  test("leaves no timer behind when it stops", async () => {
    scheduler.start();
    await clock.runUntil(chain.slotStart(3));
    stopping.abort(new Cancelled("the test ends"));
    assert.equal(clock.pending, 0);
  });
});

describe("proposals", () => {
  const proposalAt = (slot: number): readonly unknown[] =>
    fired
      .filter(({ duty }) => duty.type !== "attester" && duty.slot === slot)
      .map(({ duty, at }) => [duty.type, at]);

  test("RANDAO-1: the reveal half a slot before, the proposal at its start", async () => {
    beacon.proposers.set(3, 0);
    scheduler.start();
    await clock.runUntil(chain.slotStart(5));
    assert.deepEqual(proposalAt(3), [
      ["randao", -SLOT_MS / 2],
      ["proposer", 0],
    ]);
  });

  test("FLOW-2: also in the first slot of an epoch, which is asked for ahead", async () => {
    beacon.proposers.set(8, 1);
    scheduler.start();
    await clock.runUntil(chain.slotStart(9));
    assert.deepEqual(proposalAt(8), [
      ["randao", -SLOT_MS / 2],
      ["proposer", 0],
    ]);
    const [definition] = scheduler.definitions({ slot: 8, type: "proposer" });
    assert.equal(definition?.validator, 1);
  });

  test("FLOW-2: another proposer than half an epoch ago is known for the reveal", async () => {
    scheduler.start();
    await clock.runUntil(chain.slotStart(7) - 1);
    // A beacon node that was on another branch when the epoch was asked for ahead.
    beacon.proposers.set(8, 1);
    await clock.runUntil(chain.slotStart(9));
    assert.deepEqual(proposalAt(8), [
      ["randao", -SLOT_MS / 2],
      ["proposer", 0],
    ]);
  });

  test("nobody proposes the genesis block", async () => {
    beacon.proposers.set(0, 0);
    scheduler.start();
    await clock.runUntil(chain.slotStart(1));
    assert.deepEqual(proposalAt(0), []);
  });

  test("FLOW-2: proposers are asked for again when the epoch hangs on another block", async () => {
    scheduler.start();
    await clock.runUntil(chain.slotStart(1));
    beacon.proposers.set(5, 0);
    beacon.emitHead(1);
    await clock.runUntil(chain.slotStart(2));
    assert.deepEqual(scheduler.definitions({ slot: 5, type: "proposer" }), [], "the same root");
    beacon.emitHead(2, { currentDutyDependentRoot: `0x${"77".repeat(32)}` as Root });
    await clock.runUntil(chain.slotStart(6));
    assert.equal(proposalAt(5).length, 2);
  });

  test("FLOW-10: a duty of a former life goes on after its slot, until its deadline", async () => {
    const startsAt = chain.slotStart(8) + 2_000;
    const resumed: Duty[] = [7, 6].map((slot) => ({ slot, type: "proposer" }));
    setUp({ startsAt, resumed });
    for (const { slot } of resumed) beacon.proposers.set(slot, 0);
    scheduler.start();
    await clock.runUntil(chain.slotStart(8) + 2_100);
    assert.deepEqual(proposalAt(7), [["proposer", SLOT_MS + 2_000]]);
    assert.deepEqual(proposalAt(6), []);
  });
});
