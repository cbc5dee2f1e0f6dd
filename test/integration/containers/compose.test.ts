import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { type TestContext, test } from "node:test";
import { parseDockerfile } from "../../../scripts/image/dockerfile.ts";
import { CLIENT_HABITS } from "../../../sim/devchain/vc/scriptedVc.ts";
import { parseRunOptions, RUN_OPTIONS } from "../../../src/cli/config.ts";
import { environmentName, type OptionSpec } from "../../../src/cli/options.ts";
import { MAIN, runCommand } from "../../support/command.ts";
import { readCompose, readYaml, type Service } from "../../support/compose.ts";
import { temporaryFolder } from "../../support/temporary.ts";
import { until } from "../../support/until.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const FILES = ["docker-compose.yml", "deploy/operator/docker-compose.yml"] as const;
const STAGES = new Map(
  parseDockerfile(readFileSync(join(ROOT, "Dockerfile"), "utf8")).map((stage) => [
    stage.name,
    stage,
  ]),
);
const LAPTOP = readCompose(join(ROOT, "docker-compose.yml"));
const NODES = ["node0", "node1", "node2", "node3"].map((name) => {
  const service = LAPTOP.services.get(name);
  assert(service !== undefined, name);
  return service;
});

/** The options of `coterie run` that a service's command and environment come to. */
function runOptionsOf({ command = [], environment = {} }: Service) {
  assert.equal(command[0], "run");
  const specs: readonly OptionSpec[] = RUN_OPTIONS;
  const raw: Record<string, string> = {};
  for (const { name, default: fallback } of specs) {
    const flag = command.indexOf(`--${name}`);
    const value = flag > 0 ? command[flag + 1] : (environment[environmentName(name)] ?? fallback);
    if (value !== undefined) raw[name] = value;
  }
  return parseRunOptions(raw, () => assert.fail("no peers file is named"));
}

for (const path of FILES) {
  test(`${path}: no service may write but where it must, or gain rights`, () => {
    for (const [name, service] of readCompose(join(ROOT, path)).services) {
      assert.equal(service.read_only, true, name);
      assert.deepEqual(service.cap_drop, ["ALL"], name);
      assert.deepEqual(service.security_opt, ["no-new-privileges:true"], name);
      for (const volume of service.volumes ?? []) {
        const [source = "", target = "", mode] = volume.split(":");
        assert(target === "/data" || mode === "ro", `${name}: ${volume}`);
        if (mode === "ro") assert(existsSync(join(ROOT, dirname(path), source)), volume);
      }
    }
  });

  test(`${path}: only peers may come from outside of this machine`, () => {
    for (const [name, { ports = [] }] of readCompose(join(ROOT, path)).services) {
      for (const port of ports) assert.match(port, /^(127\.0\.0\.1:\d+:\d+|3610:3610)$/, name);
    }
  });

  test(`${path}: what a service needs exists, and tells when it is ready`, () => {
    const { services, volumes } = readCompose(join(ROOT, path));
    for (const [name, service] of services) {
      const { build, volumes: mounts = [], depends_on: needed = {} } = service;
      if (build !== undefined) assert(STAGES.has(build.target), `${name}: ${build.target}`);
      for (const [source = ""] of mounts.map((volume) => volume.split(":"))) {
        assert(/^[./]/.test(source) || volumes.includes(source), `${name}: ${source}`);
      }
      for (const [other, { condition }] of Object.entries(needed)) {
        assert.equal(condition, "service_healthy");
        const dependency = services.get(other);
        const fromImage = STAGES.get(dependency?.build?.target ?? "")?.healthcheck ?? null;
        assert(dependency?.healthcheck?.test !== undefined || fromImage !== null, other);
      }
    }
  });

  test(`${path}: every variable is one that the program reads`, () => {
    const known = RUN_OPTIONS.map(({ name }) => environmentName(name));
    for (const [name, { environment = {} }] of readCompose(join(ROOT, path)).services) {
      for (const variable of Object.keys(environment)) {
        assert(known.includes(variable), `${name}: ${variable}`);
      }
    }
  });
}

test("the four nodes know their own data, every peer by its number, the chain", async () => {
  const directories = new Set<string>();
  for (const service of NODES) {
    const options = await runOptionsOf(service);
    directories.add(options.dataDir);
    assert.deepEqual(
      options.p2pPeers.map(({ peer, multiaddr }) => [peer, multiaddr]),
      [0, 1, 2, 3].map((peer) => [peer, `/dns4/node${peer}/tcp/3610`]),
    );
    assert.deepEqual(options.p2pListen, ["/ip4/0.0.0.0/tcp/3610"]);
    assert.deepEqual(options.beaconNodeEndpoints, ["http://devchain:5052"]);
    assert.equal(options.monitoringAddress.port, 3620);
    assert.equal(options.validatorKeysDir, null, "a client holds the key shares");
    assert.equal(options.validatorApi.port, 3600);
  }
  assert.equal(directories.size, NODES.length);
});

