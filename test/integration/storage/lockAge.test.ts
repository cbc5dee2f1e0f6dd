// GATE-6: the age of the heartbeat, by both clocks. A machine that was suspended has stopped one of
// them, and an operator may set the other.
import assert from "node:assert/strict";
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { type TestContext, test } from "node:test";
import { VirtualDisk } from "../../../sim/virtualStore.ts";
import { acquireInstanceLock } from "../../../src/adapters/storage/instanceLock.ts";
import { systemRandom } from "../../../src/adapters/system/random.ts";
import { INSTANCE_LOCK_HEARTBEAT_MS, INSTANCE_LOCK_STALE_MS } from "../../../src/domain/limits.ts";
import type { Clock } from "../../../src/ports/clock.ts";
import { createSafetyGate } from "../../../src/safety/gate.ts";
import { openSlashingStore } from "../../../src/safety/openSlashingStore.ts";
import { loadMutant } from "../../support/mutant.ts";
import { CHAIN, OPEN, request, task, vote } from "../../support/slashing.ts";
import { temporaryFolder } from "../../support/temporary.ts";

type Acquire = typeof acquireInstanceLock;

/** Two clocks that move apart, and sleepers that wake when the test says so. */
class TwoClocks implements Clock {
  wall = 1_700_000_000_000;
  steady = 0;
  readonly #sleepers: { readonly at: number; readonly wake: () => void }[] = [];

  now(): number {
    return this.wall;
  }

  monotonic(): number {
    return this.steady;
  }

  at(): never {
    throw new Error("the heart does not beat by the wall clock");
  }

