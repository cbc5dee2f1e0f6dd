import assert from "node:assert/strict";
import { test } from "node:test";
import { Background } from "../../../src/core/background.ts";
import type { ForeignSigners } from "../../../src/core/foreignSigners.ts";
import { HeadFeed } from "../../../src/core/headFeed.ts";
import { Cancelled } from "../../../src/domain/errors.ts";
import type { Root } from "../../../src/domain/keys.ts";
import { blockRoot, FakeBeacon } from "../../support/fakeBeacon.ts";
import { FakeSightings } from "../../support/fakeSightings.ts";
import { loadMutant } from "../../support/mutant.ts";
import { recordingLogger } from "../../support/quiet.ts";
import { testChain } from "../../support/testChain.ts";
import { VirtualClock } from "../../support/virtualClock.ts";

type Watches = typeof import("../../../src/node/sightingWatch.ts");

const chain = testChain();
const SLOT = 20;

/** Blocks that were looked at, after a head of a far slot and then an honest one. */
async function lookedAt({ SightingWatch }: Watches): Promise<readonly Root[]> {
  const clock = new VirtualClock(chain.slotStart(SLOT));
  const beacon = new FakeBeacon([]);
  const heads = new HeadFeed(beacon);
  const asked: Root[] = [];
  const stopping = new AbortController();
  const { signal } = stopping;
  const background = new Background((error) => {
    throw error;
  });
  const signedHeader = async (block: Root): Promise<null> => {
    asked.push(block);
    return null;
  };
  new SightingWatch({
    beacon: Object.assign(new FakeSightings(), { signedHeader }),
    heads,
    scheduler: { definitions: () => [] },
    foreign: {} as ForeignSigners,
    chain,
    clock,
    logger: recordingLogger(),
    background,
    signal,
  }).start();
  heads.start(signal);
  beacon.emitHead(1_000_000);
  await clock.runUntil(chain.slotStart(SLOT + 1));
  beacon.emitHead(SLOT + 1);
  await clock.runUntil(chain.slotStart(SLOT + 2));
  stopping.abort(new Cancelled("over"));
  return asked;
}

test("FOREIGN-1: a head of a slot that lies far ahead does not end the watch", async () => {
  const asked = await lookedAt(await import("../../../src/node/sightingWatch.ts"));
  assert.deepEqual(asked, [blockRoot(1_000_000), blockRoot(SLOT + 1)]);
});

test("mutant: without the guard FOREIGN-1 nobody looks until that slot", async () => {
  const patch = { find: "Math.min(head, chain.slotAt(clock.now()))", replace: "head" };
  assert.deepEqual(await lookedAt(await loadMutant("src/node/sightingWatch.ts", [patch])), []);
});
