import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { systemClock } from "../../../src/adapters/system/clock.ts";
import { holdCharonLock } from "../../../src/cli/charonLock.ts";
import type { Root } from "../../../src/domain/keys.ts";
import { MAIN, runCommand } from "../../support/command.ts";
import { ADDRESSES, PRIVATE_CHAIN } from "../../support/keyMoves.ts";
import { temporaryFolder } from "../../support/temporary.ts";
import { until } from "../../support/until.ts";

const cluster = mkdtempSync(join(tmpdir(), "coterie-"));
before(async () => {
  const where = ["--cluster-dir", join(cluster, "squad"), ...PRIVATE_CHAIN, ...ADDRESSES];
  const created = await runCommand(["create", "cluster", ...where, "--insecure-keys"]);
  assert.equal(created.code, 0, created.stderr);
});
after(() => rmSync(cluster, { recursive: true }));

/** A data directory with Charon's names: the key without a line break, keystores `keystore-N`. */
function charonDir(t: TestContext): string {
  const folder = join(temporaryFolder(t), ".charon");
  cpSync(join(cluster, "squad/node0"), folder, { recursive: true });
  renameSync(join(folder, "enr-private-key"), join(folder, "charon-enr-private-key"));
  for (const end of ["json", "txt"]) {
    const keys = join(folder, "validator_keys");
    renameSync(join(keys, `keystore-insecure-0.${end}`), join(keys, `keystore-0.${end}`));
  }
  return folder;
}

/** `run` with nothing but the environment that a squad has for Charon. */
class Runner {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  output = "";

  constructor(t: TestContext, dataDir: string) {
    const environment = Object.entries(process.env).filter(
      ([name]) => !name.startsWith("COTERIE_"),
    );
    this.child = spawn(process.execPath, [MAIN, "run"], {
      env: {
        ...Object.fromEntries(environment),
        CHARON_DATA_DIR: dataDir,
        CHARON_BEACON_NODE_ENDPOINTS: "http://127.0.0.1:9",
        CHARON_P2P_TCP_ADDRESS: "127.0.0.1:0",
        CHARON_MONITORING_ADDRESS: "127.0.0.1:0",
        CHARON_VALIDATOR_API_ADDRESS: "127.0.0.1:0",
        CHARON_LOG_FORMAT: "json",
        CHARON_LOG_LEVEL: "debug",
        CHARON_LOKI_ADDRESSES: "http://127.0.0.1:9",
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.ended = new Promise((resolve) => this.child.once("close", resolve));
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        this.output += chunk.toString();
      });
    }
    t.after(() => this.child.kill("SIGKILL"));
  }
}

const digests = (folder: string): ReadonlyMap<string, string> =>
  new Map(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name))
      .map((path) => [path, createHash("sha256").update(readFileSync(path)).digest("hex")]),
  );

// CLI-8, CLI-10
test("Charon's data directory and environment run as they are, and stay as they are", async (t) => {
  const dataDir = charonDir(t);
  const files = digests(dataDir);
  const runner = new Runner(t, dataDir);
  const starting = (): boolean => runner.output.includes('"msg":"The node is starting."');
  await until("it starts", () => starting() || runner.child.exitCode !== null, 30_000);
  assert(starting(), runner.output);
  assert.match(runner.output, /notice: Charon's environment variables are used .*CHARON_DATA_DIR/);
  assert.match(runner.output, /notice: .* without effect here: CHARON_LOKI_ADDRESSES\n/);
  const lock = JSON.parse(readFileSync(join(dataDir, "charon-enr-private-key.lock"), "utf8"));
  const { lock_hash } = JSON.parse(readFileSync(join(dataDir, "cluster-lock.json"), "utf8"));
  assert.equal(lock.cluster_lock_hash, lock_hash);
  runner.child.kill("SIGTERM");
  assert.equal(await runner.ended, 0, runner.output);
  for (const [path, digest] of files) assert.equal(digests(dataDir).get(path), digest, path);
  const added = readdirSync(dataDir).filter((name) => !files.has(join(dataDir, name)));
  assert.deepEqual(added.sort(), [
    "admin-token",
    "audit",
    "charon-enr-private-key.lock",
    "db",
    "validator_keys",
  ]);
});

// CLI-8
test("while Charon runs on the same key, the node does not start", async (t) => {
  const dataDir = charonDir(t);
  const stopping = new AbortController();
  const charon = await holdCharonLock(
    {
      identityPath: join(dataDir, "charon-enr-private-key"),
      lockHash: `0x${"00".repeat(32)}` as Root,
      clock: systemClock,
      onLost: () => undefined,
      onWaiting: () => undefined,
    },
    stopping.signal,
  );
  t.after(() => charon.release());
  const runner = new Runner(t, dataDir);
  assert.equal(await runner.ended, 75, runner.output);
  assert.match(runner.output, /is running on this identity key/);
  assert(!runner.output.includes("The node is starting."));
});
