import "../../support/minimalPreset.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import { Background } from "../../../src/core/background.ts";
import { Deadlines } from "../../../src/core/deadlines.ts";
import type { Tracker } from "../../../src/core/interfaces.ts";
import { MAX_VALUE_BYTES } from "../../../src/domain/limits.ts";
import { DUTY_KINDS } from "../../../src/duties/table.ts";
import { nativeProfile } from "../../../src/wire/nativeProfile.ts";
import { FakeBeacon } from "../../support/fakeBeacon.ts";
import { loadMutant } from "../../support/mutant.ts";
import { testChain } from "../../support/testChain.ts";
import { VirtualClock } from "../../support/virtualClock.ts";

type Fetchers = typeof import("../../../src/core/fetcher.ts");

const chain = testChain();
const DUTY = { slot: 9, type: "proposer" } as const;

/** Sizes of what is proposed, and what was noted, when the beacon node builds such a block. */
async function fetched({ BeaconFetcher }: Fetchers, bytes: number) {
  const clock = new VirtualClock(chain.slotStart(DUTY.slot));
  const kind = { ...DUTY_KINDS.proposer, fetch: async () => new Uint8Array(bytes) };
  const deadlines = new Deadlines(clock, chain, () => kind);
  const noted = new Set<string>();
  const fetcher = new BeaconFetcher({
    chain,
    beacon: new FakeBeacon([]),
    clock,
    deadlines,
    background: new Background((bug) => assert.fail(String(bug))),
    kindOf: () => kind,
    valueRoot: nativeProfile.valueRoot,
    awaitSignature: () => assert.fail("no reveal is needed here"),
    tracker: { noted: (_duty, reason) => void noted.add(reason) } as Tracker,
  });
  const sizes: number[] = [];
  fetcher.onFetched(({ value }) => sizes.push(value.length));
  fetcher.fetch(DUTY, []);
  await clock.runUntil(chain.slotStart(DUTY.slot + 3));
  deadlines.stop();
  return { sizes, noted: [...noted] };
}

test("WIRE-7: a value that no frame could carry is the beacon node's fault", async () => {
  const module = await import("../../../src/core/fetcher.ts");
  assert.deepEqual(await fetched(module, MAX_VALUE_BYTES), { sizes: [MAX_VALUE_BYTES], noted: [] });
  const tooLarge = await fetched(module, MAX_VALUE_BYTES + 1);
  assert.deepEqual(tooLarge, { sizes: [], noted: ["beacon_bad_response"] });
});

test("mutant: without the guard WIRE-7 such a value is proposed", async () => {
  const patch = { find: "value.length > MAX_VALUE_BYTES", replace: "false" };
  const mutant = await loadMutant<Fetchers>("src/core/fetcher.ts", [patch]);
  const { sizes } = await fetched(mutant, MAX_VALUE_BYTES + 1);
  assert.deepEqual(sizes, [MAX_VALUE_BYTES + 1]);
});
