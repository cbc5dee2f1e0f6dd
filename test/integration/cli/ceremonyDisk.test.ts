import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { attemptsMade, openCeremonyDisk } from "../../../src/cli/dkg/ceremonyDisk.ts";
import { verifyFiles } from "../../../src/cli/dkg/verifyFiles.ts";
import { pubKeyOf, rootOf } from "../../../src/domain/keys.ts";
import { CeremonyTable } from "../../support/ceremonyTable.ts";
import { temporaryFolder } from "../../support/temporary.ts";

const HASH = rootOf(new Uint8Array(32).fill(5));
const SECRETS = [3, 4].map((i) => new Uint8Array(32).fill(i));
const SHARES = { secrets: SECRETS, groupKeys: [], pubShares: [] };
const FILES = [
  { name: "deposit-data.json", text: "[]" },
  { name: "cluster-lock.json", text: "{}" },
];
const ENDED = {
  attempt: 1,
  phase: "reveal",
  reason: "operator 2 said nothing in the reveal phase",
  culprit: null,
  missing: [2],
  groupKeys: [pubKeyOf(new Uint8Array(48).fill(1))],
  keepsShares: false,
} as const;

/** The disk of one run of the program, which ends with the test at the latest. */
async function open(t: TestContext, dataDir: string) {
  const secretKey = new Uint8Array(32).fill(7);
  const disk = await openCeremonyDisk({ dataDir, definitionHash: HASH, secretKey, kdf: "weak" });
  t.after(() => disk.close());
  return disk;
}
/** The same, in an attempt whose key shares are stored. */
async function openWithShares(t: TestContext, dataDir: string) {
  const disk = await open(t, dataDir);
  await disk.open(1);
  await disk.append(Uint8Array.of(1));
  await disk.storeShares(SHARES);
  return disk;
}
const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);

test("OUT-2 shares are read back from their files, whichever crash came before", async (t) => {
  const dataDir = temporaryFolder(t);
  const disk = await open(t, dataDir);
  assert.deepEqual(await disk.open(1), []);
  await disk.append(Uint8Array.of(1, 2));
  assert.deepEqual(await disk.storeShares(SHARES), SECRETS);
  const kept = join(dataDir, "dkg/attempt-1/validator_keys");
  assert.equal(modeOf(join(kept, "keystore-insecure-1.json")), "444");
  assert.equal(modeOf(join(kept, "keystore-insecure-1.txt")), "400");

  // Killed while the shares were built: what lies there is half of them.
  renameSync(kept, `${kept}.tmp`);
  const again = await open(t, dataDir);
  assert.equal(again.current(), 1);
  assert.deepEqual(await again.open(1), [Uint8Array.of(1, 2)]);
  assert.deepEqual(await again.storeShares(SHARES), SECRETS);
  // Killed after it: they are there already, and stay as they are.
  const before = readFileSync(join(kept, "keystore-insecure-0.json"), "utf8");
  assert.deepEqual(await again.storeShares(SHARES), SECRETS);
  assert.equal(readFileSync(join(kept, "keystore-insecure-0.json"), "utf8"), before);
});

test("OUT-2 outputs appear whole, the lock last, however often it is done", async (t) => {
  const dataDir = temporaryFolder(t);
  const disk = await openWithShares(t, dataDir);
  await disk.publish(FILES);
  await disk.publish(FILES);
  const restarted = await open(t, dataDir);
  assert.equal(restarted.isPublished(), true);
  await restarted.open(1);
  assert.deepEqual(await restarted.storeShares(SHARES), SECRETS, "found where they were put");
  await restarted.publish(FILES);
  await restarted.erase();
  assert.deepEqual(readdirSync(dataDir).sort(), [
    "cluster-lock.json",
    "deposit-data.json",
    "dkg",
    "validator_keys",
  ]);
  assert.deepEqual(readdirSync(join(dataDir, "dkg")), []);
  assert.equal(readdirSync(join(dataDir, "validator_keys")).length, 4);
});

