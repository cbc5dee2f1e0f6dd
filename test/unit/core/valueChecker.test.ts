import "../../support/minimalPreset.ts";
import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { Deadlines } from "../../../src/core/deadlines.ts";
import { HeadFeed } from "../../../src/core/headFeed.ts";
import type { Fetcher, Scheduler } from "../../../src/core/interfaces.ts";
import { ValueChecker, type ValueCheckerParts } from "../../../src/core/valueChecker.ts";
import { createBls } from "../../../src/crypto/bls.ts";
import type { DutyDefinitions, UnsignedData } from "../../../src/domain/data.ts";
import type { Root } from "../../../src/domain/keys.ts";
import type { AgreedDuty } from "../../../src/duties/kind.ts";
import { DUTY_KINDS } from "../../../src/duties/table.ts";
import { encodeAttestationData } from "../../../src/eth2/attestationData.ts";
import type { Bls } from "../../../src/ports/bls.ts";
import type { SafetyGate } from "../../../src/safety/gate.ts";
import { nativeProfile } from "../../../src/wire/nativeProfile.ts";
import { blockRoot, FakeBeacon } from "../../support/fakeBeacon.ts";
import { loadMutant } from "../../support/mutant.ts";
import { testChain } from "../../support/testChain.ts";
import { VirtualClock } from "../../support/virtualClock.ts";

const chain = testChain();
const DUTY = { slot: 9, type: "attester" } as const;
const UNKNOWN_HEAD = `0x${"ee".repeat(32)}` as Root;
const ROUND_MS = 1_000;
/** f = 1. */
const NODES = 4;

let clock: VirtualClock;
let beacon: FakeBeacon;
let parts: ValueCheckerParts;
let own: UnsignedData;

async function proposalOf(head: Root | null): Promise<UnsignedData> {
  const data = await new FakeBeacon([]).attestationData(DUTY.slot);
  const value = encodeAttestationData({ ...data, beaconBlockRoot: head ?? data.beaconBlockRoot });
  return { duty: DUTY, value, root: nativeProfile.valueRoot(value) };
}

beforeEach(async () => {
  clock = new VirtualClock(chain.slotStart(DUTY.slot) + 4_000);
  beacon = new FakeBeacon([]);
  own = await proposalOf(null);
  const heads = new HeadFeed(beacon);
  heads.start(new AbortController().signal);
  const kindOf = (): (typeof DUTY_KINDS)["attester"] => DUTY_KINDS.attester;
  parts = {
    chain,
    clock,
    identity: { nodes: NODES },
    beacon,
    bls: createBls(),
    heads,
    kindOf,
    deadlines: new Deadlines(clock, chain, kindOf),
    gate: { checkValue: () => [] } as unknown as SafetyGate,
    scheduler: { definitions: () => [] } as unknown as Scheduler,
    fetcher: { latest: async () => own, refresh: async () => own } as unknown as Fetcher,
  };
});

/** The verdict and how long it took; `happens` runs a quarter of the round in. */
async function judge(
  data: UnsignedData,
  { checker = new ValueChecker(parts), happens = (): void => undefined, round = 1 } = {},
) {
  const startsAt = clock.now();
  const window = { round, startsAt, endsAt: startsAt + ROUND_MS };
  const judged = checker.judge(data, window, false).then((verdict) => {
    return { ...verdict, tookMs: clock.now() - startsAt };
  });
  await clock.runUntil(startsAt + ROUND_MS / 4);
  happens();
  await clock.runUntil(startsAt + ROUND_MS);
  return judged;
}

describe("an attested head that our beacon node does not know (VALUE-4, ATT-5)", () => {
  test("is waited for during half of the round, and then refused", async () => {
    const verdict = await judge(await proposalOf(UNKNOWN_HEAD));
    assert.deepEqual(verdict, {
      accepted: false,
      reason: "our beacon node does not know the attested head",
      tookMs: ROUND_MS / 2,
    });
  });

  test("is refused while faulty nodes may have led every round, and then taken", async () => {
    const data = await proposalOf(UNKNOWN_HEAD);
    for (const [nodes, rounds] of [
      [4, 2],
      [6, 2],
      [7, 3],
      [10, 4],
      [13, 5],
      [31, 5],
    ] as const) {
      parts = { ...parts, identity: { nodes } };
      const inLast = await judge(data, { round: rounds });
      const after = await judge(data, { round: rounds + 1 });
      assert.deepEqual([inLast.accepted, after.accepted], [false, true], `${nodes} nodes`);
    }
  });

  test("mutant: strict in round 1 only, a checker takes it from the second leader", async () => {
    const { ValueChecker: Trusting } = await loadMutant<
      typeof import("../../../src/core/valueChecker.ts")
    >("src/core/valueChecker.ts", [
      { find: "ownViewRounds(this.#parts.identity.nodes)", replace: "1" },
    ]);
    const data = await proposalOf(UNKNOWN_HEAD);
    const verdict = await judge(data, { round: 2, checker: new Trusting(parts) });
    assert.equal(verdict.accepted, true);
  });

  test("is accepted as soon as its block arrives", async () => {
    const late = blockRoot(DUTY.slot - 1);
    let isKnown = false;
    const { blockSlot } = beacon;
    beacon.blockSlot = async (root) => (isKnown ? blockSlot.call(beacon, root) : null);
    const verdict = await judge(await proposalOf(late), {
      happens: () => {
        isKnown = true;
        beacon.emitHead(DUTY.slot - 1);
      },
    });
    assert.deepEqual(verdict, { accepted: true, tookMs: ROUND_MS / 4 });
  });

  test("is refused although our beacon node goes silent after it said so", async () => {
    const verdict = await judge(await proposalOf(UNKNOWN_HEAD), {
      happens: () => {
        beacon.faults.isOffline = true;
      },
    });
    assert.equal(verdict.accepted, false);
  });

  test("is no disagreement while our beacon node never answers at all", async () => {
    beacon.faults.isOffline = true;
    assert.deepEqual(await judge(await proposalOf(UNKNOWN_HEAD)), { accepted: true, tookMs: 0 });
  });

  test("mutant: a checker that forgets the answer when the time is up accepts it", async () => {
    const { ValueChecker: Forgetful } = await loadMutant<
      typeof import("../../../src/core/valueChecker.ts")
    >("src/core/valueChecker.ts", [
      {
        find: "if (isOurs || answer !== undefined) headSlot = answer;",
        replace: "headSlot = answer;",
      },
    ]);
    const verdict = await judge(await proposalOf(UNKNOWN_HEAD), { checker: new Forgetful(parts) });
    assert.equal(verdict.accepted, true);
  });
});

test("VALUE-1: a value is judged by the definitions that it was checked with", async () => {
  // A reorg has the duties resolved anew while the signatures inside the value are verified.
  const before = [{ validator: 3 }] as unknown as DutyDefinitions;
  let current = before;
  const judgedBy: DutyDefinitions[] = [];
  const kind: AgreedDuty = {
    ...(DUTY_KINDS.attester as AgreedDuty),
    tasks: () => [],
    judge: (_data, _view, { definitions }) => {
      judgedBy.push(definitions);
      return { kind: "accept" };
    },
  };
  const bls: Bls = {
    ...createBls(),
    verifyBatch: async () => {
      current = [];
      return true;
    },
  };
  const scheduler = { definitions: () => current } as unknown as Scheduler;
  const checker = new ValueChecker({ ...parts, kindOf: () => kind, bls, scheduler });
  assert.equal((await judge(own, { checker })).accepted, true);
  assert.deepEqual(judgedBy, [before]);
});
