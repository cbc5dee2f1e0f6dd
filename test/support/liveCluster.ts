/** A cluster of real node processes on a real dev chain, all on loopback. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCluster, freePorts, readPubKeys } from "../../scripts/demo/cluster.ts";
import { isWrong, LiveChain } from "./liveChain.ts";
import { LiveNode } from "./liveNode.ts";
import { takeTurn } from "./turn.ts";

export type LiveClusterOptions = {
  readonly nodes?: number;
  readonly validators?: number;
  /** Beacon APIs that node `i` is given, by their numbers; its own alone by default. */
  readonly endpointsOf?: (node: number) => readonly number[];
  /** As `--p2p-relays` takes them: no node can dial another one then. */
  readonly relays?: string;
};

/** Enough that nearly every slot has a duty: each validator attests once in eight slots. */
const VALIDATORS = 24;
/** Two seconds let four nodes and a chain share two cores with other tests … */
const SLOT_MS = 2_000;
/** … and on a busier machine slots are longer, up to three times. */
const MAX_SLOWNESS = 3;
/** What making the files of a cluster takes on two cores with another test beside it. */
const USUAL_CREATE_MS = 1_500;
/** The nodes start meanwhile; those that take longer join a chain that runs. */
const GENESIS_DELAY_S = 10;

export class LiveCluster {
  readonly dir: string;
  readonly chain: LiveChain;
  readonly nodes: readonly LiveNode[];
  /** Where each node listens for its peers. */
  readonly p2pPorts: readonly number[];
  readonly #endTurn: () => void;

  private constructor(
    parts: Pick<LiveCluster, "dir" | "chain" | "nodes" | "p2pPorts">,
    endTurn: () => void,
  ) {
    this.dir = parts.dir;
    this.chain = parts.chain;
    this.nodes = parts.nodes;
    this.p2pPorts = parts.p2pPorts;
    this.#endTurn = endTurn;
  }

  /** The chain runs, the data directories are there, and no node is started yet. */
  static async create(options: LiveClusterOptions = {}): Promise<LiveCluster> {
    const { nodes = 4, validators = VALIDATORS, endpointsOf = (node) => [node] } = options;
    const endTurn = await takeTurn();
    const dir = mkdtempSync(join(tmpdir(), "coterie-live-"));
    try {
      const startedAt = performance.now();
      const dataDirs = await createCluster(join(dir, "cluster"), { nodes, validators });
      const slowness = (performance.now() - startedAt) / USUAL_CREATE_MS;
      const factor = Math.min(MAX_SLOWNESS, Math.max(1, slowness));
      const given = dataDirs.map((_, node) => endpointsOf(node));
      const chain = await LiveChain.start({
        dir: join(dir, "chain"),
        pubKeys: readPubKeys(dataDirs[0] ?? ""),
        endpoints: Math.max(...given.flat()) + 1,
        slotMs: Math.round(SLOT_MS * factor),
        genesisDelayS: Math.round(GENESIS_DELAY_S * factor),
      });
      const ports = await freePorts(2 * nodes);
      const p2pPorts = ports.slice(0, nodes);
      const peers = p2pPorts.map((port, node) => `${node}=127.0.0.1:${port}`).join(",");
      const live = dataDirs.map(
        (dataDir, index) =>
          new LiveNode({
            index,
            dataDir,
            endpoints: (given[index] ?? []).map((endpoint) => chain.url(endpoint)),
            p2pPort: p2pPorts[index] ?? 0,
            monitoringPort: ports[nodes + index] ?? 0,
            peers,
            relays: options.relays,
          }),
      );
      return new LiveCluster({ dir, chain, nodes: live, p2pPorts }, endTurn);
    } catch (error) {
      rmSync(dir, { recursive: true, force: true });
      endTurn();
      throw error;
    }
  }

  node(index: number): LiveNode {
    return this.nodes[index] ?? assert.fail(`the cluster has a node ${index}`);
  }

  start(...indices: readonly number[]): void {
    for (const index of indices) this.node(index).start();
  }

  async untilReady(...indices: readonly number[]): Promise<void> {
    await Promise.all(indices.map((index) => this.node(index).untilReady()));
  }

  /** As the chain's, with what the nodes logged about the duties that are not right. */
  async assertAllDone(fromSlot: number, toSlot: number): Promise<number> {
    try {
      return await this.chain.assertAllDone(fromSlot, toSlot);
    } catch (cause) {
      const wrong = (await this.chain.duties(fromSlot, toSlot)).filter(isWrong);
      const slots = [...new Set(wrong.map(({ slot }) => slot))];
      const lines = slots.map((slot) => this.#linesAbout(slot));
      throw new Error(`slots ${slots.join(", ")} went wrong\n${lines.join("\n")}`, { cause });
    }
  }

  /** Ends every process that still runs and removes the files. */
  async close(): Promise<void> {
    await Promise.all(this.nodes.map((node) => (node.isRunning ? node.kill() : null)));
    await this.chain.close();
    rmSync(this.dir, { recursive: true, force: true });
    this.#endTurn();
  }

  #linesAbout(slot: number): string {
    return this.nodes
      .flatMap(({ index, lines }) =>
        lines
          .filter((line) => line.includes(`"slot":${slot},`))
          .map((line) => `node ${index} ${line}`),
      )
      .join("\n");
  }
}