test("OUT-2 no lock is put where the key shares of its ceremony are gone", async (t) => {
  const dataDir = temporaryFolder(t);
  const disk = await openWithShares(t, dataDir);
  const kept = join(dataDir, "dkg/attempt-1/validator_keys");
  renameSync(kept, join(dataDir, "elsewhere"));
  await assert.rejects(disk.publish(FILES), /key shares that were written to .* are gone/);
  assert.ok(!existsSync(join(dataDir, "cluster-lock.json")));
  renameSync(join(dataDir, "elsewhere"), kept);
  await disk.publish(FILES);
  assert.equal(readdirSync(join(dataDir, "validator_keys")).length, 4);
});

test("OUT-3 a ceremony does not begin where a cluster is", async (t) => {
  for (const name of ["cluster-lock.json", "validator_keys"]) {
    const dataDir = temporaryFolder(t);
    if (name.endsWith(".json")) writeFileSync(join(dataDir, name), "{}");
    else mkdirSync(join(dataDir, name));
    await assert.rejects(open(t, dataDir), /exists already: this node has a cluster/);
  }
});

test("JOURNAL-4 what ends is on record, and is erased unless shares are to be kept", async (t) => {
  const dataDir = temporaryFolder(t);
  const disk = await open(t, dataDir);
  await disk.open(1);
  await disk.append(Uint8Array.of(1));
  await disk.end(ENDED, null);
  assert.ok(!existsSync(join(dataDir, "dkg/attempt-1")));
  await disk.open(2);
  await disk.append(Uint8Array.of(2));
  await disk.storeShares(SHARES);
  await disk.end({ ...ENDED, attempt: 2, keepsShares: true }, Uint8Array.of(9));
  const restarted = await open(t, dataDir);
  assert.deepEqual(
    restarted
      .ended()
      .map(({ attempt, keepsShares, missing }) => ({ attempt, keepsShares, missing })),
    [
      { attempt: 1, keepsShares: false, missing: [2] },
      { attempt: 2, keepsShares: true, missing: [2] },
    ],
  );
  assert.equal(restarted.current(), 0);
  assert.equal(await attemptsMade(dataDir), 2);
  assert.ok(existsSync(join(dataDir, "dkg/attempt-2/validator_keys")));
  assert.match(readFileSync(join(dataDir, "blame.json"), "utf8"), /"evidence": "0x09"/);
  assert.equal(await restarted.reopen(1), false);
  assert.equal(await restarted.reopen(2), true);
  assert.equal((await open(t, dataDir)).current(), 2);
});

test("JOURNAL-5 an attempt without its journal is over, and keeps its key shares", async (t) => {
  const dataDir = temporaryFolder(t);
  const attempt = join(dataDir, "dkg/attempt-1");
  const disk = await open(t, dataDir);
  await disk.open(1);
  // A power cut before the first record: nothing was said, and the lobby says what comes next.
  assert.equal((await open(t, dataDir)).current(), 0);
  await disk.append(Uint8Array.of(1));
  assert.equal((await open(t, dataDir)).current(), 1);
  await disk.storeShares(SHARES);
  await disk.close();
  // Damaged, and moved away as the program advises: others may have the keys message by then.
  renameSync(join(attempt, "journal"), join(dataDir, "moved"));
  const restarted = await open(t, dataDir);
  assert.equal(restarted.current(), 0);
  assert.match(restarted.ended()[0]?.reason ?? "", /key shares are in .*attempt-1\/validator_keys/);
  assert.equal(await attemptsMade(dataDir), 1, "its number is not used again");
  await restarted.open(2);
  await restarted.end({ ...ENDED, attempt: 2 }, null);
  assert.equal(readdirSync(join(attempt, "validator_keys")).length, 4);
  // Others may have finished it; it takes the journal to do so here.
  assert.equal(await restarted.reopen(1), false);
  renameSync(join(dataDir, "moved"), join(attempt, "journal"));
  assert.equal(await restarted.reopen(1), true);
});

