import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { MAIN, runCommand } from "../../support/command.ts";

/** No beacon node answers here: the discard port. */
const NO_BEACON_NODE = "http://127.0.0.1:9";
const START_TIMEOUT_MS = 60_000;

const clusterDir = mkdtempSync(join(tmpdir(), "coterie-"));
const nodeDir = (index: number): string => join(clusterDir, "squad", `node${index}`);
before(async () => {
  const address = `0x${"a1".repeat(20)}`;
  const created = await runCommand([
    ...["create", "cluster", "--cluster-dir", join(clusterDir, "squad"), "--insecure-keys"],
    ...["--testnet-fork-version", "0x10000038", "--fee-recipient-addresses", address],
    ...["--withdrawal-addresses", address],
  ]);
  assert.equal(created.code, 0, created.stderr);
});
after(() => rmSync(clusterDir, { recursive: true }));

const runArguments = (index: number, monitoringPort: number): readonly string[] => [
  ...["run", "--data-dir", nodeDir(index), "--beacon-node-endpoints", NO_BEACON_NODE],
  ...["--p2p-tcp-address", "127.0.0.1:0", "--log-format", "json", "--log-level", "debug"],
  ...["--monitoring-address", `127.0.0.1:${monitoringPort}`],
  ...["--validator-api-address", "127.0.0.1:0"],
];

class RunningNode {
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;
  log = "";

  constructor(index: number) {
    this.#child = spawn(process.execPath, [MAIN, ...runArguments(index, 0)], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#ended = new Promise((resolve) => this.#child.once("close", resolve));
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        this.log += chunk.toString();
      });
    }
  }

  /** The monitoring server's URL, once the node has logged that it starts. */
  async url(): Promise<string> {
    for (let waitedMs = 0; waitedMs < START_TIMEOUT_MS; waitedMs += 50) {
      const port = /"monitoring":(\d+)/.exec(this.log)?.[1];
      if (port !== undefined) return `http://127.0.0.1:${port}`;
      assert.equal(this.#child.exitCode, null, this.log);
      await sleep(50);
    }
    return assert.fail(`the node does not start:\n${this.log}`);
  }

  stop(signal: NodeJS.Signals): Promise<number | null> {
    this.#child.kill(signal);
    return this.#ended;
  }
}

test("without a beacon node: alive, not ready and why, and SIGTERM ends it with 0", async (t) => {
  const node = new RunningNode(0);
  t.after(() => node.stop("SIGKILL"));
  const url = await node.url();
  assert.equal((await fetch(`${url}/livez`)).status, 200);
  const ready = await fetch(`${url}/readyz`);
  assert.equal(ready.status, 503);
  const { reasons } = (await ready.json()) as { reasons: string[] };
  assert.ok(reasons.length > 0);
  const metrics = await (await fetch(`${url}/metrics`)).text();
  assert.match(metrics, /cluster_name="coterie",cluster_hash="[0-9a-f]{7}",cluster_peer="0"/);

  // CLI-8: Charon finds a lock that it understands beside the key.
  const lock = JSON.parse(readFileSync(join(nodeDir(0), "enr-private-key.lock"), "utf8"));
  assert.equal(lock.command, "coterie run");
  assert.equal(await node.stop("SIGTERM"), 0, node.log);
});

// OPS-1
test("no secret of the data directory appears in the log at any level", async (t) => {
  const node = new RunningNode(1);
  t.after(() => node.stop("SIGKILL"));
  await node.url();
  await node.stop("SIGINT");
  const secrets = readdirSync(nodeDir(1), { recursive: true, encoding: "utf8" })
    .filter((name) => /enr-private-key$|\.txt$/.test(name))
    .map((name) => readFileSync(join(nodeDir(1), name), "utf8"));
  assert.equal(secrets.length, 2);
  for (const secret of secrets) assert.ok(!node.log.includes(secret));
});

test("a second node on the same data directory is refused, the first goes on", async (t) => {
  const node = new RunningNode(2);
  t.after(() => node.stop("SIGKILL"));
  const url = await node.url();
  const second = await runCommand(runArguments(2, 0));
  assert.equal(second.code, 75, second.stderr);
  assert.match(second.stderr, /error: the data directory belongs to another program/);
  assert.equal((await fetch(`${url}/livez`)).status, 200);
});

test("a busy monitoring port ends the start with the address and the flag", async (t) => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  const { code, stderr } = await runCommand(runArguments(3, address.port));
  assert.equal(code, 64, stderr);
  assert.match(stderr, new RegExp(`127\\.0\\.0\\.1:${address.port} is in use`));
  assert.match(stderr, /fix: choose another with --monitoring-address/);
});

test("a live Charon on the same key is an error that says so", async (t) => {
  const path = join(nodeDir(3), "enr-private-key.lock");
  const write = (): void => {
    const timestamp = new Date().toISOString();
    writeFileSync(path, JSON.stringify({ command: "charon run", timestamp }));
  };
  write();
  const charon = setInterval(write, 200);
  t.after(() => clearInterval(charon));
  const { code, stderr } = await runCommand(runArguments(3, 0));
  assert.equal(code, 75, stderr);
  assert.match(stderr, /"charon run" is running on this identity key/);
});
