/**
 * `npm run demo`: a 3-of-4 cluster attests on a live chain, on this machine. The chain's state
 * transition is Lodestar's, the nodes are four processes over real libp2p, and the verdict is read
 * from block bodies against the duties that were due.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InclusionReader } from "../sim/devchain/inclusion.ts";
import { createByCeremony } from "./demo/ceremony.ts";
import { startClients } from "./demo/clients.ts";
import {
  createCluster,
  freePorts,
  type NodeEvent,
  type RunningChain,
  readPubKeys,
  startChain,
  startNodes,
} from "./demo/cluster.ts";
import { judge } from "./demo/judge.ts";
import { type DemoOptions, DemoUsageError, HELP, parseOptions } from "./demo/options.ts";
import type { Child } from "./demo/processes.ts";
import { SlotBoard } from "./demo/slotBoard.ts";

const EXIT_USAGE = 64;
/** Slots after the last duty in which it may still be included. */
const INCLUSION_SLOTS = 3;
/** The first finality of a chain where everybody votes: the end of epoch 4. */
const FINALITY_EPOCHS = 5;
/** Nodes that are up already find the chain and learn their duties in that time. */
const GENESIS_DELAY_S = 8;
/** Programs of other people import keys first, and ask for their duties before genesis. */
const GENESIS_DELAY_WITH_COMMAND_S = 30;

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  if (options === null) {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  const dir = mkdtempSync(join(tmpdir(), "coterie-demo-"));
  const children: Child[] = [];
  try {
    return await demo(options, dir, children);
  } finally {
    await Promise.all(children.map((child) => child.stop()));
    rmSync(dir, { recursive: true, force: true });
  }
}

async function demo(options: DemoOptions, dir: string, children: Child[]): Promise<number> {
  const board = new SlotBoard(options);
  const how = options.hasCeremony ? "four operators make" : "a dealer makes";
  board.say(`${how} a ${options.nodes}-node cluster with ${options.validators} validators`);
  const create = options.hasCeremony ? createByCeremony : createCluster;
  const dataDirs = await create(join(dir, "cluster"), options);
  const ports = await freePorts(options.nodes);
  const urls = ports.map((port) => `http://127.0.0.1:${port}`);
  board.say(`${options.nodes} nodes are starting`);
  const onEvent = (event: NodeEvent): void => board.hear(event);
  const started = await startNodes({ ...options, dataDirs, urls, onEvent });
  const nodes = started.map(({ child }) => child);
  children.push(...nodes);
  board.say("the dev chain is starting; genesis is seconds away");
  const chain = await startChain(join(dir, "chain"), readPubKeys(dataDirs[0] ?? ""), {
    ...options,
    ports,
    genesisDelayS: options.vcCommand === null ? GENESIS_DELAY_S : GENESIS_DELAY_WITH_COMMAND_S,
  });
  children.push(chain.child);
  if (options.signer === "vc") {
    board.say("each node's validator client is starting");
    const onLine = (client: number, line: string): void => board.hearClient(client, line);
    const parts = { dir: join(dir, "clients"), dataDirs, nodes: started, chain, options, onLine };
    children.push(...(await startClients(parts)));
  }
  const reader = new InclusionReader(chain.urls[0] ?? "", chain.validators);
  await watch({ options, chain, nodes, board, reader });
  const slashings = await readSlashings(chain);
  const report = await reader.report({ fromSlot: 1, toSlot: options.slots - INCLUSION_SLOTS });
  const slotsPerEpoch = options.preset === "minimal" ? 8 : 32;
  const verdict = judge(report, {
    killSlot: options.kill?.slot ?? null,
    mustFinalize: options.slots >= FINALITY_EPOCHS * slotsPerEpoch,
    slashings,
    publishedRoots: board.publishedRoots,
  });
  board.conclude(verdict);
  return verdict.failures.length === 0 ? 0 : 1;
}

type Running = {
  readonly options: DemoOptions;
  readonly chain: RunningChain;
  readonly nodes: readonly Child[];
  readonly board: SlotBoard;
  readonly reader: InclusionReader;
};

/** One line per slot; kills the node that is to die; ends when a part dies that should not. */
async function watch({ options, chain, nodes, board, reader }: Running): Promise<void> {
  const startOf = (slot: number): number => chain.genesisTimeMs + slot * options.slotMs;
  for (let slot = 1; slot <= options.slots; slot++) {
    await sleepUntil(startOf(slot));
    if (options.kill?.slot === slot) {
      await nodes[options.kill.node]?.kill();
      board.say(`node ${options.kill.node} killed at the start of slot ${slot}`);
    }
    await sleepUntil(startOf(slot + 1) - 50);
    await reader.update();
    assertAlive(nodes, chain.child, options);
    const { justifiedEpoch, finalizedEpoch, attestations, proposals } = await reader.report({
      fromSlot: Math.max(1, slot - 1),
      toSlot: slot,
    });
    board.showSlot({
      slot,
      justifiedEpoch,
      finalizedEpoch,
      previous: attestations.filter((row) => row.slot === slot - 1),
      proposal: proposals.find((row) => row.slot === slot),
    });
  }
}

function assertAlive(nodes: readonly Child[], chain: Child, { kill }: DemoOptions): void {
  const dead = [chain, ...nodes.filter((_, node) => node !== kill?.node)].find(
    (child) => !child.isRunning,
  );
  if (dead !== undefined) throw new Error(`${dead.name} ended:\n${dead.lastLines}`);
}

async function readSlashings(chain: RunningChain): Promise<number> {
  const response = await fetch(`${chain.controlUrl}/dev/slashings`);
  return ((await response.json()) as readonly unknown[]).length;
}

function sleepUntil(instant: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, instant - Date.now())));
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof DemoUsageError)) throw error;
  process.stderr.write(`demo: ${error.message}\n\n${HELP}\n`);
  process.exitCode = EXIT_USAGE;
}
