import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { decryptKeystore } from "../../../src/crypto/keystore.ts";
import { recoverSecret } from "../../../src/crypto/threshold.ts";
import { MAIN, runCommand } from "../../support/command.ts";
import { temporaryFolder } from "../../support/temporary.ts";

const ADDRESS = `0x${"a1".repeat(20)}`;

function createCluster(clusterDir: string, ...rest: readonly string[]) {
  return runCommand(createClusterArguments(clusterDir, "--insecure-keys", ...rest));
}

function createClusterArguments(clusterDir: string, ...rest: readonly string[]): string[] {
  const addresses = ["--fee-recipient-addresses", ADDRESS, "--withdrawal-addresses", ADDRESS];
  const chain = ["--testnet-fork-version", "0x10000038"];
  return ["create", "cluster", "--cluster-dir", clusterDir, ...chain, ...addresses, ...rest];
}

const listIfThere = (path: string): string[] => (existsSync(path) ? readdirSync(path) : []);
const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);

test("create enr makes a key only its owner reads, and enr prints the same record", async (t) => {
  const dataDir = join(temporaryFolder(t), "operator", ".coterie");
  const created = await runCommand(["create", "enr", "--data-dir", dataDir]);
  assert.equal(created.code, 0, created.stderr);
  assert.match(created.stdout, /^enr:[\w-]{100,}\n$/);
  assert.match(created.stderr, /Back it up now/);

  const keyPath = join(dataDir, "enr-private-key");
  assert.equal(modeOf(keyPath), "600");
  const key = readFileSync(keyPath, "utf8");
  assert.match(key, /^[0-9a-f]{64}$/);
  assert.ok(!`${created.stdout}${created.stderr}`.includes(key), "the key is never printed");

  const shown = await runCommand(["enr"], { COTERIE_DATA_DIR: dataDir });
  assert.deepEqual(shown, { code: 0, stdout: created.stdout, stderr: "" });

  const again = await runCommand(["create", "enr", "--data-dir", dataDir]);
  assert.equal(again.code, 64);
  assert.match(again.stderr, /^error: .*enr-private-key exists already/);
  assert.equal(readFileSync(keyPath, "utf8"), key);
});

test("enr reads Charon's key file and warns of its mode; create enr leaves it", async (t) => {
  const dataDir = temporaryFolder(t);
  const key = join(dataDir, "charon-enr-private-key");
  writeFileSync(key, `${"01".repeat(32)}\n`);
  chmodSync(key, 0o644);
  const shown = await runCommand(["enr", "--data-dir", dataDir]);
  assert.equal(shown.code, 0, shown.stderr);
  assert.match(shown.stderr, /charon-enr-private-key has mode 644 .* chmod 600/);
  const created = await runCommand(["create", "enr", "--data-dir", dataDir]);
  assert.equal(created.code, 64);
  assert.ok(!existsSync(join(dataDir, "enr-private-key")));
});

test("a key file that is missing or broken is named with its fix, its content never", async (t) => {
  const dataDir = temporaryFolder(t);
  const missing = await runCommand(["enr", "--data-dir", dataDir]);
  assert.equal(missing.code, 64);
  assert.match(
    missing.stderr,
    /enr-private-key does not exist\nfix: .* create a new identity with: coterie create enr/,
  );
  writeFileSync(join(dataDir, "enr-private-key"), "5ec2e7".repeat(10), { mode: 0o600 });
  const broken = await runCommand(["enr", "--data-dir", dataDir]);
  assert.equal(broken.code, 64);
  assert.match(broken.stderr, /holds no identity key \(64 hex digits\)\nfix: /);
  assert.ok(!broken.stderr.includes("5ec2e7"));
});

