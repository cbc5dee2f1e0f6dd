import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { VirtualDisk } from "../../../sim/virtualStore.ts";
import type { Root } from "../../../src/domain/keys.ts";
import { MigrationWait } from "../../../src/safety/migrationWait.ts";
import { loadMutant, type Patch } from "../../support/mutant.ts";
import { recordingLogger } from "../../support/quiet.ts";
import { SLOTS_PER_EPOCH, testChain } from "../../support/testChain.ts";
import { VirtualClock } from "../../support/virtualClock.ts";

const chain = testChain();
const LOCK = `0x${"10".repeat(32)}` as Root;
const OTHER_LOCK = `0x${"20".repeat(32)}` as Root;
const FOUR_EPOCHS = 4 * SLOTS_PER_EPOCH;

type Code = { readonly MigrationWait: typeof MigrationWait };
type Start = { disk?: VirtualDisk; slot?: number; lockHash?: Root } & Partial<
  Pick<Parameters<typeof MigrationWait.open>[0], "isFresh" | "isSkipped">
>;

async function open(start: Start = {}, code: Code = { MigrationWait }) {
  const { disk = new VirtualDisk(), slot = FOUR_EPOCHS, lockHash = LOCK, ...flags } = start;
  const clock = new VirtualClock(chain.slotStart(slot));
  const wait = await code.MigrationWait.open({
    store: disk.open(),
    chain,
    clock,
    logger: recordingLogger(),
    lockHash,
    isFresh: false,
    isSkipped: false,
    ...flags,
  });
  const runTo = (to: number): Promise<void> => clock.runUntil(chain.slotStart(to));
  return { wait, disk, clock, runTo };
}

const CLAIMS: Readonly<Record<string, (code: Code) => Promise<void>>> = {
  "WAIT-1: a lock hash that never signed here waits two epochs, and no longer": async (code) => {
    const { wait, runTo } = await open({}, code);
    assert.equal(wait.refusalOf()?.code, "waiting");
    assert.match(wait.refusalOf()?.detail ?? "", /never signed under this cluster lock.*skip-wait/);
    await runTo(FOUR_EPOCHS + 2 * SLOTS_PER_EPOCH);
    assert.notEqual(wait.refusalOf(), null);
    await runTo(FOUR_EPOCHS + 2 * SLOTS_PER_EPOCH + 1);
    assert.equal(wait.refusalOf(), null);
  },

  "WAIT-1: a lock hash that signed here before does not wait, another one does": async (code) => {
    const { disk } = await open({ slot: 0 }, code);
    assert.equal((await open({ disk }, code)).wait.refusalOf(), null);
    const edited = await open({ disk, lockHash: OTHER_LOCK }, code);
    assert.notEqual(edited.wait.refusalOf(), null);
  },

  "WAIT-2: a restart goes on with the wait, and does not begin it anew": async (code) => {
    const { disk } = await open({}, code);
    const halfway = FOUR_EPOCHS + SLOTS_PER_EPOCH;
    const { wait, runTo } = await open({ disk, slot: halfway }, code);
    assert.match(wait.problem ?? "", /signing resumes in 1m48s \(2 epochs, at slot 49\)/);
    await runTo(FOUR_EPOCHS + 2 * SLOTS_PER_EPOCH + 1);
    assert.equal(wait.refusalOf(), null);
    const later = await open({ disk, slot: 10 * SLOTS_PER_EPOCH }, code);
    assert.equal(later.wait.refusalOf(), null);
  },

  "WAIT-2: a wait that began while the clock was ahead is no longer than one from now": async (
    code,
  ) => {
    const { disk } = await open({ slot: 1_000 * SLOTS_PER_EPOCH }, code);
    const { wait } = await open({ disk }, code);
    const end = FOUR_EPOCHS + 2 * SLOTS_PER_EPOCH + 1;
    assert.equal(wait.current?.until, end);
    const again = await open({ disk, slot: FOUR_EPOCHS + SLOTS_PER_EPOCH }, code);
    assert.equal(again.wait.current?.until, end, "and its restart goes on with it");
    assert.equal((await open({ disk, slot: end }, code)).wait.refusalOf(), null);
  },

  "WAIT-2: a record that cannot be read waits": async (code) => {
    for (const text of ["", "{", "null", "[]", '{"until":4}', '{"reason":7}']) {
      const { disk } = await open({ slot: 0 }, code);
      const value = new TextEncoder().encode(text);
      await disk.open().batch([{ type: "put", key: "wait/current", value }]);
      assert.notEqual((await open({ disk }, code)).wait.refusalOf(), null, text);
    }
  },

  "WAIT-2: a second reason makes a wait longer, never shorter": async (code) => {
    const { wait, disk, runTo } = await open({}, code);
    await runTo(FOUR_EPOCHS + 8);
    await wait.begin("a gap");
    assert.match(wait.problem ?? "", /a gap/);
    await runTo(FOUR_EPOCHS + 2 * SLOTS_PER_EPOCH + 1);
    assert.notEqual(wait.refusalOf(), null);
    const restarted = await open({ disk, slot: FOUR_EPOCHS + 2 * SLOTS_PER_EPOCH + 1 }, code);
    assert.notEqual(restarted.wait.refusalOf(), null);
  },
};

describe("the wait before a data directory signs", () => {
  for (const [name, claim] of Object.entries(CLAIMS)) test(name, () => claim({ MigrationWait }));

  test("WAIT-1: nobody waits in the first two epochs, or with keys that never signed", async () => {
    for (const slot of [-5, 0, 2 * SLOTS_PER_EPOCH - 1]) {
      assert.equal((await open({ slot })).wait.refusalOf(), null, `slot ${slot}`);
    }
    assert.notEqual((await open({ slot: 2 * SLOTS_PER_EPOCH })).wait.refusalOf(), null);
    assert.equal((await open({ isFresh: true })).wait.refusalOf(), null);
  });

  test("WAIT-1: an operator who answers for it does not wait, nor the next start", async () => {
    const { disk } = await open();
    assert.equal((await open({ disk, isSkipped: true })).wait.refusalOf(), null);
    assert.equal((await open({ disk })).wait.refusalOf(), null);
  });

  test("WAIT-3: a clock that is set forward ends no wait", async () => {
    const { wait, clock } = await open();
    const stepped = Object.assign(clock, { now: () => chain.slotStart(1_000) });
    assert.equal(stepped.now(), chain.slotStart(1_000));
    assert.notEqual(wait.refusalOf(), null);
  });
});

const MUTANTS: Readonly<Record<string, Patch>> = {
  "every lock is known": {
    find: "const isKnownLock = await hasMetLock(parts.store, parts.lockHash);",
    replace: "const isKnownLock = true;",
  },
  "the wait is not on disk": {
    find: '[...operations, { type: "put", key: WAIT_KEY, value: encode(this.#wait) }]',
    replace: "operations",
  },
  "what is damaged permits": {
    find: "const DAMAGED: KeptWait = {",
    replace: "const DAMAGED: KeptWait | null = null; export const never: KeptWait = {",
  },
  "the shorter one of two holds": {
    find: "if (overAt <= this.#overAt) return;",
    replace: "if (this.#wait !== null) return;",
  },
};

describe("mutants of the wait", () => {
  for (const [name, patch] of Object.entries(MUTANTS)) {
    test(`WAIT-1: killed: ${name}`, async () => {
      const code = await loadMutant<Code>("src/safety/migrationWait.ts", [patch]);
      const outcomes = await Promise.allSettled(Object.values(CLAIMS).map((claim) => claim(code)));
      assert.ok(outcomes.some(({ status }) => status === "rejected"));
    });
  }
});
