/** A 3-of-4 cluster as its operators run it: processes, signals, data directories, one chain. */
import assert from "node:assert/strict";
import { cpSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { freePorts } from "../../../scripts/demo/cluster.ts";
import { createBackup } from "../../../src/cli/backup/create.ts";
import { restoreBackup } from "../../../src/cli/backup/restore.ts";
import { verifyBackup } from "../../../src/cli/backup/verify.ts";
import { freeze, unfreeze } from "../../../src/cli/safety/freeze.ts";
import { showStatus } from "../../../src/cli/status.ts";
import { createOptions, type Keys, makeKeys } from "../../support/backups.ts";
import { runCommand } from "../../support/command.ts";
import { eventually } from "../../support/eventually.ts";
import { LiveCluster } from "../../support/liveCluster.ts";
import type { LogRecord } from "../../support/liveNode.ts";
import { secretsOf } from "../../support/secrets.ts";

/** Every node leads one of as many slots. */
const PHASE_SLOTS = 4;
const STOP_BOUND_MS = 4_000;
const TWIN = /another process signs with this operator's identity right now/;
const EXIT_TWIN = 70;
/** What the chaos peer is told to do, and what it logs when it has done so. */
const LIES = ["equivocate", "garbage-partials", "forge"];
const ACTED = "This operator misbehaved.";

describe("a cluster of four processes on a live chain", () => {
  let cluster: LiveCluster;
  let firstSlot = 0;
  let killedAt = 0;
  let keys: Keys;
  /** A copy of node 1's data directory from when it was killed. */
  let atRest = "";
  before(async () => {
    cluster = await LiveCluster.create();
    // Node 2's operator comes from Charon and starts in the directory that Charon wrote.
    const { dataDir } = cluster.node(2);
    renameSync(join(dataDir, "enr-private-key"), join(dataDir, "charon-enr-private-key"));
    cluster.start(0, 1, 2, 3);
    await cluster.untilReady(0, 1, 2, 3);
    firstSlot = (await cluster.chain.nextSlot()) + 1;
    await cluster.chain.untilSlot(firstSlot + PHASE_SLOTS);
  });
  after(() => cluster?.close());

  it("says what it does: livez, readyz, and metrics that count the duties", async () => {
    const node = cluster.node(2);
    assert.equal(await node.isAlive(), true);
    assert.deepEqual(await node.readiness(), { ready: true, reasons: [] });
    const metrics = await node.metrics();
    assert(metrics("coterie_duties_total", { duty: "attester", outcome: "completed" }) > 0);
    assert.equal(metrics("coterie_p2p_peer_connected"), 3);
    assert.equal(metrics("coterie_beacon_endpoint_healthy"), 1);
    const text = await node.metricsText();
    assert.match(text, /cluster_name="demo",cluster_hash="[0-9a-f]{7}",cluster_peer="2"/);
  });

  it("refuses a second process on a data directory by name, and the first goes on", async () => {
    const first = cluster.node(0);
    const second = await runCommand(await elsewhere(first.argv, {}));
    assert.equal(second.code, 75, second.stderr);
    assert.match(second.stderr, new RegExp(`instance\\.lock is held by process ${first.pid}`));
    assert.match(second.stderr, /Stop that process, or give this node a data directory of its own/);
    assertNoStack(second.stderr);
    assert.equal((await first.readiness())?.ready, true);
  });

  it("refuses a copy of a data directory while the original is in use", async () => {
    const { dataDir, argv, pid } = cluster.node(3);
    const copy = join(cluster.dir, "copy");
    cpSync(dataDir, copy, { recursive: true });
    const second = await runCommand(await elsewhere(argv, { "--data-dir": copy }));
    assert.equal(second.code, 75, second.stderr);
    assert.match(second.stderr, new RegExp(`held by process ${pid}.*never copy one`));
  });

  it("ADMIN-1: answers its operator's commands, and nobody without the token", async () => {
    const { dataDir } = cluster.node(0);
    const url = readFileSync(join(dataDir, "admin-address"), "utf8").trim();
    for (const headers of [{}, { authorization: "Bearer 0" }]) {
      const answer = await fetch(`${url}/admin/v1/status`, { headers });
      assert.equal(answer.status, 401);
    }
    const { text, exitCode } = await showStatus({ dataDir, json: false });
    assert.equal(exitCode, 0, text);
    for (const peer of [1, 2, 3]) assert.match(text, new RegExp(`peer +${peer} direct, ready`));
    assert.match(text, /beacon node 127\.0\.0\.1:\d+ ok\n[\s\S]*duty +\d+\/attester complete/);
  });

  it("FREEZE-5: freezes by command, by file and by signal while it runs", async () => {
    const node = cluster.node(0);
    const { dataDir } = node;
    const target = { scope: "all", validator: null } as const;
    const frozenBy = async (): Promise<string> => {
      const { text } = await showStatus({ dataDir, json: true });
      return JSON.parse(text)
        .node.freezes.map(({ by }: { by: string }) => by)
        .join();
    };
    const untilFrozenBy = (by: string): Promise<boolean> =>
      eventually(
        `frozen by "${by}"`,
        async () => ((await frozenBy()) === by ? true : null),
        10_000,
      );

    process.kill(node.pid, "SIGUSR1");
    await eventually("SIGUSR1 is refused", () =>
      node.lines.some((line) => line.startsWith("SIGUSR1 is ignored")) ? true : null,
    );
    assert(!node.lines.some((line) => /Debugger listening/.test(line)), "Node's debugger is off");

    await freeze({ dataDir, target, json: false }, "drill");
    assert.match(await frozenBy(), / by command$/);
    const refusals = async (): Promise<number> =>
      (await node.metrics())("coterie_gate_refusals_total", { code: "frozen" });
    await eventually("its signatures are refused", async () => (await refusals()) > 0 || null);
    await unfreeze({ dataDir, target, json: false });

    writeFileSync(join(dataDir, "FREEZE"), "disk is full\n");
    await untilFrozenBy("the FREEZE file");
    rmSync(join(dataDir, "FREEZE"));
    await untilFrozenBy("");

    process.kill(node.pid, "SIGUSR2");
    await untilFrozenBy("signal");
    await unfreeze({ dataDir, target, json: false });
    assert.equal(await frozenBy(), "");
    assert.equal(await node.isAlive(), true);
  });

  it("BACKUP-3: is backed up while it signs", async () => {
    keys = await makeKeys(cluster.dir, "identity.txt");
    const out = join(cluster.dir, "live.age");
    await createBackup(createOptions(cluster.node(3).dataDir, out, keys));
    const { isValid, text } = await verifyBackup({ path: out, open: keys.open, json: true });
    assert(isValid, text);
    const { was_running, records, key_shares: shares } = JSON.parse(text);
    assert(was_running && records > 0 && shares > 0, text);
  });

  it("goes on when a node is killed without warning", async () => {
    killedAt = await cluster.chain.nextSlot();
    await cluster.node(1).kill();
    // As on another machine, which knows nothing of the lock.
    atRest = join(cluster.dir, "at-rest");
    cpSync(cluster.node(1).dataDir, atRest, { recursive: true });
    rmSync(join(atRest, "instance.lock"));
    await cluster.chain.untilSlot(killedAt + PHASE_SLOTS);
  });

  it("takes a dead process's lock over, and the node signs again when it is needed", async () => {
    const killed = cluster.node(1);
    assert(existsSync(join(killed.dataDir, "instance.lock")), "a killed node leaves its lock");
    killed.start();
    await cluster.untilReady(1);
    // In the slot of its restart it does not vote (VOTE-2): nobody else may be missing there.
    await cluster.chain.nextSlot();
    // Three of four are left, so that each of them has to sign.
    const startedAt = performance.now();
    const stopped = cluster.node(0);
    assert.equal(await stopped.stop(), 0, stopped.tail());
    assert(performance.now() - startedAt < STOP_BOUND_MS, "it stops within seconds");
    assert(!existsSync(join(stopped.dataDir, "instance.lock")), "a clean stop leaves no lock");
    const from = await cluster.chain.nextSlot();
    await cluster.chain.untilSlot(from + PHASE_SLOTS);
  });

  it("TWIN-3: of a copied data directory with live signers on both copies one signs", async (t) => {
    // Three of four run, so that the chain's duties need the original in each slot.
    const original = cluster.node(1);
    const from = original.log.length;
    const [p2pPort = 0, monitoringPort = 0] = await freePorts(2);
    const copy = original.twin({ dataDir: atRest, p2pPort, monitoringPort });
    copy.start();
    try {
      const connected = timeOf(await copy.untilLogged(/^Connected to a peer/));
      const told = await copy.untilLogged(TWIN);
      const originalTold = await original.untilLogged(TWIN, { from });
      assert.match(told.msg, /this one stops/);
      assert.match(originalTold.msg, /it goes on/);
      assert.equal(await copy.finish(), EXIT_TWIN, copy.tail());
      const [first, second] = [timeOf(told) - connected, timeOf(originalTold) - connected];
      t.diagnostic(`told ${first} ms and ${second} ms after the copy had connected`);
    } finally {
      if (copy.isRunning) await copy.kill();
    }
    await original.untilReady();
    await cluster.chain.nextSlot();
  });

  it("had every duty on chain with the right votes, but for the slot of the kill", async () => {
    const lastSlot = cluster.chain.slot - 1;
    await cluster.assertAllDone(firstSlot, killedAt - 1);
    await cluster.assertAllDone(killedAt + 1, lastSlot);
  });

  it("BYZ-3: bears an operator that lies behind its own node, and counts its lies", async () => {
    const liar = cluster.node(0);
    const from = await cluster.chain.nextSlot();
    liar.startChaos(LIES.join(","));
    for (const name of LIES) {
      await eventually(`BYZ-2: ${name} acted`, () => {
        assert(liar.isRunning, liar.tail());
        return liar.log.find(({ msg, behaviour }) => msg === ACTED && behaviour === name) ?? null;
      });
    }
    await cluster.chain.untilSlot((await cluster.chain.nextSlot()) + 2);
    await cluster.assertAllDone(from, cluster.chain.slot - 1);
    for (const index of [1, 2, 3]) {
      const metrics = await cluster.node(index).metrics();
      const forgeriesOf = (peer: number): number =>
        metrics("coterie_rejections_total", { peer: String(peer), code: "bad_signature" });
      assert(forgeriesOf(0) > 0, `node ${index} refused what the liar forged`);
      for (const honest of [1, 2, 3]) assert.equal(forgeriesOf(honest), 0);
    }
    await liar.kill();
  });

  it("never let out anything slashable, and nobody is accused of it", async () => {
    assert.deepEqual(await cluster.chain.slashings(), []);
    for (const index of [1, 2, 3]) {
      assert.equal((await cluster.node(index).metrics())("coterie_gate_refusals_total"), 0);
    }
  });

  it("BACKUP-5: restored from a backup it waits, and /readyz says why and how long", async () => {
    const node = cluster.node(0);
    const path = join(cluster.dir, "stopped.age");
    await createBackup(createOptions(node.dataDir, path, keys));
    renameSync(node.dataDir, `${node.dataDir}.old`);
    await restoreBackup({ path, dataDir: node.dataDir, open: keys.open, json: true });
    node.start();
    await node.untilReason(/signing resumes in .* \(2 epochs, .*restored from the backup of 20/);
    const { text, exitCode } = await showStatus({ dataDir: node.dataDir, json: false });
    assert.equal(exitCode, 1);
    assert.match(text, /waits +signing resumes in .*, at 20.*Z \(slot \d+\): it was restored/);
    assert.equal(await node.stop(), 0, node.tail());
  });

  it("OPS-1: writes no secret of any data directory at any log level", async () => {
    const output = cluster.nodes.flatMap(({ lines }) => lines).join("\n");
    assert(output.includes('"level":"debug"'), "debug lines are among what is searched");
    for (const { dataDir } of cluster.nodes) {
      const written = (await secretsOf(dataDir)).filter((secret) => output.includes(secret));
      assert.equal(written.length, 0, `secrets of ${dataDir} were written`);
    }
  });
});

function timeOf({ time }: LogRecord): number {
  return Date.parse(String(time));
}

/** The command with ports of its own, and options replaced. */
async function elsewhere(
  argv: readonly string[],
  replaced: Readonly<Record<string, string>>,
): Promise<readonly string[]> {
  const [p2p, monitoring] = await freePorts(2);
  const values: Readonly<Record<string, string>> = {
    "--p2p-tcp-address": `127.0.0.1:${p2p}`,
    "--monitoring-address": `127.0.0.1:${monitoring}`,
    ...replaced,
  };
  return argv.map((argument, i) => values[argv[i - 1] ?? ""] ?? argument);
}

function assertNoStack(text: string): void {
  assert.doesNotMatch(text, /^\s+at /m);
}