// CLI-9
test("create cluster lays out one complete data directory per node", async (t) => {
  const clusterDir = join(temporaryFolder(t), "squad");
  const created = await createCluster(clusterDir, "--num-validators", "2", "--nodes", "4");
  assert.equal(created.code, 0, created.stderr);
  assert.match(created.stderr, /WARNING: this machine held the whole key/);
  assert.deepEqual(readdirSync(clusterDir).sort(), ["node0", "node1", "node2", "node3"]);

  const secrets: string[] = [];
  for (const node of readdirSync(clusterDir)) {
    const path = (name: string): string => join(clusterDir, node, name);
    const keystores = [0, 1].map((i) => path(`validator_keys/keystore-insecure-${i}`));
    assert.deepEqual(
      [
        modeOf(path("enr-private-key")),
        modeOf(path("cluster-lock.json")),
        modeOf(path("deposit-data.json")),
        ...keystores.flatMap((base) => [modeOf(`${base}.json`), modeOf(`${base}.txt`)]),
      ],
      ["600", "444", "444", "444", "400", "444", "400"],
    );
    secrets.push(readFileSync(path("enr-private-key"), "utf8"));
    secrets.push(...keystores.map((base) => readFileSync(`${base}.txt`, "utf8")));
  }
  assert.equal(new Set(secrets).size, secrets.length, "no two secrets are equal");
  for (const secret of secrets) {
    assert.ok(!`${created.stdout}${created.stderr}`.includes(secret), "no secret is printed");
  }

  const lock = join(clusterDir, "node3", "cluster-lock.json");
  const verified = await runCommand(["verify", "lock", lock]);
  assert.equal(verified.code, 0, verified.stdout);
  assert.match(verified.stdout, /ok: all hashes and signatures hold\n$/);
});

test("t of the keystores make the validator's key; their public keys are the lock's", async (t) => {
  const clusterDir = join(temporaryFolder(t), "squad");
  assert.equal((await createCluster(clusterDir)).code, 0);
  const shares = await Promise.all(
    [0, 2, 3].map(async (node) => {
      const base = join(clusterDir, `node${node}`, "validator_keys", "keystore-insecure-0");
      const json = readFileSync(`${base}.json`, "utf8");
      const opened = await decryptKeystore({ json, password: readFileSync(`${base}.txt`, "utf8") });
      assert.ok(opened.ok);
      return { index: node + 1, secret: opened.value, pubkey: JSON.parse(json).pubkey };
    }),
  );
  const lock = JSON.parse(readFileSync(join(clusterDir, "node0", "cluster-lock.json"), "utf8"));
  const [validator] = lock.distributed_validators;
  for (const { index, pubkey } of shares) {
    assert.equal(`0x${pubkey}`, validator.public_shares[index - 1]);
  }
  const whole = recoverSecret(shares);
  assert.ok(whole !== null);
  const { parseSecretKey } = await import("../../../src/crypto/points.ts");
  const publicKey = Buffer.from(parseSecretKey(whole)?.publicKey ?? []).toString("hex");
  assert.equal(`0x${publicKey}`, validator.distributed_public_key);
});

test("a killed create cluster leaves no node behind and does not block the next", async (t) => {
  const clusterDir = join(temporaryFolder(t), "squad");
  const strong = createClusterArguments(clusterDir, "--num-validators", "30");
  const killed = spawn(process.execPath, [MAIN, ...strong], { stdio: "ignore" });
  const ended = new Promise((resolve) => killed.once("close", resolve));
  const isBuilding = (): boolean =>
    listIfThere(clusterDir).some((name) => name.startsWith(".creating-"));
  while (killed.exitCode === null && !isBuilding()) await sleep(20);
  killed.kill("SIGKILL");
  await ended;
  assert.equal(killed.signalCode, "SIGKILL");
  assert.deepEqual(
    readdirSync(clusterDir).filter((name) => name.startsWith("node")),
    [],
  );
  assert.equal((await createCluster(clusterDir)).code, 0);
});

test("a second create cluster refuses to overwrite and changes nothing", async (t) => {
  const clusterDir = join(temporaryFolder(t), "squad");
  assert.equal((await createCluster(clusterDir)).code, 0);
  const lock = join(clusterDir, "node0", "cluster-lock.json");
  const before = readFileSync(lock, "utf8");
  const second = await createCluster(clusterDir);
  assert.equal(second.code, 64);
  assert.match(second.stderr, /node0 exists already and is not overwritten\nfix: choose another/);
  assert.equal(readFileSync(lock, "utf8"), before);
  assert.deepEqual(readdirSync(clusterDir).sort(), ["node0", "node1", "node2", "node3"]);
});

