import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { openAuditFiles } from "../../../src/adapters/storage/auditFiles.ts";
import {
  acquireInstanceLock,
  type HeldInstanceLock,
} from "../../../src/adapters/storage/instanceLock.ts";
import { currentProcess } from "../../../src/adapters/storage/processIdentity.ts";
import { systemRandom } from "../../../src/adapters/system/random.ts";
import { INSTANCE_LOCK_HEARTBEAT_MS, INSTANCE_LOCK_STALE_MS } from "../../../src/domain/limits.ts";
import { startChild } from "../../support/childProcess.ts";
import { loadMutant } from "../../support/mutant.ts";
import { temporaryFolder } from "../../support/temporary.ts";
import { until } from "../../support/until.ts";
import { VirtualClock } from "../../support/virtualClock.ts";

const START = 1_700_000_000_000;
/** No process has a number this high. */
const DEAD_PID = 2 ** 22 + 1;

type Acquire = typeof acquireInstanceLock;

class Place {
  readonly directory: string;
  readonly path: string;
  readonly clock = new VirtualClock(START);
  readonly lost: string[] = [];

  constructor(t: TestContext) {
    this.directory = temporaryFolder(t);
    this.path = join(this.directory, "instance.lock");
  }

  acquire(acquire: Acquire = acquireInstanceLock): Promise<HeldInstanceLock> {
    const { directory, clock } = this;
    const onLost = (reason: string): void => void this.lost.push(reason);
    return acquire({ directory, clock, random: systemRandom, onLost });
  }

  /** Leaves a lock behind as another process would have written it. */
  leave(holder: object): void {
    const token = "11".repeat(16);
    const file = { ...currentProcess(), token, since: START - 60_000, ...holder };
    writeFileSync(this.path, JSON.stringify(file));
  }
}

test("STORE-9: a second holder is refused: it hears who, since when, and the fix", async (t) => {
  await checkSecondHolder(t, acquireInstanceLock);
});

test("STORE-9: without looking at the holder, a second one gets in", async (t) => {
  const mutant = await loadMutant<{ acquireInstanceLock: Acquire }>(
    "src/adapters/storage/instanceLock.ts",
    [
      {
        find: `if (liveness !== "unknown") return liveness === "alive";`,
        replace: "return false;",
      },
    ],
  );
  await assert.rejects(checkSecondHolder(t, mutant.acquireInstanceLock), {
    name: "AssertionError",
  });
});

async function checkSecondHolder(t: TestContext, acquire: Acquire): Promise<void> {
  const place = new Place(t);
  const lock = await place.acquire(acquire);
  t.after(() => lock.release());
  await assert.rejects(place.acquire(acquire), {
    name: "FaultError",
    code: "data_dir_in_use",
    message: new RegExp(`process ${process.pid} on .* since 2023-11-14T22:13:20.000Z. Stop that`),
  });
  assert.equal(lock.isHeld(), true);
}

test("a released lock is taken at once, and nothing else is left in the directory", async (t) => {
  const place = new Place(t);
  (await place.acquire()).release();
  assert.deepEqual(readdirSync(place.directory), []);
  const lock = await place.acquire();
  assert.deepEqual(readdirSync(place.directory), ["instance.lock"]);
  lock.release();
  assert.equal(lock.isHeld(), false);
  assert.equal(place.clock.pending, 0, "no heartbeat is left");
});

test("STORE-10: the lock of a dead process is taken over at once", async (t) => {
  const place = new Place(t);
  place.leave({ pid: DEAD_PID });
  (await place.acquire()).release();
  // The number of this very process, which began at another time: it was given out again.
  place.leave({ startTicks: "1" });
  (await place.acquire()).release();
  assert.deepEqual(readdirSync(place.directory), []);
});

test("STORE-10: a holder out of sight is replaced after a silent stale limit", async (t) => {
  for (const holder of [{ bootId: "another" }, { pidNamespace: "pid:[1]" }, { host: "another" }]) {
    const place = new Place(t);
    place.leave(holder);
    let lock: HeldInstanceLock | null = null;
    const acquiring = place.acquire().then((acquired) => {
      lock = acquired;
    });
    await place.clock.runUntil(START + INSTANCE_LOCK_STALE_MS - 1);
    assert.equal(lock, null, "not before the limit");
    await place.clock.runUntil(START + INSTANCE_LOCK_STALE_MS);
    await acquiring;
    assert.notEqual(lock, null);
  }
});

test("STORE-10: a holder out of sight that shows a heartbeat is never replaced", async (t) => {
  const place = new Place(t);
  place.leave({ bootId: "another" });
  const refused = assert.rejects(place.acquire(), { code: "data_dir_in_use" });
  await place.clock.runUntil(START + INSTANCE_LOCK_STALE_MS - 1);
  utimesSync(place.path, START, START);
  await place.clock.runUntil(START + INSTANCE_LOCK_STALE_MS);
  await refused;
});

