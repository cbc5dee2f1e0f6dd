import assert from "node:assert/strict";
import { test } from "node:test";
import { parseLock } from "../../../src/cluster/lock.ts";
import { verifyLock } from "../../../src/cluster/verify.ts";
import { CEREMONY_PHASES, decodeCeremonyFrame } from "../../../src/wire/ceremony.ts";
import { CeremonyTable, definitionFor, PHASE_TIMEOUT_MS } from "../../support/ceremonyTable.ts";

const ALL = [0, 1, 2, 3];
/** Records that a node appends in a whole ceremony of four; checked by the first test. */
const RECORDS = 60;

async function startedTable(t: { after: (f: () => Promise<void>) => void }, options = {}) {
  const table = new CeremonyTable(options);
  t.after(() => table.stop());
  for (const node of ALL) table.start(node);
  return table;
}

function assertOneCluster(table: CeremonyTable): void {
  assert.deepEqual([...table.failures], []);
  const hashes = new Set(table.lockHashes());
  assert.ok(hashes.size === 1 && !hashes.has(null), [...hashes].join());
  for (const disk of table.disks) {
    const text = disk.files?.find(({ name }) => name === "cluster-lock.json")?.text ?? "";
    const lock = parseLock(text);
    assert.ok(lock.ok && verifyLock(lock.value).ok);
  }
}

test("OUT-4 four operators end with one valid lock, and the journals are gone", async (t) => {
  const table = await startedTable(t, { validators: 2 });
  let most = 0;
  while (table.ends.size < 4 && table.clock.now() < 1_800_000_300_000) {
    most = Math.max(most, ...table.disks.map((disk) => disk.journals.get(1)?.length ?? 0));
    await table.run(100);
  }
  assertOneCluster(table);
  assert.deepEqual(
    ALL.map((node) => table.ends.get(node)?.kind),
    ["finished", "finished", "finished", "finished"],
  );
  for (const disk of table.disks) {
    assert.equal(disk.journals.size, 0);
    assert.equal(disk.published?.secrets.length, 2);
  }
  assert.ok(most > 40 && most <= RECORDS, `${most} records`);
  assert.equal(table.clock.pending, 0, "no timer outlives the ceremony");
});

// The whole matrix is scripts/dkgCrashes.ts.
for (const [node, crashAt] of [
  [0, 0],
  [1, 3],
  [2, 9],
  [3, 14],
  [0, 20],
  [1, 26],
  [2, 33],
  [3, 39],
  [0, 44],
  [1, 50],
  [2, 57],
] as const) {
  test(`JOURNAL-4 operator ${node} loses power at write ${crashAt}, and all finish`, async (t) => {
    const table = new CeremonyTable();
    t.after(() => table.stop());
    const disk = table.disks[node];
    assert.ok(disk !== undefined);
    disk.crashAfter = crashAt;
    for (const each of ALL) table.start(each);
    while (disk.crashAfter !== null && table.ends.size < 4) await table.run(50);
    assert.equal(disk.crashAfter, null, "the crash came");
    await table.run(5_000);
    await table.kill(node);
    table.start(node);
    await table.runToEnd();
    assertOneCluster(table);
    assert.deepEqual(
      ALL.flatMap((each) => table.of(each, "ended")),
      [],
      "nobody gave the attempt up",
    );
  });
}

test("LOBBY-5 who never comes back is named, and may come later (SlowMist N18)", async (t) => {
  // Whoever said his last word is not missed: OUT-4 is about him.
  for (const phase of CEREMONY_PHASES.slice(0, -1)) {
    const table = await startedTable(t);
    const reached = () => table.of(2, "progress").some(({ progress }) => progress.phase === phase);
    while (!reached()) await table.run(1);
    await table.kill(3);
    const killedAt = table.clock.now();
    const areTold = () => [0, 1, 2].every((node) => table.of(node, "ended").length > 0);
    const deadline = killedAt + 2 * PHASE_TIMEOUT_MS + 1_000;
    while (!areTold() && table.clock.now() < deadline) await table.run(500);
    let isKept = false;
    for (const node of [0, 1, 2]) {
      const [ended] = table.of(node, "ended");
      assert.deepEqual(ended?.abort.missing, [3], `${phase}: operator ${node} names operator 3`);
      assert.match(ended?.abort.reason ?? "", /operator 3 said nothing in the \w+ phase/);
      assert.equal(ended?.abort.culprit, null, "silence blames nobody");
      const begun = CEREMONY_PHASES.indexOf(ended?.abort.phase ?? "agree");
      assert.ok(begun >= CEREMONY_PHASES.indexOf(phase) - 1);
      isKept ||= ended?.abort.keepsShares === true;
    }
    assert.deepEqual(table.lockHashes(), [null, null, null, null], "nothing is written");
    table.start(3);
    await table.runToEnd();
    assertOneCluster(table);
    // Once shares were vouched for, it is the same attempt that all complete (DKG-14).
    assert.equal(table.of(0, "attempt").at(-1)?.attempt, isKept ? 1 : 2, phase);
    await table.stop();
  }
});

