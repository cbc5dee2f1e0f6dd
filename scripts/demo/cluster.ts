/** Starts the demo's parts: the cluster's files, the dev chain, the nodes. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import type { DemoOptions } from "./options.ts";
import { Child } from "./processes.ts";

const ROOT = join(import.meta.dirname, "../..");
const COTERIE = join(ROOT, "src/main.ts");
const DEVCHAIN = join(ROOT, "sim/devchain/main.ts");

/** Genesis fork version of the dev chain: what a cluster lock names its chain by. */
const FORK_VERSION = "0x00000f00";
/** Seconds from the dev chain's start to genesis: four nodes start and connect in that time. */
const GENESIS_DELAY_S = 15;
/** An address nobody owns: blocks of the dev chain pay no one. */
const NO_ADDRESS = "0x000000000000000000000000000000000000dEaD";

/** Runs a command to its end; its output is the error when it fails. */
async function runToEnd(name: string, args: readonly string[]): Promise<void> {
  const child = new Child({ name, args });
  if ((await child.finish()) !== 0) throw new Error(`${name} failed:\n${child.lastLines}`);
}

/** `coterie create cluster`: one complete data directory per node. */
export async function createCluster(dir: string, options: DemoOptions): Promise<readonly string[]> {
  await runToEnd("create cluster", [
    COTERIE,
    "create",
    "cluster",
    ...["--name", "demo", "--cluster-dir", dir],
    ...["--nodes", String(options.nodes), "--num-validators", String(options.validators)],
    ...["--testnet-fork-version", FORK_VERSION],
    ...["--fee-recipient-addresses", NO_ADDRESS, "--withdrawal-addresses", NO_ADDRESS],
    "--insecure-keys",
  ]);
  return Array.from({ length: options.nodes }, (_, node) => join(dir, `node${node}`));
}

/** Group public keys of the cluster, in the lock's order. */
export function readPubKeys(dataDir: string): readonly string[] {
  const lock = JSON.parse(readFileSync(join(dataDir, "cluster-lock.json"), "utf8"));
  return lock.distributed_validators.map(
    (validator: { distributed_public_key: string }) => validator.distributed_public_key,
  );
}

export type RunningChain = {
  readonly child: Child;
  readonly urls: readonly string[];
  readonly controlUrl: string;
  readonly genesisTimeMs: number;
  readonly validators: readonly number[];
};

/** The dev chain with one Beacon API per node; resolves when it serves. */
export async function startChain(
  dir: string,
  pubKeys: readonly string[],
  options: DemoOptions,
): Promise<RunningChain> {
  mkdirSync(dir, { recursive: true });
  const keysFile = join(dir, "validators.json");
  writeFileSync(keysFile, JSON.stringify(pubKeys));
  const ready = Promise.withResolvers<string>();
  const child = new Child({
    name: "dev chain",
    args: [
      DEVCHAIN,
      "--json",
      ...["--preset", options.preset, "--fork", options.fork, "--slot-ms", String(options.slotMs)],
      ...["--validators-file", keysFile, "--plain", String(plainFor(options.validators))],
      ...["--ports", Array.from({ length: options.nodes }, () => "0").join(",")],
      ...["--genesis-delay", String(GENESIS_DELAY_S)],
    ],
    onLine: (line) => {
      if (line.startsWith('{"type":"ready"')) ready.resolve(line);
    },
  });
  const ended = child.finish().then(() => {
    throw new Error(`the dev chain ended:\n${child.lastLines}`);
  });
  const line = await Promise.race([ready.promise, ended]);
  ended.catch(() => undefined);
  const { urls, controlUrl, genesisTime, validators } = JSON.parse(line);
  return {
    child,
    urls,
    controlUrl,
    genesisTimeMs: genesisTime * 1_000,
    validators: validators.map(({ index }: { index: number }) => index),
  };
}

/**
 * Enough plain validators that every committee has one: they aggregate, and what nobody
 * aggregates does not get on chain.
 */
function plainFor(distributed: number): number {
  return Math.max(64, 8 * distributed);
}

export type NodeEvent = {
  readonly node: number;
  readonly record: Readonly<Record<string, unknown>>;
};

/** Four nodes on loopback; `onEvent` gets each line of their JSON logs. */
export async function startNodes(
  dataDirs: readonly string[],
  urls: readonly string[],
  onEvent: (event: NodeEvent) => void,
): Promise<readonly Child[]> {
  const ports = await freePorts(3 * dataDirs.length);
  const addressOf = (node: number): string => `/ip4/127.0.0.1/tcp/${ports[node]}`;
  const peers = dataDirs.map((_, node) => `${node}=${addressOf(node)}`).join(",");
  return dataDirs.map(
    (dir, node) =>
      new Child({
        name: `node ${node}`,
        args: [
          COTERIE,
          "run",
          ...["--data-dir", dir, "--signer", "builtin"],
          ...["--beacon-node-endpoints", urls[node] ?? ""],
          ...["--p2p-tcp-address", `127.0.0.1:${ports[node]}`, "--p2p-peers", peers],
          ...["--monitoring-address", `127.0.0.1:${ports[dataDirs.length + node]}`],
          ...["--validator-api-address", `127.0.0.1:${ports[2 * dataDirs.length + node]}`],
          ...["--log-format", "json"],
        ],
        onLine: (line) => {
          const record = parseLine(line);
          if (record !== null) onEvent({ node, record });
        },
      }),
  );
}

function parseLine(line: string): Readonly<Record<string, unknown>> | null {
  try {
    return JSON.parse(line);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve) => {
          const server = createServer().listen(0, "127.0.0.1", () => resolve(server));
        }),
    ),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    return address !== null && typeof address === "object" ? address.port : 0;
  });
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}