test("each node has a client of its own, with its own shares and the chain's slots", async () => {
  const chain = LAPTOP.services.get("devchain")?.command ?? [];
  for (const [index, node] of NODES.entries()) {
    const client = LAPTOP.services.get(`client${index}`);
    const { dataDir } = await runOptionsOf(node);
    const [url, keys, slotMs, habits = ""] = client?.command ?? [];
    assert.equal(url, `http://node${index}:3600`);
    assert.equal(keys, `${dataDir}/validator_keys`);
    assert(chain.includes(`--slot-ms=${slotMs}`));
    assert(Object.hasOwn(CLIENT_HABITS, habits), habits);
    const script = client?.entrypoint?.at(-1) ?? "";
    assert(existsSync(join(ROOT, script)), script);
    assert.match(JSON.stringify(STAGES.get("devchain")?.instructions), new RegExp(script));
  }
});

test("Prometheus asks every node", () => {
  const config = readYaml(join(ROOT, "deploy/laptop/prometheus.yml")) as {
    readonly scrape_configs: readonly {
      readonly static_configs: readonly { readonly targets: readonly string[] }[];
    }[];
  };
  const targets = config.scrape_configs[0]?.static_configs[0]?.targets;
  assert.deepEqual(targets, ["node0:3620", "node1:3620", "node2:3620", "node3:3620"]);
});

test("the operator's sample sets what is required, by names the program knows", async () => {
  const [service] = readCompose(join(ROOT, "deploy/operator/docker-compose.yml")).services.values();
  const sample = readFileSync(join(ROOT, "deploy/operator/sample.env"), "utf8");
  const lines = sample.split("\n").filter((line) => /^[A-Z]/.test(line));
  const fromFile = Object.fromEntries(lines.map((line) => line.split(/=(.*)/s).slice(0, 2)));
  const known = RUN_OPTIONS.map(({ name }) => environmentName(name));
  for (const name of Object.keys(fromFile)) assert(known.includes(name), name);
  const environment = { ...fromFile, ...service?.environment };
  const options = await runOptionsOf({ ...service, environment });
  assert.equal(options.dataDir, "/data");
  assert.equal(options.validatorApi.port, 3600);
  assert.equal(options.p2pPeers.length, 3);
});

test("the laptop's own commands make a cluster and a chain that takes its lock", async (t) => {
  const data = temporaryFolder(t);
  const cluster = LAPTOP.services.get("cluster");
  const devchain = LAPTOP.services.get("devchain");
  const script = local((cluster?.command ?? []).join(" "), data).replace(
    "exec sleep infinity",
    ":",
  );
  const { PATH } = process.env;
  const made = spawnSync("sh", ["-c", script], { env: { PATH }, encoding: "utf8" });
  assert.equal(made.status, 0, made.stderr);
  const health = (cluster?.healthcheck?.test ?? []).slice(1).map((word) => local(word, data));
  assert.equal(spawnSync(health[0] ?? "", health.slice(1)).status, 0);
  assert.deepEqual(readdirSync(join(data, "squad")), ["node0", "node1", "node2", "node3"]);
  const verified = await runCommand([
    "verify",
    "lock",
    join(data, "squad/node0/cluster-lock.json"),
  ]);
  assert.equal(verified.code, 0, verified.stdout);
  const flags = (devchain?.command ?? [])
    .map((word) => local(word, data))
    .map((word) => word.replace("0.0.0.0", "127.0.0.1").replace("--ports=5052", "--ports=0"));
  assert.match(await firstLine(t, [...flags, "--json"]), /^\{"type":"ready"/);
});

/** The same words with this machine's paths. */
function local(words: string, data: string): string {
  return words
    .replaceAll("node /opt/coterie/dist/src/main.js", `'${process.execPath}' '${MAIN}'`)
    .replaceAll("/data/", `${data}/`);
}

async function firstLine(t: TestContext, flags: readonly string[]): Promise<string> {
  const main = join(ROOT, "sim/devchain/main.ts");
  const child = spawn(process.execPath, [main, ...flags], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  await until("it serves", () => output.includes("\n") || child.exitCode !== null, 30_000);
  return output;
}
