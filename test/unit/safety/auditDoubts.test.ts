// AUDIT-7: a sync that failed is covered by no later one; AUDIT-8: what waits is bounded.
import assert from "node:assert/strict";
import { appendFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { VirtualDisk } from "../../../sim/virtualStore.ts";
import { listAuditFiles, openAuditFiles } from "../../../src/adapters/storage/auditFiles.ts";
import { sha256Root } from "../../../src/crypto/sha256.ts";
import { FaultError } from "../../../src/domain/errors.ts";
import { AUDIT_SYNC_ROUNDS, MAX_AUDIT_LINES_PENDING } from "../../../src/domain/limits.ts";
import { openAudit } from "../../../src/node/audit.ts";
import type * as projecting from "../../../src/node/auditProjector.ts";
import { AuditProjector } from "../../../src/node/auditProjector.ts";
import type { AuditFile, AuditFileLine } from "../../../src/ports/auditFile.ts";
import { NO_ENTRIES } from "../../../src/safety/auditLog.ts";
import { AuditVerifier } from "../../../src/safety/auditVerify.ts";
import { createSafetyGate } from "../../../src/safety/gate.ts";
import { openSlashingStore } from "../../../src/safety/openSlashingStore.ts";
import { loadMutant, type Patch } from "../../support/mutant.ts";
import { recordingLogger } from "../../support/quiet.ts";
import { CHAIN, OPEN, request, root, task, vote } from "../../support/slashing.ts";
import { temporaryFolder } from "../../support/temporary.ts";
import { until } from "../../support/until.ts";
import { VirtualClock } from "../../support/virtualClock.ts";

type Code = Pick<typeof projecting, "AuditProjector">;

async function open(disk: VirtualDisk, auditFile: AuditFile, code: Code = { AuditProjector }) {
  const slashing = await openSlashingStore(disk.open(), CHAIN);
  const clock = new VirtualClock(1_700_000_000_000);
  const audit = await openAudit({ store: disk.open(), clock, version: "test" }, slashing);
  const logger = recordingLogger();
  const quiet = { clock, logger, precursors: { count: () => undefined } };
  const projector = new code.AuditProjector({ audit, auditFile, ...quiet });
  assert.equal(await projector.open(), null);
  const add = (detail: string): void =>
    audit.append({ kind: "action", action: "test", caller: "test", detail });
  return { audit, slashing, projector, add, logger };
}

/** What whoever looks after a power cut finds: the platter's lines, then what the store kept. */
async function problemsAfterPowerCut(disk: VirtualDisk): Promise<readonly string[]> {
  const slashing = await openSlashingStore(disk.open(), CHAIN);
  const clock = new VirtualClock(0);
  const audit = await openAudit({ store: disk.open(), clock, version: "test" }, slashing);
  const anchors = { start: NO_ENTRIES, head: audit.head, isGrowing: false };
  const verifier = new AuditVerifier(anchors, sha256Root);
  for (const { text, sequence } of disk.audit.lines) verifier.read(text, `line ${sequence}`);
  for (const { text, sequence } of audit.unprojected()) {
    if (sequence > verifier.last) verifier.read(text, `record ${sequence}`);
  }
  return verifier.finish().problems;
}

/** The n-th sync fails and takes its lines with it; the power goes after `rounds` more rounds. */
async function claimNothingIsLost(code: Code, failing: number): Promise<void> {
  const disk = new VirtualDisk();
  const auditFile = disk.openAudit();
  let syncs = 0;
  disk.fateOfAudit = () => {
    const fault = { write: 0, lands: false };
    return { syncMs: 0, fault: ++syncs === failing ? fault : null };
  };
  const { projector, add } = await open(disk, auditFile, code);
  for (let round = 0; round < 4 * AUDIT_SYNC_ROUNDS; round++) {
    add(`round ${round}`);
    await projector.project().catch((error: unknown) => assert(error instanceof FaultError));
  }
  assert(syncs > failing, "there was a later sync, and it succeeded");
  auditFile.cutPower();
  assert.deepEqual(await problemsAfterPowerCut(disk), []);
}

const REWIND: Patch = {
  find: "if (this.#isDoubtful) await this.#rewind();",
  replace: "if (this.#isDoubtful) this.#floor += 0;",
};

describe("AUDIT-7: a sync of the audit file that failed", () => {
  for (const failing of [1, 2, 3]) {
    test(`costs no line, whatever later ones say: sync ${failing}`, () =>
      claimNothingIsLost({ AuditProjector }, failing));
  }

  test("killed: a later success counts for what failed before", async () => {
    const code = await loadMutant<Code>("src/node/auditProjector.ts", [REWIND]);
    await assert.rejects(claimNothingIsLost(code, 2), assert.AssertionError);
  });

  test("killed: after a restart what the file shows counts as synced", async () => {
    const claim = async (code: Code): Promise<void> => {
      const disk = new VirtualDisk();
      const auditFile = disk.openAudit();
      disk.fateOfAudit = () => ({ syncMs: 0, fault: { write: 0, lands: false } });
      const first = await open(disk, auditFile, code);
      for (let round = 0; round < AUDIT_SYNC_ROUNDS; round++) {
        first.add(`round ${round}`);
        await first.projector.project().catch((error) => assert(error instanceof FaultError));
      }
      // The process is a new one, the machine's cache is the same.
      disk.fateOfAudit = () => ({ syncMs: 0, fault: null });
      const second = await open(disk, auditFile, code);
      for (let round = 0; round < 2 * AUDIT_SYNC_ROUNDS; round++) {
        second.add(`later ${round}`);
        await second.projector.project();
      }
      auditFile.cutPower();
      assert.deepEqual(await problemsAfterPowerCut(disk), []);
    };
    await claim({ AuditProjector });
    const find = "#isDoubtful = true;\n  #rounds = 0;";
    const patch: Patch = { find, replace: "#isDoubtful = false;\n  #rounds = 0;" };
    const code = await loadMutant<Code>("src/node/auditProjector.ts", [patch]);
    await assert.rejects(claim(code), assert.AssertionError);
  });

  test("half an append that failed is taken away before it is tried again", async (t) => {
    const directory = temporaryFolder(t);
    const file = openAuditFiles({ directory });
    t.after(() => file.close());
    let isFull = false;
    const append = async (lines: readonly AuditFileLine[]): Promise<void> => {
      if (!isFull) return file.append(lines);
      const text = lines.map((line) => `${line.text}\n`).join("");
      appendFileSync(listAuditFiles(directory).at(-1) ?? "", text.slice(0, text.length / 2));
      throw new FaultError("disk_failed", "no space left on device");
    };
    const fullDisk: AuditFile = {
      append,
      last: () => file.last(),
      removed: () => file.removed(),
      rewind: (sequence) => file.rewind(sequence),
      sync: () => file.sync(),
    };
    const { audit, projector, add } = await open(new VirtualDisk(), fullDisk);
    // The last round syncs, and the records forget what the file has.
    for (let round = 0; round < AUDIT_SYNC_ROUNDS; round++) {
      add(`round ${round}`);
      await projector.project();
    }
    isFull = true;
    for (let i = 0; i < 4; i++) add(`number ${i}`);
    for (let i = 0; i < 2; i++) await assert.rejects(projector.project(), FaultError);
    isFull = false;
    await projector.project();
    const anchors = { start: NO_ENTRIES, head: audit.head, isGrowing: false };
    const verifier = new AuditVerifier(anchors, sha256Root);
    for (const path of listAuditFiles(directory)) {
      const lines = readFileSync(path, "utf8").trimEnd().split("\n");
      for (const [index, line] of lines.entries()) verifier.read(line, `line ${index}`);
    }
    assert.deepEqual(verifier.finish().problems, []);
  });

  test("real files go back over a rotation, and on from there", async (t) => {
    const directory = temporaryFolder(t);
    const file = openAuditFiles({ directory, maxFileBytes: 300 });
    t.after(() => file.close());
    const lines = await someLines(12);
    for (const line of lines) await file.append([line]);
    assert(listAuditFiles(directory).length > 2);
    await file.rewind(3);
    assert.equal((await file.last()).line, lines[2]?.text);
    await file.append(lines.slice(3));
    await file.sync();
    const text = listAuditFiles(directory).map((path) => readFileSync(path, "utf8"));
    assert.equal(text.join(""), lines.map((line) => `${line.text}\n`).join(""));
    await file.rewind(0);
    assert.deepEqual(listAuditFiles(directory), []);
  });
});

/** Real lines of a chain. */
async function someLines(count: number): Promise<readonly AuditFileLine[]> {
  const disk = new VirtualDisk();
  const { audit, add } = await open(disk, disk.openAudit());
  for (let i = 0; i < count; i++) add(`number ${i}`);
  await audit.flush();
  return audit.unprojected();
}

test("AUDIT-7: half a line at the file's end is repaired, and said", async (t) => {
  const directory = temporaryFolder(t);
  const disk = new VirtualDisk();
  const first = openAuditFiles({ directory });
  const { projector, add } = await open(disk, first);
  for (const detail of ["one", "two"]) add(detail);
  await projector.project();
  await first.close();
  const [path] = listAuditFiles(directory);
  assert(path !== undefined);
  const text = readFileSync(path, "utf8");
  writeFileSync(path, text.slice(0, -20));
  const second = openAuditFiles({ directory });
  t.after(() => second.close());
  const reopened = await open(disk, second);
  assert.match(reopened.logger.lines.map(({ message }) => message).join(), /ended in half a line/);
  await reopened.projector.project();
  const lines = readFileSync(path, "utf8").trimEnd().split("\n");
  assert.deepEqual(lines.slice(0, 2), text.trimEnd().split("\n"));
  assert.match(lines[2] ?? "", /"action":"repair".*\d+ bytes of a half-written line/);
});

describe("AUDIT-7: an audit folder that cannot be read", () => {
  test("is a fault of the disk, which no node stops for", async (t) => {
    const directory = temporaryFolder(t);
    const file = openAuditFiles({ directory });
    t.after(() => file.close());
    const { projector, add, logger } = await open(new VirtualDisk(), file);
    writeFileSync(join(directory, "removed.json"), "{");
    add("one");
    const stopping = new AbortController();
    const running = projector.run(stopping.signal);
    await until("the fault is told", () =>
      logger.lines.some(({ message }) => /could not be written/.test(message)),
    );
    stopping.abort();
    await running;
    await assert.rejects(file.removed(), {
      name: "FaultError",
      message: /removed\.json.*move this file away/,
    });
    writeFileSync(join(directory, "removed.json"), "{}");
    await assert.rejects(file.removed(), { name: "FaultError" });
    rmSync(directory, { recursive: true });
    await assert.rejects(file.removed(), { name: "FaultError" });
    await assert.rejects(file.last(), { name: "FaultError" });
  });

  test("is said of a last line that a disk damaged, and the node starts", async (t) => {
    const directory = temporaryFolder(t);
    const disk = new VirtualDisk();
    const first = openAuditFiles({ directory });
    const { projector, add } = await open(disk, first);
    add("one");
    await projector.project();
    await first.close();
    const [path = ""] = listAuditFiles(directory);
    writeFileSync(path, readFileSync(path, "utf8").replace(`"sequence":`, `"sequence:`));
    const second = openAuditFiles({ directory });
    t.after(() => second.close());
    const { logger } = await open(disk, second);
    assert.match(logger.lines.map(({ message }) => message).join(), /last line cannot be read/);
  });
});

describe("AUDIT-8: while the disk takes no records", () => {
  test("what waits is bounded, nothing is signed beyond it, and the gap is told", async () => {
    const disk = new VirtualDisk();
    const { audit, slashing } = await open(disk, disk.openAudit());
    const gate = createSafetyGate({ ...OPEN, slashing, audit });
    const signed = request([task(1, vote(1, 2))]);
    assert.notEqual((await gate.admit(signed)).admitted, null);
    const forbidden = request([task(1, vote(0, 2), root(2))]);
    disk.beforeWrite = () => Promise.reject(new FaultError("disk_failed", "full"));
    for (let i = 0; i < MAX_AUDIT_LINES_PENDING; i++) await gate.admit(forbidden);
    assert(audit.isFull);
    for (let i = 0; i < 10; i++) {
      const { admitted, refused } = await gate.admit(signed);
      assert.equal(admitted, null, "not even what was signed before");
      assert.equal(refused[0]?.reason.code, "audit_full");
      assert.match(refused[0]?.reason.detail ?? "", /5000 entries.*Check free space/);
    }
    disk.beforeWrite = () => undefined;
    await audit.flush();
    assert.notEqual((await gate.admit(signed)).admitted, null, "it resumes by itself");
    await audit.flush();
    const kept = [...disk.platter].filter(([key]) => key.startsWith("audit/entries/"));
    const text = kept.map(([, value]) => new TextDecoder().decode(value)).join();
    assert.match(text, /"action":"audit-gap".*10 refusals were not kept/);
  });
});
