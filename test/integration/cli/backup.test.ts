// `coterie backup`: what is in it, what is wrong with it, and what a restored node does.
import assert from "node:assert/strict";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Encrypter } from "age-encryption";
import { type Headers, pack } from "tar-stream";
import { openLevel } from "../../../src/adapters/storage/level.ts";
import { createBackup } from "../../../src/cli/backup/create.ts";
import type * as restoring from "../../../src/cli/backup/restore.ts";
import { restoreBackup } from "../../../src/cli/backup/restore.ts";
import { readSeal } from "../../../src/cli/backup/seal.ts";
import { verifyBackup } from "../../../src/cli/backup/verify.ts";
import { readDataDir } from "../../../src/cli/dataDir.ts";
import type * as serving from "../../../src/cli/safety/adminRoutes.ts";
import { adminRoutes } from "../../../src/cli/safety/adminRoutes.ts";
import { verifyAudit } from "../../../src/cli/safety/audit.ts";
import { refuseSecretsIn } from "../../../src/cli/secretGuard.ts";
import type { Root } from "../../../src/domain/keys.ts";
import { MigrationWait } from "../../../src/safety/migrationWait.ts";
import { openSlashingStore } from "../../../src/safety/openSlashingStore.ts";
import {
  createOptions,
  type Keys,
  makeKeys,
  makeSquad,
  openNode,
  serveAdmin,
} from "../../support/backups.ts";
import { runCommand } from "../../support/command.ts";
import { loadMutant, type Patch } from "../../support/mutant.ts";
import { recordingLogger } from "../../support/quiet.ts";
import { CHAIN } from "../../support/slashing.ts";
import { SmallDisk } from "../../support/smallDisk.ts";
import { SLOTS_PER_EPOCH, testChain } from "../../support/testChain.ts";
import { VirtualClock } from "../../support/virtualClock.ts";

const folder = mkdtempSync(join(tmpdir(), "coterie-"));
const file = (name: string): string => join(folder, name);
const nodeDir = (index: number): string => join(folder, "squad", `node${index}`);
const VALIDATORS = 40;
const EPOCHS = 5;
let keys: Keys;
let good: string;

before(async () => {
  await makeSquad(file("squad"));
  keys = await makeKeys(folder, "identity.txt");
  const node = await openNode(nodeDir(0));
  for (let epoch = 1; epoch <= EPOCHS; epoch++) await node.signEpoch(VALIDATORS);
  await node.control.freeze({ scope: "exit", validator: null, reason: "drill", by: "test" });
  await node.close();
  good = file("good.age");
  await createBackup(createOptions(nodeDir(0), good, keys));
});
after(() => rmSync(folder, { recursive: true }));

async function verify(path: string, open = keys.open) {
  const { text } = await verifyBackup({ path, open, json: true });
  return JSON.parse(text) as { isValid: boolean; problems: string[]; records: number };
}
function restore(path: string, dataDir: string, code: Code = { restoreBackup }): Promise<string> {
  return code.restoreBackup({ path, dataDir, open: keys.open, json: true });
}
type Code = Pick<typeof restoring, "restoreBackup">;
const lockHashOf = (dataDir: string): Root =>
  JSON.parse(readFileSync(join(dataDir, "cluster-lock.json"), "utf8")).lock_hash;

/** What the gate's first guard says at the next start of a data directory, years after genesis. */
async function waitOf(dataDir: string, knownLock: boolean): Promise<MigrationWait> {
  const store = await openLevel(join(dataDir, "db"));
  const chain = testChain();
  const lockHash = lockHashOf(dataDir);
  try {
    const key = `wait/lock/${lockHash.slice(2)}`;
    if (knownLock) await store.batch([{ type: "put", key, value: Uint8Array.of(1) }]);
    const clock = new VirtualClock(chain.slotStart(1_000 * SLOTS_PER_EPOCH));
    const logger = recordingLogger();
    const flags = { isFresh: false, isSkipped: false };
    return await MigrationWait.open({ store, chain, clock, logger, lockHash, ...flags });
  } finally {
    await store.close();
  }
}

