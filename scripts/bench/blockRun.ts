/**
 * Proposals of a cluster under test: four node processes, a stub beacon node that gives out blocks
 * of a given size, and a validator client for each node, over loopback.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CLIENT_HABITS, ScriptedVc } from "../../sim/devchain/vc/scriptedVc.ts";
import { KeyShare } from "../../sim/devchain/vc/signing.ts";
import { listKeystores, openKeystores } from "../../src/cli/keystoreFiles.ts";
import { assert } from "../../src/util/assert.ts";
import {
  createCluster,
  FEE_RECIPIENT,
  FORK_VERSION,
  type RunningNode,
  readPubKeys,
  readPubShares,
  startNodes,
} from "../demo/cluster.ts";
import { countSent, sleepUntil, untilReady } from "./clusterUnderTest.ts";
import { cpuMsOf } from "./processStats.ts";
import { StubBeacon, type StubChain } from "./stubBeacon.ts";
import { type BlockRecord, StubBlocks } from "./stubBlocks.ts";

export type BlockScenario = {
  readonly nodes: number;
  readonly validators: number;
  readonly slotMs: number;
  readonly blobs: number;
  readonly warmUpSlots: number;
  readonly measuredSlots: number;
};

export type BlockCluster = {
  readonly chain: StubChain;
  readonly stub: StubBeacon;
  readonly blocks: StubBlocks;
  readonly running: readonly RunningNode[];
  readonly clients: readonly Client[];
};
export type Client = {
  /** Does nothing of itself: the benchmark says when. */
  readonly vc: ScriptedVc;
  /** By validator, in the lock's order. */
  readonly shares: readonly KeyShare[];
};

export type BlockResult = {
  readonly records: readonly (BlockRecord | undefined)[];
  /** Consensus bytes that all nodes together sent in the measured slots. */
  readonly sentBytes: number;
  /** Of all nodes together, per slot. */
  readonly cpuMs: number;
  /** Of this process, which is the beacon node and all clients, per slot. */
  readonly ownCpuMs: number;
};

/** This process has the types of the preset that it was started with. */
const SLOTS_PER_EPOCH = 32;
/** Epochs that lie in the past when the nodes start: an attestation needs a justified one. */
const GENESIS_EPOCHS_AGO = 4;
const POLL_MS = 20;

/** Runs `use` on a cluster whose nodes and clients are ready. */
export async function withBlockCluster<T>(
  scenario: BlockScenario,
  use: (cluster: BlockCluster) => Promise<T>,
): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), "coterie-bench-"));
  await using closing = new AsyncDisposableStack();
  closing.defer(() => rmSync(directory, { recursive: true, force: true }));
  const dataDirs = await createCluster(join(directory, "cluster"), scenario);
  const pubKeys = readPubKeys(dataDirs[0] ?? "");
  const { slotMs, blobs } = scenario;
  const sinceGenesisMs = GENESIS_EPOCHS_AGO * SLOTS_PER_EPOCH * slotMs;
  const chainFacts = {
    preset: "mainnet",
    slotsPerEpoch: SLOTS_PER_EPOCH,
    slotMs,
    genesisTime: Math.floor((Date.now() - sinceGenesisMs) / 1_000),
    pubKeys,
    forkVersion: FORK_VERSION,
  } as const;
  const blocks = new StubBlocks({ ...chainFacts, feeRecipient: FEE_RECIPIENT, blobs });
  const chain: StubChain = { ...chainFacts, blocks };
  const stub = new StubBeacon(chain);
  const url = await stub.start();
  closing.defer(() => stub.stop());
  const urls = dataDirs.map(() => url);
  const running = await startNodes({
    dataDirs,
    urls,
    skipsWait: true,
    preset: chain.preset,
    signer: "vc",
  });
  closing.defer(async () => {
    await Promise.all(running.map(({ child }) => child.stop()));
  });
  const clients = await Promise.all(
    running.map(({ validatorApiUrl }, node) =>
      connect(validatorApiUrl, { dataDir: dataDirs[node] ?? "", node, slotMs }),
    ),
  );
  await untilReady(running);
  return await use({ chain, stub, blocks, running, clients });
}

