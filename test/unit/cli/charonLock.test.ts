import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { type CharonLock, holdCharonLock } from "../../../src/cli/charonLock.ts";
import { FaultError } from "../../../src/domain/errors.ts";
import type { Root } from "../../../src/domain/keys.ts";
import type { Clock } from "../../../src/ports/clock.ts";
import { loadMutant } from "../../support/mutant.ts";
import { temporaryFolder } from "../../support/temporary.ts";

const NOW = Date.parse("2026-11-20T12:00:00Z");
const HASH = `0x${"ab".repeat(32)}` as Root;
const OTHER_HASH = `0x${"cd".repeat(32)}`;

/** A data directory, a clock that only sleeping moves, and what happens in each sleep. */
class Scene {
  readonly identityPath: string;
  readonly path: string;
  readonly lost: string[] = [];
  onSleep: (() => void) | null = null;
  #now = NOW;
  #sleeps = 0;

  constructor(test: TestContext) {
    this.identityPath = join(temporaryFolder(test), "charon-enr-private-key");
    this.path = `${this.identityPath}.lock`;
  }

  get now(): number {
    return this.#now;
  }

  charonWrites(agoMs: number, hash = HASH): void {
    const timestamp = new Date(this.#now - agoMs).toISOString();
    const content = { command: "charon run", timestamp, cluster_lock_hash: hash };
    writeFileSync(this.path, JSON.stringify(content));
  }

  /** Holds the lock; `sleeps` bounds the heartbeats that follow. */
  hold(sleeps = 1000, holdLock = holdCharonLock): Promise<CharonLock> {
    const stopped = new AbortController();
    const clock: Clock = {
      now: () => this.#now,
      monotonic: () => this.#now,
      at: () => assert.fail("no timers here"),
      sleep: async (delayMs, signal) => {
        await setImmediate();
        if (this.#sleeps++ >= sleeps) stopped.abort(new Error("enough"));
        signal.throwIfAborted();
        stopped.signal.throwIfAborted();
        this.#now += delayMs;
        this.onSleep?.();
      },
    };
    const { identityPath, lost } = this;
    const options = {
      identityPath,
      lockHash: HASH,
      clock,
      onLost: (why: string) => lost.push(why),
      onWaiting: () => undefined,
    };
    return holdLock(options, stopped.signal);
  }
}

// CLI-8
test("refuses while Charon runs on the key, and says who holds it", async (t) => {
  const scene = new Scene(t);
  scene.charonWrites(300);
  scene.onSleep = () => scene.charonWrites(0);
  await assert.rejects(scene.hold(), (error) => {
    assert.ok(error instanceof FaultError);
    assert.equal(error.code, "data_dir_in_use");
    assert.match(error.message, /"charon run" is running on this identity key/);
    return true;
  });
});

test("mutant: without the look at the file both programs would run on one key", async (t) => {
  const mutant = await loadMutant<typeof import("../../../src/cli/charonLock.ts")>(
    "src/cli/charonLock.ts",
    [{ find: "await requireFree(path, options, signal);", replace: "" }],
  );
  const scene = new Scene(t);
  scene.charonWrites(300);
  (await scene.hold(1000, mutant.holdCharonLock)).release();
  assert.match(readFileSync(scene.path, "utf8"), /"coterie run"/);
});

test("notices a live Charon although its clock lies behind ours", async (t) => {
  const scene = new Scene(t);
  scene.charonWrites(4_000);
  scene.onSleep = () => scene.charonWrites(4_500);
  await assert.rejects(scene.hold(), /is running on this identity key/);
});

test("takes over after a crash once the file has stopped changing for five seconds", async (t) => {
  const scene = new Scene(t);
  scene.charonWrites(100);
  const lock = await scene.hold();
  assert.ok(scene.now - NOW >= 5_000);
  assert.match(readFileSync(scene.path, "utf8"), /"coterie run"/);
  lock.release();
});

test("waits out two epochs after the key was used under another cluster lock", async (t) => {
  const scene = new Scene(t);
  scene.charonWrites(60_000, OTHER_HASH as Root);
  await assert.rejects(scene.hold(), /lock 0xcdcdcdc until 60 s ago; start again in 708 s/);
  scene.charonWrites(768_000, OTHER_HASH as Root);
  (await scene.hold()).release();
});

test("writes what Charon reads and renews it every second", async (t) => {
  const scene = new Scene(t);
  const written: { command: string; timestamp: string; cluster_lock_hash: string }[] = [];
  scene.onSleep = () => written.push(JSON.parse(readFileSync(scene.path, "utf8")));
  await scene.hold(3);
  while (scene.lost.length === 0) await setImmediate();
  assert.deepEqual(
    written.map(({ timestamp }) => Date.parse(timestamp) - NOW),
    [0, 1000, 2000],
  );
  assert.equal(written[0]?.cluster_lock_hash, HASH);
});

test("says that the lock is lost when another program writes the file", async (t) => {
  const scene = new Scene(t);
  await scene.hold();
  scene.onSleep = () => scene.charonWrites(0);
  while (scene.lost.length === 0) await setImmediate();
  assert.match(scene.lost[0] ?? "", /another program wrote .*charon-enr-private-key\.lock/);
});

test("after a release the file stays as it is: its age is what Charon must see", async (t) => {
  const scene = new Scene(t);
  const lock = await scene.hold();
  lock.release();
  const before = readFileSync(scene.path, "utf8");
  for (let i = 0; i < 20; i++) await setImmediate();
  assert.equal(readFileSync(scene.path, "utf8"), before);
  assert.deepEqual(scene.lost, []);
});