/** BACKUP-5, WAIT-4: also where the restored records know the lock as one that was signed under. */
async function claimThatRestoredWaits(name: string, code: Code): Promise<void> {
  const dataDir = file(name);
  await restore(good, dataDir, code);
  const wait = await waitOf(dataDir, true);
  assert.match(wait.problem ?? "", /signing resumes in .* \(2 epochs, .*restored from the backup/);
  assert.equal(wait.refusalOf()?.code, "waiting");
}

describe("BACKUP-1: a backup of a stopped node", () => {
  test("is checked, and restores every file, record, mode, and the audit log", async () => {
    const report = await verify(good);
    assert.deepEqual(report.problems, []);
    assert(report.isValid && report.records > VALIDATORS * EPOCHS);
    const dataDir = file("restored");
    await restore(good, dataDir);
    for (const name of ["enr-private-key", "cluster-lock.json", "deposit-data.json"]) {
      assert.deepEqual(readFileSync(join(dataDir, name)), readFileSync(join(nodeDir(0), name)));
      assert.equal(statSync(join(dataDir, name)).mode, statSync(join(nodeDir(0), name)).mode, name);
    }
    const keystores = readdirSync(join(nodeDir(0), "validator_keys"));
    assert.deepEqual(readdirSync(join(dataDir, "validator_keys")), keystores);
    const store = await openLevel(join(dataDir, "db"));
    const slashing = await openSlashingStore(store, CHAIN);
    assert.equal(slashing.snapshot().length, VALIDATORS);
    for (const [, { attestations }] of slashing.snapshot())
      assert.equal(attestations.length, EPOCHS);
    await store.close();
    const audit = await verifyAudit({ dataDir, json: true });
    assert.deepEqual(JSON.parse(audit.text).problems, []);
    const log = readdirSync(join(dataDir, "audit")).map((name) =>
      readFileSync(join(dataDir, "audit", name), "utf8"),
    );
    assert.match(log.join(""), /"action":"backup"[\s\S]*"action":"restore".*it waits before/);
    assert(!existsSync(join(dataDir, "instance.lock")));
  });

  test("has what retention left of the audit log, and it stays one chain", async () => {
    const dataDir = file("retained");
    cpSync(nodeDir(3), dataDir, { recursive: true });
    const node = await openNode(dataDir, { maxFileBytes: 4_000, maxFiles: 2 });
    for (let epoch = 0; epoch < 6; epoch++) {
      await node.signEpoch(VALIDATORS);
      await node.projector.project();
    }
    await node.close();
    assert(existsSync(join(dataDir, "audit", "removed.json")), "the oldest files went");
    const out = file("retained.age");
    await createBackup(createOptions(dataDir, out, keys));
    assert.deepEqual((await verify(out)).problems, []);
    await restore(out, file("retained-restored"));
    const audit = await verifyAudit({ dataDir: file("retained-restored"), json: true });
    assert.deepEqual(JSON.parse(audit.text).problems, []);
  });

  test("of a node that never ran holds its keys, and waits after its restore", async () => {
    const out = file("never.age");
    const report = JSON.parse(await createBackup(createOptions(nodeDir(3), out, keys)));
    assert.deepEqual([report.records, report.key_shares, report.operator], [0, 2, 3]);
    await restore(out, file("never"));
    assert.notEqual((await waitOf(file("never"), true)).refusalOf(), null);
  });

  test("refuses a data directory without lock or password, and leaves no file", async () => {
    const out = file("partial.age");
    cpSync(nodeDir(3), file("partial"), { recursive: true });
    const options = createOptions(file("partial"), out, keys);
    const [name = ""] = readdirSync(join(file("partial"), "validator_keys")).filter((each) =>
      each.endsWith(".txt"),
    );
    rmSync(join(file("partial"), "validator_keys", name));
    await assert.rejects(createBackup(options), /has no password file/);
    rmSync(join(file("partial"), "cluster-lock.json"));
    await assert.rejects(createBackup(options), /not complete: it has no readable cluster-lock/);
    const lockFile = join(nodeDir(3), "cluster-lock.json");
    writeFileSync(join(file("partial"), "validator_keys", name), "password");
    await createBackup({ ...options, lockFile });
    assert((await verify(out)).isValid);
    await assert.rejects(createBackup({ ...options, lockFile }), /exists already/);
  });
});

describe("BACKUP-5: a restored directory waits", () => {
  test("whatever its records say of waits and locks", () =>
    claimThatRestoredWaits("w", { restoreBackup }));

  test("killed: restored without the marker", async () => {
    const find = "await store.batch([waitAtNextStart(reasonOf(manifest))]);";
    const patch: Patch = { find, replace: "reasonOf(manifest);" };
    const code = await loadMutant<Code>("src/cli/backup/restore.ts", [patch]);
    await assert.rejects(claimThatRestoredWaits("m", code), assert.AssertionError);
  });

  test("refuses a directory with anything in it, and takes an empty one", async () => {
    const dataDir = file("target");
    mkdirSync(dataDir);
    writeFileSync(join(dataDir, "keep"), "");
    await assert.rejects(restore(good, dataDir), {
      message: /is not empty/,
      fix: /records are newer/,
    });
    assert.deepEqual(readdirSync(dataDir), ["keep"]);
    rmSync(join(dataDir, "keep"));
    await restore(good, dataDir);
    assert(existsSync(join(dataDir, "enr-private-key")));
  });
});

describe("BACKUP-5: into a directory that is there, as a mount point is", () => {
  const find = "await rename(join(building, name), join(dataDir, name));\n  }\n  await sync";
  const MOVE = "await rename(join(building, name), join(dataDir, name));";

  test("a crash between two moves leaves nothing that a node would start from", async () => {
    for (const moves of [0, 1, 3, 5]) {
      const dataDir = file(`crash${moves}`);
      mkdirSync(dataDir);
      const dies = `if (names.indexOf(name) >= ${moves}) throw new Error("power"); ${MOVE}`;
      const patch: Patch = { find, replace: find.replace(MOVE, dies) };
      const code = await loadMutant<Code>("src/cli/backup/restore.ts", [patch]);
      await assert.rejects(restore(good, dataDir, code), /power/);
      const paths = { dataDir, lockFile: join(dataDir, "cluster-lock.json") };
      const others = {
        privateKeyFile: null,
        validatorKeysDir: null,
        contractWallets: new Set([""]),
      };
      await assert.rejects(readDataDir({ ...paths, ...others }), /enr-private-key does not exist/);
    }
  });

  test("a real mount point is filled", async (t) => {
    const dataDir = file("mounted");
    mkdirSync(dataDir);
    const disk = SmallDisk.mountOver(dataDir);
    if (disk === null) return t.skip("this system lets nobody mount a disk");
    t.after(() => disk.unmount());
    await restore(good, dataDir);
    assert.equal((await waitOf(dataDir, true)).refusalOf()?.code, "waiting");
  });

  test("a place that takes nothing is an error with the way out", async () => {
    const blocked = file("blocked");
    writeFileSync(blocked, "");
    await assert.rejects(restore(good, join(blocked, "node")), {
      name: "UsageError",
      message: /cannot be read: ENOTDIR|nothing can be written to/,
    });
  });
});

describe("BACKUP-2: nothing damaged, foreign or hostile is restored", () => {
  /** Refused by both commands, with what is wrong, and without a trace on the disk. */
  async function assertRefused(path: string, message: RegExp, open = keys.open): Promise<void> {
    await assert.rejects(verify(path, open), { name: "UsageError", message });
    const before = readdirSync(folder);
    const dataDir = file("refused");
    const restored = restoreBackup({ path, dataDir, open, json: true });
    await assert.rejects(restored, { name: "UsageError", message });
    assert.deepEqual(readdirSync(folder), before);
  }

  test("cut off anywhere", async () => {
    const bytes = readFileSync(good);
    const path = file("cut.age");
    for (const length of [0, 100, 250, 5_000, 65_536 + 200, bytes.length - 1]) {
      if (length >= bytes.length) continue;
      writeFileSync(path, bytes.subarray(0, length));
      await assertRefused(path, /cut off or was changed|does not open/);
    }
  });

  test("one bit flipped anywhere", async () => {
    const bytes = readFileSync(good);
    const path = file("flipped.age");
    for (const part of [0.001, 0.1, 0.3, 0.5, 0.7, 0.9, 0.9999]) {
      const flipped = Buffer.from(bytes);
      const at = Math.floor(part * bytes.length);
      flipped[at] = (flipped[at] ?? 0) ^ 0x10;
      writeFileSync(path, flipped);
      await assertRefused(path, /cut off or was changed|does not open/);
    }
  });

  test("with another identity", async () => {
    const stranger = await makeKeys(folder, "stranger.txt");
    await assertRefused(good, /does not open: no identity matched/, stranger.open);
  });

  /** An archive with a valid encryption, as anybody can make one who knows the recipient. */
  async function forge(entries: readonly (readonly [Headers, string])[]): Promise<string> {
    const tar = pack();
    for (const [header, text] of entries) tar.entry(header, text);
    tar.finalize();
    const parts: Uint8Array[] = [];
    for await (const part of tar) parts.push(part);
    const encrypter = new Encrypter();
    encrypter.addRecipient(keys.recipient);
    const path = file("forged.age");
    writeFileSync(path, await encrypter.encrypt(new Uint8Array(Buffer.concat(parts))));
    return path;
  }
  const HOSTILE: Readonly<Record<string, readonly [Headers, string, RegExp]>> = {
    "a path that leaves the directory": [
      { name: "../evil" },
      "x",
      /"\.\.\/evil" \(file\), which no/,
    ],
    "an absolute path": [{ name: "/etc/passwd" }, "x", /which no backup holds/],
    "a path that leaves a known folder": [
      { name: "validator_keys/../../keystore-0.json" },
      "x",
      /which no backup holds/,
    ],
    "a symbolic link": [
      { name: "FREEZE", type: "symlink", linkname: "/etc/passwd" },
      "",
      /"FREEZE" \(symlink\), which no/,
    ],
    "a database of its own": [{ name: "db/CURRENT" }, "x", /which no backup holds/],
    "no manifest": [{ name: "FREEZE" }, "x", /its manifest is missing/],
    "a newer format": [
      { name: "manifest.json" },
      '{"format":"coterie backup 2"}',
      /format 2, a newer release's/,
    ],
    "a manifest that is none": [{ name: "manifest.json" }, "{}", /manifest is not readable/],
    "records that are none": [
      { name: "records/000000.bin" },
      "\uffff\uffff\uffff",
      /cut off or was changed: a field of/,
    ],
  };
  for (const [name, [header, text, message]] of Object.entries(HOSTILE)) {
    test(`BACKUP-4: ${name}`, async () => assertRefused(await forge([[header, text]]), message));
  }

  test("the same file twice", async () => {
    const twice = await forge([
      [{ name: "FREEZE" }, "a"],
      [{ name: "FREEZE" }, "b"],
    ]);
    await assertRefused(twice, /it holds FREEZE twice/);
  });

  test("files that are not the manifest's", async () => {
    const manifest = JSON.stringify({
      ...{ format: "coterie backup 1", created_at: "", version: "", lock_hash: "", operator: 0 },
      ...{ was_running: false, records: 0, key_shares: 0 },
      files: [{ name: "FREEZE", bytes: 1, sha256: "0x00" }],
    });
    const changed: Headers = { name: "FREEZE" };
    await assertRefused(
      await forge([
        [changed, "a"],
        [{ name: "manifest.json" }, manifest],
      ]),
      /FREEZE is not the file that was put in/,
    );
    await assertRefused(await forge([[{ name: "manifest.json" }, manifest]]), /FREEZE is missing/);
  });
});

/** While a node signs without a pause, its backup is of one instant and lacks nothing older. */
async function claimOfOneInstant(dataDir: string, routes = adminRoutes) {
  const node = await openNode(dataDir);
  const stop = await serveAdmin(dataDir, { control: node.control, routes });
  await node.signEpoch(VALIDATORS);
  let isDone = false;
  let epochs = 0;
  const signing = (async () => {
    while (!isDone) {
      epochs = await node.signEpoch(VALIDATORS);
      await node.projector.project();
    }
  })();
  try {
    const out = `${dataDir}.age`;
    const before = epochs;
    const report = JSON.parse(await createBackup(createOptions(dataDir, out, keys)));
    assert(report.was_running && epochs > before, "the node signed meanwhile");
    const verified = await verify(out);
    assert.deepEqual(verified.problems, []);
    return { out, before, after: epochs };
  } finally {
    isDone = true;
    await signing;
    await stop();
    await node.close();
  }
}

describe("BACKUP-3: a backup of a node that signs", () => {
  test("is of one instant, and holds all that was signed before it", async () => {
    const { out, before, after } = await claimOfOneInstant(nodeDir(1));
    const dataDir = file("live");
    await restore(out, dataDir);
    const store = await openLevel(join(dataDir, "db"));
    const slashing = await openSlashingStore(store, CHAIN);
    await store.close();
    for (const [, { attestations }] of slashing.snapshot()) {
      const last = attestations.at(-1)?.target ?? 0;
      assert(last >= before && last <= after, `${before} <= ${last} <= ${after}`);
    }
    const audit = await verifyAudit({ dataDir, json: true });
    assert.deepEqual(JSON.parse(audit.text).problems, []);
  });

  test("killed: records read one by one", async () => {
    const patch: Patch = {
      file: "src/adapters/storage/storeDump.ts",
      find: "return store.entries(EVERYTHING);",
      replace: `const all = store as KeyValueStore;
        return (async function* () {
          for await (const [key] of all.entries(EVERYTHING)) {
            await new Promise((resolve) => setTimeout(resolve, 1));
            const value = await all.get(key);
            if (value !== undefined) yield [key, value] as const;
          }
        })();`,
    };
    const mutant = await loadMutant<typeof serving>("src/cli/safety/adminRoutes.ts", [patch]);
    await assert.rejects(
      claimOfOneInstant(nodeDir(2), mutant.adminRoutes),
      /damaged: \d+ entries are there/,
    );
  });
});

test("CLI-4: the commands take a passphrase file, and no passphrase", async () => {
  const passphrase = file("passphrase");
  writeFileSync(passphrase, "correct horse battery staple\n", { mode: 0o600 });
  const out = file("cli.age");
  const argv = ["backup", "create", "--data-dir", nodeDir(3), "--out", out];
  const shown = [...argv, "--passphrase", "correct horse battery staple"];
  assert.throws(() => refuseSecretsIn(shown), /--passphrase carries a secret on the command line/);
  const none = { passphraseFile: null, recipients: [], recipientsFile: null };
  await assert.rejects(readSeal(none), { message: /for a passphrase or for recipients/ });
  const created = await runCommand([...argv, "--passphrase-file", passphrase]);
  assert.equal(created.code, 0, created.stderr);
  assert.equal(statSync(out).mode & 0o777, 0o600);
  writeFileSync(passphrase, "correct horse battery stable\n");
  const wrong = await runCommand(["backup", "verify", out, "--passphrase-file", passphrase]);
  assert.equal(wrong.code, 64);
  assert.match(wrong.stderr, /does not open/);
});
