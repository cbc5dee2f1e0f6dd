// AUDIT-3: whatever is done to the file is detected and named; AUDIT-4: a database that was set
// back shows; AUDIT-5: rotation and retention keep the chain.
import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { VirtualDisk } from "../../../sim/virtualStore.ts";
import {
  listAuditFiles,
  openAuditFiles,
  readRemoved,
} from "../../../src/adapters/storage/auditFiles.ts";
import { sha256Root } from "../../../src/crypto/sha256.ts";
import type { Root } from "../../../src/domain/keys.ts";
import { AUDIT_SYNC_ROUNDS, MAX_AUDIT_LINES_HELD } from "../../../src/domain/limits.ts";
import { openAudit } from "../../../src/node/audit.ts";
import { AuditProjector } from "../../../src/node/auditProjector.ts";
import { type AuditHead, NO_ENTRIES } from "../../../src/safety/auditLog.ts";
import { AuditVerifier } from "../../../src/safety/auditVerify.ts";
import { openSlashingStore } from "../../../src/safety/openSlashingStore.ts";
import { recordingLogger } from "../../support/quiet.ts";
import { CHAIN } from "../../support/slashing.ts";
import { temporaryFolder } from "../../support/temporary.ts";
import { VirtualClock } from "../../support/virtualClock.ts";

const SMALL = { maxFileBytes: 2_000, maxFiles: 3 };

async function open(
  t: TestContext,
  directory: string,
  { disk = new VirtualDisk(), size = SMALL }: { disk?: VirtualDisk; size?: typeof SMALL } = {},
) {
  const slashing = await openSlashingStore(disk.open(), CHAIN);
  const clock = new VirtualClock(1_700_000_000_000);
  const audit = await openAudit({ store: disk.open(), clock, version: "test" }, slashing);
  const auditFile = openAuditFiles({ directory, ...size });
  t.after(() => auditFile.close());
  const precursors: string[] = [];
  const projector = new AuditProjector({
    audit,
    auditFile,
    clock,
    logger: recordingLogger(),
    precursors: { count: (kind) => void precursors.push(kind) },
  });
  const ahead = await projector.open();
  const add = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      audit.append({ kind: "action", action: "test", caller: "test", detail: `number ${i}` });
    }
    await projector.project();
  };
  return { audit, projector, disk, ahead, add, precursors };
}

async function problemsOf(
  directory: string,
  head: AuditHead | null,
  edit: (lines: string[]) => void = () => undefined,
): Promise<readonly string[]> {
  const removed = await readRemoved(directory);
  const start =
    removed === null ? NO_ENTRIES : { sequence: removed.sequence, hash: removed.hash as Root };
  const verifier = new AuditVerifier({ start, head, isGrowing: false }, sha256Root);
  const lines = listAuditFiles(directory).flatMap((path) =>
    readFileSync(path, "utf8").trimEnd().split("\n"),
  );
  edit(lines);
  for (const [index, line] of lines.entries()) verifier.read(line, `line ${index + 1}`);
  return verifier.finish().problems;
}

test("AUDIT-3: an untouched log is whole; each kind of tampering is named", async (t) => {
  const directory = temporaryFolder(t);
  const { audit, add } = await open(t, directory);
  await add(6);
  const { head } = audit;
  assert.deepEqual(await problemsOf(directory, head), []);
  const [changed] = await problemsOf(directory, head, (lines) => {
    lines[2] = (lines[2] ?? "").replace("number 2", "number 3");
  });
  assert.match(changed ?? "", /line 3: entry 3 was changed/);
  const [removed] = await problemsOf(directory, head, (lines) => void lines.splice(2, 1));
  assert.match(removed ?? "", /line 3: entry 3 is missing before entry 4/);
  const swapped = await problemsOf(directory, head, (lines) => {
    lines.splice(2, 2, lines[3] ?? "", lines[2] ?? "");
  });
  assert.match(swapped.join(), /entry 3 comes after 4: reordered or repeated/);
  const [cutFront] = await problemsOf(directory, head, (lines) => void lines.splice(0, 2));
  assert.match(cutFront ?? "", /entries 1 to 2 are missing at the beginning/);
  const [cutEnd] = await problemsOf(directory, head, (lines) => void lines.splice(4));
  assert.match(cutEnd ?? "", /entries 5 to 6 are missing at the end/);
  const [garbage] = await problemsOf(directory, head, (lines) => {
    lines[0] = "garbage";
  });
  assert.match(garbage ?? "", /line 1: it is no line of an audit log/);
});

