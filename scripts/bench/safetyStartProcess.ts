/** Opens the slashing records in a directory, as a node's start does, and says what it cost. */
import { openLevel } from "../../src/adapters/storage/level.ts";
import type { Root } from "../../src/domain/keys.ts";
import { openSlashingStore } from "../../src/safety/openSlashingStore.ts";
import { assert } from "../../src/util/assert.ts";
import { memoryOf } from "./processStats.ts";

const [directory, chain] = process.argv.slice(2);
assert(directory !== undefined && chain !== undefined, "called by safetyStart.ts");
const startedAt = performance.now();
const disk = await openLevel(directory);
const slashing = await openSlashingStore(disk, chain as Root);
const ms = performance.now() - startedAt;
const { rssMb: mb, peakRssMb } = memoryOf(process.pid);
const validators = slashing.snapshot().length;
process.stdout.write(JSON.stringify({ ms, mb, peakRssMb, validators }));
await disk.close();