test("of two that watch the same dead holder one gets the lock", async (t) => {
  const place = new Place(t);
  place.leave({ bootId: "another" });
  const both = Promise.allSettled([place.acquire(), place.acquire()]);
  await place.clock.runUntil(START + 2 * INSTANCE_LOCK_STALE_MS);
  const outcomes = (await both).map(({ status }) => status);
  assert.deepEqual(outcomes.sort(), ["fulfilled", "rejected"]);
});

test("STORE-11: a holder shows a heartbeat", async (t) => {
  const place = new Place(t);
  const lock = await place.acquire();
  t.after(() => lock.release());
  for (const beats of [1, 2, 3]) {
    const instant = START + beats * INSTANCE_LOCK_HEARTBEAT_MS;
    await place.clock.runUntil(instant);
    assert.equal(statSync(place.path).mtimeMs, instant);
  }
});

test("GATE-6: a replaced token is noticed, said once, and ends the heartbeat", async (t) => {
  await checkReplaced(t, acquireInstanceLock);
});

test("GATE-6: without reading the token again, a replaced one goes unnoticed", async (t) => {
  const mutant = await loadMutant<{ acquireInstanceLock: Acquire }>(
    "src/adapters/storage/instanceLock.ts",
    [{ find: "const token = readToken(this.#path);", replace: "const token = this.#token;" }],
  );
  await assert.rejects(checkReplaced(t, mutant.acquireInstanceLock), { name: "AssertionError" });
});

async function checkReplaced(t: TestContext, acquire: Acquire): Promise<void> {
  const place = new Place(t);
  const lock = await place.acquire(acquire);
  place.leave({ pid: DEAD_PID });
  assert.equal(lock.isHeld(), false);
  assert.equal(lock.isHeld(), false);
  assert.equal(place.lost.length, 1);
  assert.match(place.lost[0] ?? "", /another process's token/);
  assert.equal(place.clock.pending, 0);
  lock.release();
  assert(readFileSync(place.path, "utf8").includes(`${DEAD_PID}`), "the other's lock stands");
}

test("GATE-6: a deleted lock permits nothing, and the next heartbeat gives up", async (t) => {
  const place = new Place(t);
  const lock = await place.acquire();
  rmSync(place.path);
  assert.equal(lock.isHeld(), false);
  assert.deepEqual(place.lost, []);
  await place.clock.runUntil(START + INSTANCE_LOCK_HEARTBEAT_MS);
  assert.equal(place.lost.length, 1);
});

test("a disk that takes no lock is a fault, which a later start may not meet", async (t) => {
  const place = new Place(t);
  writeFileSync(place.path, "a file, under which nothing can be made");
  const { clock } = place;
  const parts = { clock, random: systemRandom, onLost: () => undefined };
  await assert.rejects(acquireInstanceLock({ ...parts, directory: place.path }), {
    name: "FaultError",
    code: "disk_failed",
    message: /cannot be written.*Check free space/,
  });
  assert.throws(() => openAuditFiles({ directory: join(place.path, "audit") }), {
    code: "disk_failed",
  });
  assert.deepEqual(readdirSync(place.directory), ["instance.lock"]);
});

test("a lock that no node wrote is left alone, with the fix", async (t) => {
  const place = new Place(t);
  for (const text of ["", "{}", "null", "not JSON", '{"token":1}']) {
    writeFileSync(place.path, text);
    await assert.rejects(place.acquire(), { code: "data_dir_in_use", message: /then delete it/ });
    assert.equal(readFileSync(place.path, "utf8"), text);
    assert.deepEqual(readdirSync(place.directory), ["instance.lock"]);
  }
});

test("STORE-10: of four takers of a dead holder's lock, one gets it", async (t) => {
  for (let round = 0; round < 3; round++) {
    const place = new Place(t);
    place.leave({ pid: DEAD_PID });
    const startAt = `${Date.now() + 1_000}`;
    const outputs = Array.from({ length: 4 }, () => {
      const child = startChild(t, "lockTaker", [place.directory, startAt]);
      const output = { text: "" };
      child.stdout.on("data", (chunk: Buffer) => {
        output.text += chunk.toString();
      });
      return output;
    });
    await until("each says how it went", () =>
      outputs.every(({ text }) => /kept|lost|refused/.test(text)),
    );
    const kept = outputs.filter(({ text }) => text.includes("kept"));
    const texts = JSON.stringify(outputs);
    assert(kept.length <= 1, texts);
    assert.equal(outputs.filter(({ text }) => text.includes("refused")).length, 3, texts);
  }
});
