/** One run of the cluster under test: four node processes, a stub beacon node, what came out. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  createCluster,
  FORK_VERSION,
  type RunningNode,
  readPubKeys,
  startNodes,
} from "../demo/cluster.ts";
import { type Floor, FloorProbe } from "./attesterFloor.ts";
import { countSent, difference, type Sent, sleepUntil, untilReady } from "./clusterUnderTest.ts";
import { cpuMsOf, memoryOf, type ProcessMemory } from "./processStats.ts";
import { type SlotRecord, StubBeacon, type StubChain } from "./stubBeacon.ts";

export type Scenario = {
  readonly preset: "minimal" | "mainnet";
  readonly slotsPerEpoch: number;
  readonly nodes: number;
  readonly threshold: number;
  /** In all; each attests once per epoch. */
  readonly validators: number;
  readonly slotMs: number;
  readonly warmUpSlots: number;
  readonly measuredSlots: number;
};

export type RunResult = {
  readonly chain: StubChain;
  /** The measured slots, in order. */
  readonly slots: readonly SlotRecord[];
  readonly floor: Floor;
  /** Per node and slot, one entry per node. */
  readonly cpuMs: readonly number[];
  readonly memory: readonly ProcessMemory[];
  /** During the measured slots. */
  readonly sent: Sent;
};

/** Epochs that lie in the past when the nodes start: an attestation needs a justified one. */
const GENESIS_EPOCHS_AGO = 4;
/** Parts of the slot: the block arrives, and the idle time in which the floor is measured. */
const HEAD_AT = 0.2;
const FLOOR_AT = 0.7;

export async function runScenario(
  scenario: Scenario,
  progress: (text: string) => void,
): Promise<RunResult> {
  const directory = mkdtempSync(join(tmpdir(), "coterie-bench-"));
  await using closing = new AsyncDisposableStack();
  closing.defer(() => rmSync(directory, { recursive: true, force: true }));
  progress(`creating a cluster of ${scenario.nodes} nodes, ${scenario.validators} validators`);
  const dataDirs = await createCluster(join(directory, "cluster"), scenario);
  const chain = chainOf(scenario, readPubKeys(dataDirs[0] ?? ""));
  const stub = new StubBeacon(chain);
  const url = await stub.start();
  closing.defer(() => stub.stop());
  const { nodes, threshold, validators, slotsPerEpoch } = scenario;
  const perSlot = Math.floor(validators / slotsPerEpoch);
  const probe = await FloorProbe.start({ directory, nodes, threshold, validators: perSlot });
  closing.defer(() => probe.stop());
  const urls = dataDirs.map(() => url);
  const running = await startNodes({ dataDirs, urls, skipsWait: true, preset: scenario.preset });
  closing.defer(async () => {
    await Promise.all(running.map(({ child }) => child.stop()));
  });
  await untilReady(running);
  return await measure({ scenario, chain, stub, probe, running, progress });
}

function chainOf({ preset, slotsPerEpoch, slotMs }: Scenario, pubKeys: readonly string[]) {
  const sinceGenesisMs = GENESIS_EPOCHS_AGO * slotsPerEpoch * slotMs;
  const genesisTime = Math.floor((Date.now() - sinceGenesisMs) / 1_000);
  return { preset, slotsPerEpoch, slotMs, genesisTime, pubKeys, forkVersion: FORK_VERSION };
}

type Measured = {
  readonly scenario: Scenario;
  readonly chain: StubChain;
  readonly stub: StubBeacon;
  readonly probe: FloorProbe;
  readonly running: readonly RunningNode[];
  readonly progress: (text: string) => void;
};

async function measure(run: Measured): Promise<RunResult> {
  const { scenario, chain, stub, probe, running, progress } = run;
  const genesisMs = chain.genesisTime * 1_000;
  const firstSlot = Math.floor((Date.now() - genesisMs) / chain.slotMs) + 1;
  const measuredFrom = firstSlot + scenario.warmUpSlots;
  const slots: SlotRecord[] = [];
  let before = await countAll(running);
  for (let slot = firstSlot; slot < measuredFrom + scenario.measuredSlots; slot++) {
    const startsAt = genesisMs + slot * chain.slotMs;
    if (slot === measuredFrom) before = await countAll(running);
    await sleepUntil(startsAt + HEAD_AT * chain.slotMs);
    stub.announceHead(slot);
    await sleepUntil(startsAt + FLOOR_AT * chain.slotMs);
    await probe.sample();
    const record = stub.record(slot);
    const tookMs = (record?.handedOverAt ?? Number.NaN) - (record?.readyAt ?? 0);
    progress(`${chain.preset} slot ${slot}: ${tookMs.toFixed(1)} ms`);
    if (slot >= measuredFrom && record !== undefined) slots.push(record);
  }
  const after = await countAll(running);
  const cpuMs = after.cpuMs.map(
    (ms, node) => (ms - (before.cpuMs[node] ?? 0)) / scenario.measuredSlots,
  );
  const sent = {
    consensus: difference(after.consensus, before.consensus),
    partials: difference(after.partials, before.partials),
  };
  const memory = running.map(({ child }) => memoryOf(child.pid ?? 0));
  return { chain, slots, floor: probe.floor(), cpuMs, memory, sent };
}

type Counts = { readonly cpuMs: readonly number[] } & Sent;

async function countAll(running: readonly RunningNode[]): Promise<Counts> {
  const sent = await countSent(running);
  return { ...sent, cpuMs: running.map(({ child }) => cpuMsOf(child.pid ?? 0)) };
}
