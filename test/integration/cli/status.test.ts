// OPS-8: `coterie status` of a node that works, of one that waits, and of one that does not run.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { openLevel } from "../../../src/adapters/storage/level.ts";
import { readOperator } from "../../../src/cli/safety/slashing.ts";
import { runStatus, showStatus } from "../../../src/cli/status.ts";
import { waitAtNextStart } from "../../../src/safety/migrationWait.ts";
import { makeSquad, openNode, serveAdmin } from "../../support/backups.ts";
import { FakeBeacon } from "../../support/fakeBeacon.ts";
import { NodeCluster } from "../../support/nodeCluster.ts";
import { SLOTS_PER_EPOCH } from "../../support/testChain.ts";

const folder = mkdtempSync(join(tmpdir(), "coterie-"));
const dataDir = join(folder, "squad", "node0");
before(() => makeSquad(join(folder, "squad")));
after(() => rmSync(folder, { recursive: true }));

type RunStatus = ReturnType<typeof runStatus>;

const beacon = {
  endpoints: () => [
    { endpoint: "127.0.0.1:5052", problem: null },
    { endpoint: "10.0.0.2:5052", problem: "it is on another chain" },
  ],
};

describe("OPS-8: the status of a running node", () => {
  const cluster = new NodeCluster();
  after(() => cluster.stop());
  /** In epoch 1, where a wait's end lies ahead. */
  const last = FakeBeacon.slotOf(1, 0) + 2;

  before(async () => {
    await cluster.member(1).store.batch([waitAtNextStart("a test's reason")]);
    await cluster.start();
    cluster.crash(3);
    for (let slot = 0; slot <= last; slot++) await cluster.runSlot(slot);
    await cluster.member(0).node?.control.freeze({
      ...{ scope: "exit", validator: null, reason: "drill", by: "test" },
    });
  });

  async function shown(self: number) {
    const { node } = cluster.member(self);
    assert(node !== null);
    const owner = await readOperator(dataDir);
    const status = () => runStatus(owner, { health: node.health(), beacon, node });
    const close = await serveAdmin(dataDir, { control: null, status });
    try {
      const { text, exitCode } = await showStatus({ dataDir, json: false });
      const { text: json } = await showStatus({ dataDir, json: true });
      return { text, exitCode, json: JSON.parse(json) as RunStatus };
    } finally {
      await close();
    }
  }

  test("names peers, beacon nodes, validators, duties, freezes, the audit head", async () => {
    const { text, json } = await shown(0);
    assert.match(text, /^operator 0 of cluster "coterie" \(0x\w{8}\), 3 of 4 sign, 2 validators/);
    assert.match(text, /peer +2 direct, ready, coterie unknown\n/);
    assert.match(text, /peer +3 not connected, silent\n/);
    assert.match(text, /beacon node 10\.0\.0\.2:5052 it is on another chain\n/);
    assert.match(text, /witnesses +2 peers have answered, 2 are needed\n/);
    assert.match(text, /signer +this node, for 1 validators\n/);
    assert.match(text, /validator +0x\w{16}… attestations to 0 → 1, blocks to slot -\n/);
    assert.match(text, /frozen +exit of all validators, by test: drill\n/);
    assert.match(text, /audit log +entry [1-9]\d*, 0x\w{64}\n/);
    assert.match(text, new RegExp(`duty +${FakeBeacon.slotOf(1, 0)}/attester `));
    assert.equal(json.node?.slot, last);
    assert.equal(json.node?.validators.length, 1);
    assert.equal(json.node?.wait, null);
  });

  test("says why a node waits, how long still and until when, and ends with 1", async () => {
    const { text, exitCode, json } = await shown(1);
    assert.equal(exitCode, 1);
    const wait = json.node?.wait ?? assert.fail("it waits");
    assert.equal(wait.untilSlot, 2 * SLOTS_PER_EPOCH);
    assert.match(
      text,
      /waits +signing resumes in \d+s, at 20\d\d-\S+Z \(slot \d+\): a test's reason/,
    );
    assert.match(text, /not ready +nothing is signed: signing resumes in/);
  });

  test("of one that still starts is what it waits for", async () => {
    const owner = await readOperator(dataDir);
    const health = { isReady: false, reasons: ["the node is starting; no beacon node answers"] };
    const status = () => runStatus(owner, { health, beacon, node: null });
    const close = await serveAdmin(dataDir, { control: null, status });
    const { text, exitCode } = await showStatus({ dataDir, json: false });
    await close();
    assert.equal(exitCode, 1);
    assert.match(text, /not ready +the node is starting; no beacon node answers/);
  });
});

describe("OPS-8: the status of a node that does not run", () => {
  test("is what its next start begins with, and ends with 3", async () => {
    const node = await openNode(dataDir);
    await node.control.freeze({ scope: "all", validator: null, reason: "moving", by: "test" });
    await node.close();
    const store = await openLevel(join(dataDir, "db"));
    await store.batch([waitAtNextStart("it was restored")]);
    await store.close();
    const { text, exitCode } = await showStatus({ dataDir, json: false });
    assert.equal(exitCode, 3);
    assert.match(text, /: it does not run\n/);
    assert.match(text, /waits +two epochs from its next start on: it was restored\n/);
    assert.match(text, /frozen +all of all validators, by test: moving\n/);
    const { text: json } = await showStatus({ dataDir, json: true });
    const { isRunning, validators } = JSON.parse(json);
    assert.deepEqual([isRunning, validators.length], [false, 2]);
  });

  test("that never ran is an error with the way out", async () => {
    const never = join(folder, "squad", "node1");
    await assert.rejects(showStatus({ dataDir: never, json: false }), /its node has never run/);
  });
});