test("verify lock fails by name when a single byte of any field changes", async (t) => {
  const folder = temporaryFolder(t);
  assert.equal((await createCluster(join(folder, "squad"))).code, 0);
  const original = readFileSync(join(folder, "squad/node0/cluster-lock.json"), "utf8");
  const changed = join(folder, "changed.json");
  for (const [field, expected] of [
    ["withdrawal_address", /deposit_data|config_hash|definition_hash/],
    ["distributed_public_key", /distributed_validators\[0\]\.distributed_public_key/],
    ["signature_aggregate", /signature_aggregate/],
    ["lock_hash", /lock_hash does not match the lock/],
    ["config_hash", /cluster_definition\.config_hash/],
  ] as const) {
    writeFileSync(changed, flipLastDigit(original, field));
    const { code, stdout } = await runCommand(["verify", "lock", changed]);
    assert.equal(code, 1, field);
    assert.match(stdout, /^INVALID: .*changed\.json$/m);
    assert.match(stdout, expected, field);
    const report = await runCommand(["verify", "lock", "--json", changed]);
    assert.equal(report.code, 1);
    const { valid, faults } = JSON.parse(report.stdout);
    assert.equal(valid, false);
    assert.ok(
      faults.some((fault: { path: string }) =>
        expected.test(`${fault.path} does not match the lock`),
      ),
    );
  }
});

/** The file with the last hex digit of a field's first value changed. */
function flipLastDigit(text: string, field: string): string {
  return text.replace(
    new RegExp(`("${field}": "0x[0-9a-f]*)([0-9a-f])"`),
    (_, head: string, digit: string) => `${head}${digit === "0" ? "1" : "0"}"`,
  );
}

test("a lock that is cut off or none is invalid, a missing one is a usage error", async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, "cluster-lock.json");
  writeFileSync(path, '{"cluster_definition": {"version": "v1.10.0"');
  const truncated = await runCommand(["verify", "lock", path]);
  assert.equal(truncated.code, 1);
  assert.match(truncated.stdout, /the file is no JSON/);
  writeFileSync(path, "[]");
  assert.equal((await runCommand(["verify", "lock", path])).code, 1);
  const missing = await runCommand(["verify", "lock", join(folder, "absent.json")]);
  assert.equal(missing.code, 64);
  assert.match(missing.stderr, /absent\.json does not exist\nfix: name a cluster-lock\.json/);
});

test("version prints the package's, as text and as JSON", async () => {
  const { version } = JSON.parse(
    readFileSync(join(import.meta.dirname, "../../../package.json"), "utf8"),
  );
  assert.ok((await runCommand(["version"])).stdout.startsWith(`coterie ${version} (node 2`));
  const json = JSON.parse((await runCommand(["version", "--json"])).stdout);
  assert.deepEqual(json, {
    version,
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
  });
});

// CLI-1, CLI-3
test("wrong usage exits 64 with the problem, the fix and no stack", async () => {
  for (const [argv, message] of [
    [
      ["run", "--beacon-node-endpoint", "x"],
      /unknown option .*\nfix: did you mean --beacon-node-endpoints\?/,
    ],
    [["runn"], /unknown command 'runn'\nfix: did you mean run\?/],
    [["run", "--data-dir"], /argument missing/],
    [["run"], /--beacon-node-endpoints is required/],
    [["run", "--config", "/absent.json"], /absent\.json does not exist/],
    [["verify", "lock"], /missing required argument 'file'/],
    [["create", "cluster"], /the chain is not known|--fee-recipient-addresses is required/],
  ] as const) {
    const { code, stdout, stderr } = await runCommand(argv);
    assert.equal(code, 64, `${argv.join(" ")}: ${stderr}`);
    assert.match(stderr, message);
    assert.match(stderr, /^error: /);
    assert.ok(!/\n\s+at /.test(stderr), "no stack");
    assert.equal(stdout, "");
  }
});

// CLI-4
test("a secret on the command line is refused and never repeated", async () => {
  const key = "6b".repeat(32);
  for (const argv of [
    ["run", "--private-key-hex", key],
    ["run", `--unknown-flag=${key}`],
    ["run", "--beacon-node-endpoints", `http://me:${key}@127.0.0.1:5052`],
  ]) {
    const { code, stdout, stderr } = await runCommand(argv);
    assert.equal(code, 64);
    assert.ok(!`${stdout}${stderr}`.includes(key), stderr);
  }
});

test("help is no error", async () => {
  const { code, stdout } = await runCommand(["run", "--help"]);
  assert.equal(code, 0);
  assert.match(stdout, /--p2p-tcp-address <host:port>/);
  assert.match(stdout, /COTERIE_P2P_TCP_ADDRESS/);
});