test("JOURNAL-4 a certificate that is withheld costs no share", async (t) => {
  const table = await startedTable(t);
  const isIn = (node: number, phase: string) =>
    table.of(node, "progress").some(({ progress }) => progress.phase === phase);
  while (!isIn(0, "deposits")) await table.run(1);
  await table.kill(3);
  await table.run(3 * PHASE_TIMEOUT_MS);
  const [ended] = table.of(0, "ended");
  assert.equal(ended?.abort.keepsShares, true);
  assert.deepEqual(ended?.abort.missing, [3]);
  for (const node of [0, 1, 2]) {
    assert.equal(table.disks[node]?.shares.get(1)?.secrets.length, 1, "the shares are kept");
    assert.ok((table.disks[node]?.journals.get(1)?.length ?? 0) > 0);
  }
  table.start(3);
  await table.runToEnd();
  assertOneCluster(table);
  assert.deepEqual(
    table.of(0, "attempt").map(({ attempt, isResumed }) => ({ attempt, isResumed })),
    [
      { attempt: 1, isResumed: false },
      { attempt: 1, isResumed: true },
    ],
    "the same attempt is completed",
  );
});

test("LOBBY-3 an operator who lost its disk cannot speak twice in one attempt", async (t) => {
  const table = await startedTable(t);
  while (!table.of(2, "progress").some(({ progress }) => progress.phase === "commit")) {
    await table.run(1);
  }
  await table.kill(3);
  table.disks[3]?.journals.clear();
  table.disks[3]?.forget();
  table.start(3);
  await table.runToEnd();
  assertOneCluster(table);
  assert.equal(table.of(3, "attempt").at(-1)?.attempt, 2);
  assert.ok(ALL.every((node) => table.ends.get(node)?.kind === "finished"));
});

test("LOBBY-1 a definition that differs is named by its fields, and nothing begins", async (t) => {
  const table = new CeremonyTable();
  t.after(() => table.stop());
  const other = definitionFor(table.secretKeys, { threshold: 4, validators: 1, name: "squat" });
  for (const node of [0, 1, 2]) table.start(node);
  table.start(3, { definition: other });
  await table.run(20_000);
  const seats = table.of(0, "lobby").at(-1)?.seats ?? [];
  assert.deepEqual(seats.find(({ peer }) => peer === 3)?.obstacle, {
    kind: "definition",
    fields: ["name", "threshold"],
  });
  assert.deepEqual(
    ALL.flatMap((node) => table.of(node, "attempt")),
    [],
  );
  await table.kill(3);
  table.start(3);
  await table.runToEnd();
  assertOneCluster(table);
});

test("LOBBY-2 the lobby waits for days, and nobody is pressed", async (t) => {
  const table = new CeremonyTable();
  t.after(() => table.stop());
  for (const node of [0, 1, 2]) table.start(node);
  for (let hour = 0; hour < 48; hour++) {
    await table.run(60_000);
    if (hour % 7 === 0) {
      await table.kill(1);
      table.start(1);
    }
  }
  assert.equal(table.ends.size + table.failures.size, 0);
  table.start(3);
  await table.runToEnd();
  assertOneCluster(table);
});

test("DEF-5 a fourth attempt needs a new acceptance", async (t) => {
  const table = new CeremonyTable();
  t.after(() => table.stop());
  for (const node of ALL) table.start(node, { maxAttempt: 1 });
  while (!table.of(2, "progress").some(({ progress }) => progress.phase === "commit")) {
    await table.run(1);
  }
  await table.kill(3);
  await table.run(2 * PHASE_TIMEOUT_MS);
  table.start(3, { maxAttempt: 4 });
  await table.run(60_000);
  for (const node of [0, 1, 2]) {
    assert.match(String(table.failures.get(node)), /attempt 2 needs this operator's acceptance/);
  }
});

test("OUT-4 who does not confirm is named, and serves nobody's loss", async (t) => {
  const table = await startedTable(t, { lingerMs: 30_000 });
  const published = () => ALL.every((node) => table.of(node, "published").length > 0);
  table.hub.lose(
    ({ from, channel, bytes }) =>
      from === 3 && channel === "lobby" && Buffer.from(bytes).includes('"done"'),
  );
  while (!published()) await table.run(50);
  await table.run(60_000);
  const end = table.ends.get(0);
  assert.ok(end?.kind === "unconfirmed");
  assert.deepEqual(end.missing, [3]);
  assert.ok((table.disks[0]?.journals.size ?? 0) > 0, "its journal can still serve");
});

/** Whether the frame is the author's last word in a ceremony: its echo of all last messages. */
function isLastEcho(bytes: Uint8Array): boolean {
  const frame = decodeCeremonyFrame(bytes, ALL.length);
  if (!frame.ok || frame.value.content.kind !== "echo") return false;
  return frame.value.content.echo.phase === "nodes";
}

test("LOBBY-4 a cluster that one operator finished is completed, whatever began", async (t) => {
  const table = await startedTable(t);
  table.hub.tap(3, ({ channel, bytes }) => {
    if (channel === "ceremony") return isLastEcho(bytes) ? [] : [bytes];
    return [Buffer.from(Buffer.from(bytes).toString().replace('"done"', '"running"'))];
  });
  while (table.of(3, "published").length === 0) await table.run(100);
  // Operator 2 replaces its disk: the three others begin a second attempt with it.
  await table.kill(2);
  table.disks[2]?.forget();
  table.start(2);
  await table.run(30_000);
  assert.equal(table.of(0, "attempt").at(-1)?.attempt, 2);
  table.hub.tap(3, ({ bytes }) => [bytes]);
  await table.run(60_000);
  assert.equal(table.of(0, "attempt").at(-1)?.attempt, 1);
  const [first, second, , last] = table.lockHashes();
  assert.ok(first === last && second === last && last !== null);
  assert.match(
    String(table.failures.get(2)),
    /operator 3 finished attempt 1, of which there is no key share/,
  );
});
