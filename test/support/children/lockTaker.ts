/**
 * A child process that takes the instance lock at a given instant, says how that went, and keeps
 * what it got: `node lockTaker.ts DIRECTORY UNIX_MILLIS`.
 */
import assert from "node:assert/strict";
import { acquireInstanceLock } from "../../../src/adapters/storage/instanceLock.ts";
import { systemClock } from "../../../src/adapters/system/clock.ts";
import { systemRandom } from "../../../src/adapters/system/random.ts";

const [directory, startAt] = process.argv.slice(2);
assert(directory !== undefined && startAt !== undefined);
while (Date.now() < Number(startAt));
try {
  const lock = await acquireInstanceLock({
    directory,
    clock: systemClock,
    random: systemRandom,
    onLost: (reason) => {
      process.stdout.write(`lost: ${reason}\n`);
      process.exit(70);
    },
  });
  process.stdout.write("held\n");
  setTimeout(() => process.stdout.write(lock.isHeld() ? "kept\n" : "lost\n"), 500);
} catch (error) {
  process.stdout.write(`refused: ${error instanceof Error ? error.message : String(error)}\n`);
}
