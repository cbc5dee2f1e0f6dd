import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { VirtualStore } from "../../../sim/virtualStore.ts";
import { Background } from "../../../src/core/background.ts";
import { Deadlines } from "../../../src/core/deadlines.ts";
import { Evidence } from "../../../src/core/evidence.ts";
import type { ThresholdGroup } from "../../../src/core/interfaces.ts";
import { MemoryPartialSignatureStore } from "../../../src/core/partialSignatureStore.ts";
import type { PartialSignatureSet, Received } from "../../../src/domain/data.ts";
import type { Root, ShareIndex } from "../../../src/domain/keys.ts";
import { DUTY_KINDS } from "../../../src/duties/table.ts";
import { recordingLogger } from "../../support/quiet.ts";
import { testChain } from "../../support/testChain.ts";
import { VirtualClock } from "../../support/virtualClock.ts";

const chain = testChain();
const DUTY = { slot: 3, type: "attester" } as const;
const A = `0x${"aa".repeat(32)}` as Root;
const B = `0x${"bb".repeat(32)}` as Root;

let clock: VirtualClock;
let deadlines: Deadlines;
let store: MemoryPartialSignatureStore;
let groups: ThresholdGroup[];
let rejected: string[];

beforeEach(() => {
  clock = new VirtualClock(chain.slotStart(3));
  deadlines = new Deadlines(clock, chain, ({ type }) => DUTY_KINDS[type]);
  groups = [];
  rejected = [];
  const background = new Background((error) => assert.fail(String(error)));
  store = new MemoryPartialSignatureStore({
    threshold: 3,
    deadlines,
    evidence: new Evidence(new VirtualStore(), recordingLogger(), background),
    reject: (share, code) => rejected.push(`${share} ${code}`),
  });
  store.onThreshold((_, found) => groups.push(...found));
});

function receive(shareIndex: ShareIndex, messageRoot: Root = A, validator = 0): void {
  const signature = new Uint8Array(96).fill(shareIndex);
  const set: PartialSignatureSet = {
    duty: DUTY,
    shareIndex,
    signatures: [{ validator, messageRoot, signature }],
  };
  store.storeReceived(set as Received<PartialSignatureSet>);
}

const shares = (): ShareIndex[][] => groups.map((group) => group.shares.map(({ index }) => index));

describe("the partial signature store (FLOW-5)", () => {
  test("reports a group when the threshold is reached, not before", () => {
    receive(1);
    receive(2);
    assert.equal(groups.length, 0);
    receive(4);
    assert.deepEqual(shares(), [[1, 2, 4]]);
    assert.equal(groups[0]?.messageRoot, A);
  });

  test("never counts shares of different roots together", () => {
    receive(1, A);
    receive(2, A);
    receive(3, B);
    receive(4, B);
    assert.equal(groups.length, 0);
  });

  test("counts a share once, however often it comes", () => {
    for (let i = 0; i < 5; i++) receive(1);
    receive(2);
    assert.equal(groups.length, 0);
    assert.deepEqual(rejected, []);
  });

  test("refuses a second root of one share and keeps the first", () => {
    receive(1, A);
    receive(1, B);
    assert.deepEqual(rejected, ["1 conflicting_root"]);
    receive(2, A);
    receive(3, A);
    assert.deepEqual(shares(), [[1, 2, 3]]);
  });

  test("reports each later share until the group is settled", () => {
    for (const share of [1, 2, 3, 4]) receive(share);
    assert.deepEqual(shares(), [
      [1, 2, 3],
      [1, 2, 3, 4],
    ]);
    store.settle(DUTY, 0);
    receive(5);
    assert.equal(groups.length, 2);
  });

  test("reports the group again without the shares that were proved invalid", () => {
    for (const share of [1, 2, 3, 4]) receive(share);
    store.drop(DUTY, 0, [2]);
    assert.deepEqual(shares().at(-1), [1, 3, 4]);
  });

  test("waits for another share when too few are left", () => {
    for (const share of [1, 2, 3]) receive(share);
    store.drop(DUTY, 0, [2]);
    assert.equal(groups.length, 1);
    receive(4);
    assert.deepEqual(shares().at(-1), [1, 3, 4]);
  });

  test("reports what is left also when the shares were dropped before", () => {
    for (const share of [1, 2, 3, 4]) receive(share);
    store.drop(DUTY, 0, [2]);
    // Of two runs that find the same liar, the later may have kept the good group waiting.
    store.drop(DUTY, 0, [2]);
    assert.deepEqual(shares().slice(-2), [
      [1, 3, 4],
      [1, 3, 4],
    ]);
  });

  test("keeps validators apart", () => {
    receive(1, A, 0);
    receive(2, A, 1);
    receive(3, A, 0);
    receive(4, A, 1);
    assert.equal(groups.length, 0);
  });

  test("forgets a duty at its deadline and takes nothing for it afterwards", async () => {
    receive(1);
    receive(2);
    await clock.runUntil(DUTY_KINDS.attester.expiresAt(chain, DUTY.slot));
    receive(3);
    receive(4);
    receive(5);
    assert.equal(groups.length, 0);
    assert.equal(clock.pending, 0);
  });
});
