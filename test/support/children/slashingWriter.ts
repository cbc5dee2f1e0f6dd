/**
 * A child process that signs epoch after epoch on a real data directory and says each one that it
 * may send: `node slashingWriter.ts DIRECTORY FIRST_EPOCH`. Whoever started it kills it.
 */
import assert from "node:assert/strict";
import { writeSync } from "node:fs";
import { join } from "node:path";
import { acquireInstanceLock } from "../../../src/adapters/storage/instanceLock.ts";
import { openLevel } from "../../../src/adapters/storage/level.ts";
import { systemClock } from "../../../src/adapters/system/clock.ts";
import { systemRandom } from "../../../src/adapters/system/random.ts";
import { createSafetyGate } from "../../../src/safety/gate.ts";
import { openSlashingStore } from "../../../src/safety/openSlashingStore.ts";
import { CHAIN, OPEN, request, root, task, vote } from "../slashing.ts";

const [directory, firstEpoch] = process.argv.slice(2);
assert(directory !== undefined && firstEpoch !== undefined);
const lock = await acquireInstanceLock({
  directory,
  clock: systemClock,
  random: systemRandom,
  onLost: () => process.exit(70),
});
const slashing = await openSlashingStore(await openLevel(join(directory, "db")), CHAIN);
const gate = createSafetyGate({ ...OPEN, slashing, lock });
for (let epoch = Number(firstEpoch); ; epoch++) {
  const tasks = [1, 2, 3, 4].map((validator) => task(validator, vote(epoch - 1, epoch), root(1)));
  const { admitted } = await gate.admit(request(tasks));
  assert.equal(admitted?.signatures.length, 4);
  // Synchronous: what is on the pipe has left, whatever happens to this process.
  writeSync(1, `${epoch}\n`);
}
