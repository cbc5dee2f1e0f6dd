import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Cluster } from "../../../src/cluster/cluster.ts";
import { Background } from "../../../src/core/background.ts";
import { LivenessGuard } from "../../../src/core/livenessGuard.ts";
import { Cancelled, FaultError } from "../../../src/domain/errors.ts";
import type { Origin } from "../../../src/safety/history.ts";
import { recordingLogger } from "../../support/quiet.ts";
import { pubKey } from "../../support/slashing.ts";
import { testChain } from "../../support/testChain.ts";
import { VirtualClock } from "../../support/virtualClock.ts";

const chain = testChain();
/** In the middle of epoch 10. */
const SINCE = chain.firstSlot(10) + 4;
const VALIDATORS = [0, 1].map((lockIndex) => ({ lockIndex, pubKey: pubKey(lockIndex) }));
const CLUSTER = {
  validators: VALIDATORS,
  validator: (key: string) => VALIDATORS.find((each) => each.pubKey === key),
} as unknown as Cluster;
const DUTY = { slot: SINCE + 20, type: "attester" } as const;

/** Validators 0 and 1 have indices 100 and 101. */
function openBench() {
  const clock = new VirtualClock(chain.slotStart(SINCE));
  const live = new Map<number, readonly number[]>();
  const asked: number[] = [];
  const counted: string[] = [];
  const attestations: { readonly origin: Origin; readonly target: number }[] = [];
  const logger = recordingLogger();
  let isOffline = false;
  const suspects = new Set<number>();
  const guard = new LivenessGuard({
    cluster: CLUSTER,
    chain,
    clock,
    beacon: {
      validators: async () =>
        VALIDATORS.map((each) => {
          return { pubKey: each.pubKey, index: 100 + each.lockIndex, status: "active_ongoing" };
        }),
      liveValidators: async (epoch, indices) => {
        asked.push(epoch);
        if (isOffline) throw new FaultError("beacon_unreachable", "in this test");
        return indices.filter((index) => live.get(epoch)?.includes(index));
      },
    },
    slashing: { snapshot: () => [[pubKey(0), { attestations, blocks: [] }]] as never },
    foreign: { since: SINCE, isSuspect: (validator) => suspects.has(validator) },
    precursors: { count: (kind) => void counted.push(kind) },
    logger,
  });
  const stopping = new AbortController();
  const background = new Background((error) => {
    throw error;
  });
  guard.start(background, stopping.signal);
  return {
    ...{ guard, live, asked, counted, attestations, logger, suspects },
    runTo: (epoch: number) => clock.runUntil(chain.slotStart(chain.firstSlot(epoch)) + 100),
    setOffline: (offline: boolean) => {
      isOffline = offline;
    },
    refuses: (validator: number): boolean =>
      guard.refusalOf({ validator, pubKey: pubKey(validator), duty: DUTY }) !== null,
    stop: () => stopping.abort(new Cancelled("over")),
  };
}

describe("FOREIGN-6: before the cluster has signed anything", () => {
  test("a validator that was active in a whole epoch signs nothing, others do", async () => {
    const bench = openBench();
    bench.live.set(10, [100]).set(11, [101]);
    await bench.runTo(11);
    assert.deepEqual(bench.asked, [], "in epoch 10 it may have been the former signer");
    await bench.runTo(12);
    assert.deepEqual(bench.asked, [11]);
    assert.deepEqual([bench.refuses(0), bench.refuses(1)], [false, true]);
    assert.deepEqual(bench.counted, ["foreign_signer"]);
    assert.match(bench.guard.problem ?? "", /1 validators \(first: 1\)/);
    assert(bench.logger.lines.some(({ level }) => level === "error"));
    await bench.runTo(13);
    assert.equal(bench.refuses(1), false, "it was silent for an epoch");
    bench.stop();
  });

  test("what is not answered changes nothing, and the next epoch is asked again", async () => {
    const bench = openBench();
    bench.live.set(11, [100]).set(12, [100]);
    await bench.runTo(12);
    bench.setOffline(true);
    await bench.runTo(13);
    assert.equal(bench.refuses(0), true);
    bench.setOffline(false);
    await bench.runTo(14);
    assert.equal(bench.refuses(0), false);
    bench.stop();
  });

  test("the first signature ends it, an imported or a seen one does not", async () => {
    const bench = openBench();
    for (const epoch of [11, 12, 13]) bench.live.set(epoch, [100]);
    bench.attestations.push({ origin: "imported", target: 12 }, { origin: "seen", target: 12 });
    bench.attestations.push({ origin: "own", target: 9 });
    await bench.runTo(13);
    assert.equal(bench.refuses(0), true);
    bench.attestations.push({ origin: "combined", target: 13 });
    assert.deepEqual([bench.refuses(0), bench.guard.problem], [false, null]);
    await bench.runTo(16);
    assert.deepEqual(bench.asked, [11, 12], "nobody asks any more");
    bench.stop();
  });
});

describe("FOREIGN-7: the activity that is the cluster's own", () => {
  test("is that of its validators once it has signed, where nobody is suspected", async () => {
    const bench = openBench();
    const { signal } = new AbortController();
    assert.deepEqual(await bench.guard.ownActivity([100, 101, 7], signal), []);
    bench.attestations.push({ origin: "own", target: 11 });
    assert.deepEqual(await bench.guard.ownActivity([100, 101, 7], signal), [100, 101]);
    bench.suspects.add(1);
    assert.deepEqual(await bench.guard.ownActivity([100, 101, 7], signal), [100]);
    bench.stop();
  });
});
