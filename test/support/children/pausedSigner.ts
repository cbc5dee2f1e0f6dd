/**
 * A child process that takes its first signature to the gate on a real data directory, says so when
 * its record is about to be written, and then what became of it: `pausedSigner.ts DIRECTORY`, and
 * `mutant` for a gate that does not look at the lock again. Whoever started it stops it in between.
 * Afterwards it tries again until it is admitted.
 */
import assert from "node:assert/strict";
import { writeSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { acquireInstanceLock } from "../../../src/adapters/storage/instanceLock.ts";
import { openLevel } from "../../../src/adapters/storage/level.ts";
import { systemClock } from "../../../src/adapters/system/clock.ts";
import { systemRandom } from "../../../src/adapters/system/random.ts";
import type { KeyValueStore } from "../../../src/ports/keyValueStore.ts";
import * as product from "../../../src/safety/gate.ts";
import { openSlashingStore } from "../../../src/safety/openSlashingStore.ts";
import { loadMutant } from "../mutant.ts";
import { CHAIN, OPEN, request, task, vote } from "../slashing.ts";

/** Long enough for a signal to come between the check of the lock and the write. */
const BEFORE_WRITE_MS = 500;
const AGAIN_MS = 500;

const [directory, mutant] = process.argv.slice(2);
assert(directory !== undefined);
const say = (text: string): void => void writeSync(1, `${text}\n`);
const lock = await acquireInstanceLock({
  directory,
  clock: systemClock,
  random: systemRandom,
  onLost: () => process.exit(70),
});
const { createSafetyGate } =
  mutant === undefined
    ? product
    : await loadMutant<typeof product>("src/safety/gate.ts", [
        {
          find: "const stopped = failed ?? this.#lockRefusal();",
          replace: "const stopped = failed;",
        },
      ]);
const disk = await openLevel(join(directory, "db"));
const slashing = await openSlashingStore(disk, CHAIN);
const slow: KeyValueStore = {
  get: (key) => disk.get(key),
  entries: (range) => disk.entries(range),
  batch: async (operations) => {
    say("writing");
    await sleep(BEFORE_WRITE_MS);
    await disk.batch(operations);
  },
  close: () => disk.close(),
};
const gate = createSafetyGate({ ...OPEN, lock, slashing: await openSlashingStore(slow, CHAIN) });
assert.equal(slashing.snapshot().length, 0, "nothing is signed yet");
for (;;) {
  const { admitted, refused } = await gate.admit(request([task(1, vote(1, 2))]));
  say(admitted === null ? `refused ${refused[0]?.reason.code}` : "admitted");
  if (admitted !== null) break;
  await sleep(AGAIN_MS);
}
await disk.close();
lock.release();
