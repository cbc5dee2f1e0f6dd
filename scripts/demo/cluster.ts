/** Starts the demo's parts: the cluster's files, the dev chain, the nodes. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import type { DemoOptions } from "./options.ts";
import { Child } from "./processes.ts";

const ROOT = join(import.meta.dirname, "../..");
const COTERIE = join(ROOT, "src/main.ts");
const DEVCHAIN = join(ROOT, "sim/devchain/main.ts");

/** Genesis fork version of the dev chain: what a cluster lock names its chain by. */
export const FORK_VERSION = "0x00000f00";
/** An address nobody owns: blocks of the dev chain pay no one. */
export const FEE_RECIPIENT = "0x000000000000000000000000000000000000dEaD";

/** Runs a command to its end; its output is the error when it fails. */
async function runToEnd(name: string, args: readonly string[]): Promise<void> {
  const child = new Child({ name, args });
  if ((await child.finish()) !== 0) throw new Error(`${name} failed:\n${child.lastLines}`);
}

/** `coterie create cluster`: one complete data directory per node. */
export async function createCluster(
  dir: string,
  options: Pick<DemoOptions, "nodes" | "validators"> & { readonly forkVersion?: string },
): Promise<readonly string[]> {
  await runToEnd("create cluster", [
    COTERIE,
    "create",
    "cluster",
    ...["--name", "demo", "--cluster-dir", dir],
    ...["--nodes", String(options.nodes), "--num-validators", String(options.validators)],
    ...["--testnet-fork-version", options.forkVersion ?? FORK_VERSION],
    ...["--fee-recipient-addresses", FEE_RECIPIENT, "--withdrawal-addresses", FEE_RECIPIENT],
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

/** Public shares of one node, in the lock's order. */
export function readPubShares(dataDir: string, node: number): readonly string[] {
  const lock = JSON.parse(readFileSync(join(dataDir, "cluster-lock.json"), "utf8"));
  return lock.distributed_validators.map(
    (validator: { public_shares: readonly string[] }) => validator.public_shares[node],
  );
}

export type RunningChain = {
  readonly child: Child;
  readonly urls: readonly string[];
  readonly controlUrl: string;
  readonly genesisTimeMs: number;
  readonly validators: readonly number[];
};

export type ChainOptions = Pick<DemoOptions, "preset" | "fork" | "slotMs"> & {
  /** One Beacon API on each; 0 takes a free one. */
  readonly ports: readonly number[];
  /** From now, so that the nodes can start and connect before the first duty. */
  readonly genesisDelayS: number;
};

/** The dev chain, with the cluster's validators active from genesis; resolves when it serves. */
export async function startChain(
  dir: string,
  pubKeys: readonly string[],
  options: ChainOptions,
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
      ...["--validators-file", keysFile, "--plain", String(plainFor(pubKeys.length))],
      ...["--ports", options.ports.join(",")],
      ...["--genesis-delay", String(options.genesisDelayS)],
    ],
    onLine: (line) => {
      if (line.startsWith('{"type":"ready"')) ready.resolve(line);
    },
  });
  void child.finish().then(() => {
    ready.reject(new Error(`the dev chain ended:\n${child.lastLines}`));
  });
  const line = await ready.promise;
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

export type NodeOptions = {
  readonly dataDirs: readonly string[];
  /** The beacon node of each, which need not be there yet. */
  readonly urls: readonly string[];
  readonly preset: DemoOptions["preset"];
  /** Who holds the key shares; the node itself where absent. */
  readonly signer?: DemoOptions["signer"];
  /** For keys that were made a moment ago, on a chain that is old. */
  readonly skipsWait?: boolean;
  /** Gets each line of their JSON logs. */
  readonly onEvent?: (event: NodeEvent) => void;
};
export type RunningNode = {
  readonly child: Child;
  readonly monitoringUrl: string;
  /** Where its validator client reaches it. */
  readonly validatorApiUrl: string;
};

/** One node per data directory on loopback; resolves once all listen and look for their chain. */
export async function startNodes(options: NodeOptions): Promise<readonly RunningNode[]> {
  const { dataDirs, urls, preset, signer = "builtin", skipsWait = false, onEvent } = options;
  const ports = await freePorts(3 * dataDirs.length);
  const addressOf = (node: number): string => `/ip4/127.0.0.1/tcp/${ports[node]}`;
  const peers = dataDirs.map((_, node) => `${node}=${addressOf(node)}`).join(",");
  const listening: Promise<void>[] = [];
  const nodes = dataDirs.map((dir, node) => {
    const monitoring = `127.0.0.1:${ports[dataDirs.length + node]}`;
    const validatorApi = `127.0.0.1:${ports[2 * dataDirs.length + node]}`;
    const isListening = Promise.withResolvers<void>();
    listening.push(isListening.promise);
    const child = new Child({
      name: `node ${node}`,
      // A node asks its beacon node for the preset; here that one is not running yet.
      env: { LODESTAR_PRESET: preset },
      args: [
        COTERIE,
        "run",
        ...["--data-dir", dir, "--signer", signer],
        ...["--beacon-node-endpoints", urls[node] ?? ""],
        ...["--p2p-tcp-address", `127.0.0.1:${ports[node]}`, "--p2p-peers", peers],
        ...["--monitoring-address", monitoring],
        ...["--validator-api-address", validatorApi],
        ...["--log-format", "json"],
        ...(skipsWait ? ["--skip-wait", "--i-understand"] : []),
      ],
      onLine: (line) => {
        const record = parseLine(line);
        if (record === null) return;
        if (String(record["msg"]).startsWith("The node listens")) isListening.resolve();
        onEvent?.({ node, record });
      },
    });
    void child.finish().then(() => {
      isListening.reject(new Error(`node ${node} ended:\n${child.lastLines}`));
    });
    const [monitoringUrl, validatorApiUrl] = [`http://${monitoring}`, `http://${validatorApi}`];
    return { child, monitoringUrl, validatorApiUrl };
  });
  try {
    await Promise.all(listening);
  } catch (error) {
    await Promise.all(nodes.map(({ child }) => child.stop()));
    throw error;
  }
  return nodes;
}

function parseLine(line: string): Readonly<Record<string, unknown>> | null {
  try {
    return JSON.parse(line);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/**
 * Ports of loopback that are free now, all different. They lie below those from which a system
 * takes one for each outgoing connection: what was free there a moment ago often is not any more.
 */
export async function freePorts(count: number): Promise<readonly number[]> {
  const held = new Map<number, Server>();
  while (held.size < count) {
    const port = LOWEST_PORT + Math.floor(Math.random() * PORT_COUNT);
    const server = await holdPort(port);
    if (server !== null) held.set(port, server);
  }
  await Promise.all([...held.values()].map((server) => new Promise((done) => server.close(done))));
  return [...held.keys()];
}

const LOWEST_PORT = 10_000;
const PORT_COUNT = 20_000;

/** Null where somebody has it. */
function holdPort(port: number): Promise<Server | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(null));
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}