test("AUDIT-3: a log that was rewritten from some entry on does not end in the head", async (t) => {
  const [directory, forged] = [temporaryFolder(t), temporaryFolder(t)];
  const { audit, add } = await open(t, directory);
  await add(4);
  const { add: forge, audit: other } = await open(t, forged);
  other.append({ kind: "action", action: "forged", caller: "test", detail: "" });
  await forge(3);
  assert.deepEqual(await problemsOf(forged, other.head), [], "whole in itself");
  const [problem] = await problemsOf(forged, audit.head);
  assert.match(problem ?? "", /entry 4 is not the one that the node's records know/);
});

test("AUDIT-5: rotation and retention keep the chain; another removed file shows", async (t) => {
  const directory = temporaryFolder(t);
  const { audit, add } = await open(t, directory);
  for (let round = 0; round < 12; round++) await add(6);
  await add(0);
  assert.equal(listAuditFiles(directory).length, 3);
  assert.deepEqual(await problemsOf(directory, audit.head), []);
  const [oldest] = listAuditFiles(directory);
  assert(oldest !== undefined);
  const last = JSON.parse(readFileSync(oldest, "utf8").trimEnd().split("\n").at(-1) ?? "");
  rmSync(oldest);
  assert.match((await problemsOf(directory, audit.head)).join(), /missing at the beginning/);
  // Whoever writes the note himself is not in the chain.
  const note = JSON.stringify({ sequence: last.entry.sequence, hash: last.hash });
  writeFileSync(join(directory, "removed.json"), note);
  assert.match(
    (await problemsOf(directory, audit.head)).join(),
    /are missing, and no entry says that they were removed/,
  );
});

test("AUDIT-2: the file is rebuilt up to the head after a crash, torn lines too", async (t) => {
  const directory = temporaryFolder(t);
  const { audit, add, disk } = await open(t, directory);
  await add(3);
  audit.append({ kind: "action", action: "test", caller: "test", detail: "not in the file yet" });
  await audit.flush();
  const [path] = listAuditFiles(directory);
  assert(path !== undefined);
  const text = readFileSync(path, "utf8");
  writeFileSync(path, text.slice(0, -20));
  const second = await open(t, directory, { disk });
  await second.projector.project();
  assert.deepEqual(await problemsOf(directory, second.audit.head), []);
  assert.equal(second.audit.head.sequence, 5, "the repair is an entry, too");
});

test("AUDIT-4: a database that is older than the file shows, and the chain goes on", async (t) => {
  const directory = temporaryFolder(t);
  const { add, disk } = await open(t, directory);
  await add(2);
  const yesterday = new Map(disk.platter);
  await add(3);
  disk.apply([...disk.platter.keys()].map((key) => ({ type: "del", key })));
  disk.apply([...yesterday].map(([key, value]) => ({ type: "put", key, value })));
  const restored = await open(t, directory, { disk });
  assert.deepEqual(restored.ahead, { file: 5, records: 2 });
  assert.deepEqual(restored.precursors, ["counter_reset"]);
  await restored.add(1);
  assert.equal(restored.audit.head.sequence, 7);
  assert.deepEqual(await problemsOf(directory, restored.audit.head), []);
  assert.equal(readdirSync(directory).length, 1);
});

const LARGE = { maxFileBytes: 2 ** 20, maxFiles: 64 };

/** What the store holds of the log. */
function batchesOn(disk: VirtualDisk): number {
  return disk.keys.filter((key) => key.startsWith("audit/entries/")).length;
}

test("AUDIT-2: hundreds of epochs leave no more behind than those between two syncs", async (t) => {
  const { audit, add, disk } = await open(t, temporaryFolder(t), { size: LARGE });
  let [lines, batches] = [0, 0];
  for (let epoch = 0; epoch < 300; epoch++) {
    await add(8);
    lines = Math.max(lines, audit.unprojected().length);
    batches = Math.max(batches, batchesOn(disk));
  }
  assert(lines <= 8 * AUDIT_SYNC_ROUNDS, `${lines} lines were held`);
  assert(batches <= AUDIT_SYNC_ROUNDS + 1, `${batches} batches were stored`);
});

test("AUDIT-6: a file that takes nothing fills no memory and misses no line", async (t) => {
  const directory = temporaryFolder(t);
  const { audit, projector, disk } = await open(t, directory, { size: LARGE });
  const perEpoch = 40;
  for (let epoch = 0; epoch < 300; epoch++) {
    for (let i = 0; i < perEpoch; i++) {
      audit.append({ kind: "action", action: "test", caller: "test", detail: `${epoch}/${i}` });
    }
    await audit.flush();
    const held = audit.unprojected().length;
    assert(held < MAX_AUDIT_LINES_HELD + perEpoch, `${held} lines are held`);
  }
  assert(audit.isBehind, "more came than is held");
  // One node starts anew, the other never stopped.
  const elsewhere = temporaryFolder(t);
  const restarted = await open(t, elsewhere, { disk: disk.copy(), size: LARGE });
  assert(restarted.audit.unprojected().length < MAX_AUDIT_LINES_HELD + perEpoch);
  await Promise.all([projector.project(), restarted.projector.project()]);
  assert.deepEqual(await problemsOf(directory, audit.head), []);
  assert.deepEqual(await problemsOf(elsewhere, restarted.audit.head), []);
  assert(!audit.isBehind);
});

test("AUDIT-2: what the file got during a batch is forgotten by a later one", async (t) => {
  const { audit, add, disk } = await open(t, temporaryFolder(t), { size: LARGE });
  for (let round = 1; round < AUDIT_SYNC_ROUNDS; round++) await add(1);
  disk.beforeWrite = () => {
    audit.projected(AUDIT_SYNC_ROUNDS - 1);
    disk.beforeWrite = () => undefined;
  };
  await add(1);
  for (let round = 0; round <= AUDIT_SYNC_ROUNDS; round++) await add(1);
  assert(batchesOn(disk) <= 2, `${batchesOn(disk)} batches are stored`);
});