test("JOURNAL-5 a journal erased before its folder begins no ceremony anew", async (t) => {
  const dataDir = temporaryFolder(t);
  const disk = await openWithShares(t, dataDir);
  await disk.publish(FILES);
  await disk.close();
  writeFileSync(join(dataDir, "dkg/attempt-1/journal"), "");
  await assert.rejects(open(t, dataDir), /exists already: this node has a cluster/);
});

/** The files of a real ceremony, and which of them hold what. */
async function ceremonyFolder(t: TestContext) {
  const table = new CeremonyTable({ validators: 2 });
  t.after(() => table.stop());
  for (const node of [0, 1, 2, 3]) table.start(node);
  await table.runToEnd();
  const folder = temporaryFolder(t);
  const files = table.disks[0]?.files ?? [];
  for (const { name, text } of files) writeFileSync(join(folder, name), text);
  return { folder, files, table };
}
const verify = (...paths: readonly string[]) =>
  verifyFiles({ paths, contractWallets: new Set(), json: true });

test("OUT-1 every operator gets the same files, one deposit file per amount", async (t) => {
  const { files, table } = await ceremonyFolder(t);
  assert.deepEqual(files.map(({ name }) => name).sort(), [
    "builder-registrations.json",
    "cluster-lock.json",
    "deposit-data-1eth.json",
    "deposit-data-31eth.json",
    "transcript.json",
  ]);
  for (const disk of table.disks) assert.deepEqual(disk.files, files);
});

test("PROVE-1 a folder verifies; with a byte changed or a deposit less it does not", async (t) => {
  const { folder } = await ceremonyFolder(t);
  const whole = await verify(folder);
  assert.ok(whole.isValid, whole.text);
  const report = JSON.parse(whole.text);
  assert.equal(report.deposits.length, 4);
  assert.deepEqual(report.withdrawalAddresses, ["0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"]);

  const path = (name: string): string => join(folder, name);
  const refused = async (name: string, change: (text: string) => string, place: RegExp) => {
    const text = readFileSync(path(name), "utf8");
    writeFileSync(path(name), change(text));
    const changed = await verify(folder);
    assert.ok(!changed.isValid, `${name} may not be changed`);
    const faults = JSON.parse(changed.text).faults.map(
      (fault: { file: string; path: string }) => `${fault.file.split("/").at(-1)} ${fault.path}`,
    );
    assert.ok(
      faults.some((fault: string) => place.test(fault)),
      `${name}: ${faults.join("; ")}`,
    );
    writeFileSync(path(name), text);
  };
  const flipLast = (text: string): string =>
    text.replace(/([0-9a-f])"\n/, (_, digit) => `${digit === "0" ? "1" : "0"}"\n`);
  await refused("transcript.json", flipLast, /transcript\.json (definition|lock)_hash|messages/);
  await refused("transcript.json", (text) => text.replace("{", "{ "), /transcript\.json/);
  await refused(
    "deposit-data-1eth.json",
    (text) => text.replace("1000000000", "2000000000"),
    /root/,
  );
  await refused("cluster-lock.json", (text) => text.replace("squad", "squat"), /config_hash/);
  // What a lock that does not verify asks for in deposits is not asked.
  const shorter = (text: string): string => {
    const lock = JSON.parse(text);
    lock.cluster_definition.validators.pop();
    return JSON.stringify({
      ...lock,
      cluster_definition: { ...lock.cluster_definition, num_validators: 1, timestamp: "" },
    });
  };
  await refused("cluster-lock.json", shorter, /distributed_validators/);
  const amounts = readFileSync(path("deposit-data-31eth.json"), "utf8");
  const [, second] = JSON.parse(amounts);
  await refused("deposit-data-31eth.json", () => JSON.stringify([second]), /deposit-data/);
  const alone = await verify(path("transcript.json"));
  assert.match(alone.text, /cannot be checked without the cluster lock/);
  assert.ok((await verify(path("deposit-data-1eth.json"))).isValid, "a deposit file by itself");
});