  sleep(delayMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      this.#sleepers.push({ at: this.steady + delayMs, wake: resolve });
    });
  }

  /** Both clocks go on; whoever sleeps until then wakes. */
  async pass(ms: number): Promise<void> {
    this.wall += ms;
    this.steady += ms;
    const due = this.#sleepers.filter(({ at }) => at <= this.steady);
    for (const sleeper of due) this.#sleepers.splice(this.#sleepers.indexOf(sleeper), 1);
    for (const { wake } of due) wake();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function checkAge(t: TestContext, acquire: Acquire): Promise<void> {
  const clock = new TwoClocks();
  const lock = await acquire({
    directory: temporaryFolder(t),
    clock,
    random: systemRandom,
    onLost: (reason) => assert.fail(reason),
  });
  t.after(() => lock.release());
  assert(lock.isFresh());
  await clock.pass(INSTANCE_LOCK_HEARTBEAT_MS - 1);
  assert(lock.isFresh());

  // Suspended: the monotonic clock stood still, the wall clock went on.
  clock.wall += INSTANCE_LOCK_STALE_MS;
  assert(lock.isHeld(), "nobody took it");
  assert(!lock.isFresh(), "but somebody may be about to");
  await clock.pass(1);
  assert(!lock.isFresh(), "what was decided before the pause is not freed by the next heartbeat");
  await clock.pass(INSTANCE_LOCK_HEARTBEAT_MS);
  assert(lock.isFresh(), "the one after it found the token in place again");

  // The wall clock was set back, and then the process was stopped.
  clock.wall -= 3_600_000;
  await clock.pass(INSTANCE_LOCK_HEARTBEAT_MS);
  assert(lock.isFresh(), "the heart beats on");
  clock.wall -= 3_600_000;
  clock.steady += INSTANCE_LOCK_STALE_MS;
  assert(!lock.isFresh());
}

test("GATE-6: a heartbeat is stale by either clock, and beats whatever the wall clock does", (t) =>
  checkAge(t, acquireInstanceLock));

for (const clock of ["monotonic", "wall"]) {
  test(`GATE-6: without the ${clock} clock a pause goes unnoticed`, async (t) => {
    const find =
      clock === "wall"
        ? "this.#clock.now() - wall < INSTANCE_LOCK_STALE_MS"
        : "this.#clock.monotonic() - monotonic < INSTANCE_LOCK_STALE_MS";
    const mutant = await loadMutant<{ acquireInstanceLock: Acquire }>(
      "src/adapters/storage/instanceLock.ts",
      [{ find, replace: "true" }],
    );
    await assert.rejects(checkAge(t, mutant.acquireInstanceLock), { name: "AssertionError" });
  });
}

/** Suspended between the check of its lock and the write; on waking the heart beats first. */
async function checkPauseAtTheWrite(t: TestContext, acquire: Acquire): Promise<void> {
  const clock = new TwoClocks();
  const directory = temporaryFolder(t);
  const onLost = (reason: string): void => assert.fail(reason);
  const lock = await acquire({ directory, clock, random: systemRandom, onLost });
  t.after(() => lock.release());
  const disk = new VirtualDisk();
  const slashing = await openSlashingStore(disk.open(), CHAIN);
  const gate = createSafetyGate({ ...OPEN, slashing, lock });
  disk.beforeWrite = () => clock.pass(INSTANCE_LOCK_STALE_MS + 500);
  const tasks = [task(1, vote(1, 2))];
  const paused = await gate.admit(request(tasks));
  assert.equal(paused.admitted, null);
  assert.equal(paused.refused[0]?.reason.code, "lock_stale");
  disk.beforeWrite = () => undefined;
  await clock.pass(INSTANCE_LOCK_HEARTBEAT_MS);
  assert.notEqual((await gate.admit(request(tasks))).admitted, null, "it goes on by itself");
}

test("GATE-6: a machine suspended for ten seconds at the write signs nothing with it", (t) =>
  checkPauseAtTheWrite(t, acquireInstanceLock));

test("GATE-6: without the second heartbeat a pause is forgotten at once", async (t) => {
  const mutant = await loadMutant<{ acquireInstanceLock: Acquire }>(
    "src/adapters/storage/instanceLock.ts",
    [{ find: "if (!isFirst) this.#seen = seen;", replace: "this.#seen = seen;" }],
  );
  for (const check of [checkAge, checkPauseAtTheWrite]) {
    await assert.rejects(check(t, mutant.acquireInstanceLock), { name: "AssertionError" });
  }
});

async function checkDiskError(
  t: TestContext,
  acquire: Acquire,
  call: "futimesSync" | "readFileSync" = "futimesSync",
): Promise<void> {
  const clock = new TwoClocks();
  const lost: string[] = [];
  const told: (string | null)[] = [];
  const lock = await acquire({
    directory: temporaryFolder(t),
    clock,
    random: systemRandom,
    onLost: (reason) => void lost.push(reason),
    onTrouble: (reason) => void told.push(reason),
  });
  t.after(() => lock.release());
  const refusing = t.mock.method(fs, call, () => {
    throw Object.assign(new Error("input/output error"), { code: "EIO" });
  });
  syncBuiltinESMExports();
  t.after(syncBuiltinESMExports);
  for (let passed = 0; passed <= INSTANCE_LOCK_STALE_MS; passed += INSTANCE_LOCK_HEARTBEAT_MS) {
    await clock.pass(INSTANCE_LOCK_HEARTBEAT_MS);
  }
  assert.deepEqual(lost, [], "the process goes on");
  assert(!lock.isFresh(), "and signs nothing");
  refusing.mock.restore();
  syncBuiltinESMExports();
  await clock.pass(INSTANCE_LOCK_HEARTBEAT_MS);
  await clock.pass(INSTANCE_LOCK_HEARTBEAT_MS);
  assert(lock.isFresh(), "until the disk takes its heartbeats again");
  assert.equal(told.length, 2, "it is told once when it begins, and once when it is over");
  assert.match(
    told[0] ?? "",
    /instance\.lock (takes no heartbeat|cannot be read).*Check free space/,
  );
  assert.equal(told[1], null);
}

for (const call of ["futimesSync", "readFileSync"] as const) {
  test(`STORE-11: where ${call} fails the signing stops, and not the node`, (t) =>
    checkDiskError(t, acquireInstanceLock, call));
}

test("STORE-11: mutant: a beat that failed counts all the same", async (t) => {
  const { acquireInstanceLock: blind } = await loadMutant<
    typeof import("../../../src/adapters/storage/instanceLock.ts")
  >("src/adapters/storage/instanceLock.ts", [
    {
      find: "this.#tell(`${this.#path} takes no heartbeat: ${error.message}`);\n      return;",
      replace: "",
    },
  ]);
  await assert.rejects(checkDiskError(t, blind), /signs nothing/);
});