export async function runProposals(
  scenario: BlockScenario,
  progress: (text: string) => void,
): Promise<BlockResult> {
  return withBlockCluster(scenario, async ({ chain, blocks, running, clients }) => {
    const first = slotNow(chain) + 2;
    const measuredFrom = first + scenario.warmUpSlots;
    const end = measuredFrom + scenario.measuredSlots;
    let before = { bytes: 0, cpuMs: 0, ownCpuMs: 0 };
    for (let slot = first; slot < end; slot++) {
      // Between two proposals, when nothing is under way.
      await sleepUntil(startOf(chain, slot) - chain.slotMs / 10);
      if (slot === measuredFrom) before = await countAll(running);
      await Promise.all(clients.map(({ vc }) => vc.pollDuties(slot)));
      await sleepUntil(startOf(chain, slot));
      await Promise.all(clients.map(({ vc }) => vc.propose(slot)));
      // The clients have their answers before the last node has published.
      const { readyAt = 0, publishedAt = null } =
        (await publication(blocks, slot, startOf(chain, slot + 1) - chain.slotMs / 5)) ?? {};
      const took = publishedAt === null ? "missed" : `${(publishedAt - readyAt).toFixed()} ms`;
      progress(`slot ${slot}: ${took}`);
    }
    await sleepUntil(startOf(chain, end));
    const after = await countAll(running);
    const slots = Array.from({ length: scenario.measuredSlots }, (_, i) => measuredFrom + i);
    return {
      records: slots.map((slot) => blocks.record(slot)),
      sentBytes: after.bytes - before.bytes,
      cpuMs: (after.cpuMs - before.cpuMs) / scenario.measuredSlots,
      ownCpuMs: (after.ownCpuMs - before.ownCpuMs) / scenario.measuredSlots,
    };
  });
}

async function publication(
  blocks: StubBlocks,
  slot: number,
  patience: number,
): Promise<BlockRecord | undefined> {
  const isOpen = (): boolean => (blocks.record(slot)?.publishedAt ?? null) === null;
  while (isOpen() && Date.now() < patience) await sleepUntil(Date.now() + POLL_MS);
  return blocks.record(slot);
}

async function countAll(
  running: readonly RunningNode[],
): Promise<{ bytes: number; cpuMs: number; ownCpuMs: number }> {
  const { consensus } = await countSent(running);
  const cpuMs = running.map(({ child }) => cpuMsOf(child.pid ?? 0));
  const { user, system } = process.cpuUsage();
  return {
    bytes: consensus.bytes,
    cpuMs: cpuMs.reduce((sum, ms) => sum + ms, 0),
    ownCpuMs: (user + system) / 1_000,
  };
}

export function slotNow({ genesisTime, slotMs }: StubChain): number {
  return Math.floor((Date.now() - genesisTime * 1_000) / slotMs);
}

export function startOf({ genesisTime, slotMs }: StubChain, slot: number): number {
  return genesisTime * 1_000 + slot * slotMs;
}

async function connect(
  url: string,
  { dataDir, node, slotMs }: { dataDir: string; node: number; slotMs: number },
): Promise<Client> {
  const paths = await listKeystores(join(dataDir, "validator_keys"), "create the cluster first");
  const keystores = await openKeystores(paths, () => undefined);
  const secrets = keystores.map(({ secret }) => secret);
  const vc = new ScriptedVc({ ...CLIENT_HABITS.lighthouse, url, secrets, slotMs });
  await vc.connect();
  const held = secrets.map((secret) => new KeyShare(secret));
  const shares = readPubShares(dataDir, node).map((name) => {
    const share = held.find(({ publicKey }) => publicKey === name);
    assert(share !== undefined, "the node's folder holds all of its shares");
    return share;
  });
  return { vc, shares };
}
