/**
 * `npm run bench -- attester`: the attester duty of four node processes over loopback, from
 * "attestation data ready" to "the first node hands the aggregates over", against the floor of the
 * bare operations on the same machine in the same run.
 */

import { batchVerify } from "../../src/crypto/bls.ts";
import type { Duty } from "../../src/domain/duty.ts";
import { bytesOf } from "../../src/domain/keys.ts";
import { root } from "../../src/eth2/signing.ts";
import type { Statement } from "../../src/qbft/messages.ts";
import { assert } from "../../src/util/assert.ts";
import { fromHex } from "../../src/util/bytes.ts";
import { nativeProfile } from "../../src/wire/nativeProfile.ts";
import { OPERATIONS } from "./attesterFloor.ts";
import { type RunResult, runScenario, type Scenario } from "./attesterRun.ts";
import type { BenchRow } from "./row.ts";
import { median, quantile } from "./statistics.ts";
import { GENESIS_VALIDATORS_ROOT, type SlotRecord, type StubChain } from "./stubBeacon.ts";

/** Issue 2, "Speed and memory". */
const MAX_FLOOR_RATIO = 2;
const MAX_RSS_MB = 200;
/** Frames beyond the expected: answers to a peer that is a moment behind. */
const MAX_BYTES_RATIO = 1.1;
const ATTESTATION_DATA_BYTES = 128;
/** Of a frame on a stream. */
const LENGTH_PREFIX_BYTES = 4;

/** A round is 8 % of a slot: of one second that would be less than four nodes need on two cores. */
const COMMON = { nodes: 4, threshold: 3, validators: 100, slotMs: 2_000 } as const;
const SCENARIOS: readonly Scenario[] = [
  { ...COMMON, preset: "minimal", slotsPerEpoch: 8, warmUpSlots: 16, measuredSlots: 30 },
  { ...COMMON, preset: "mainnet", slotsPerEpoch: 32, warmUpSlots: 16, measuredSlots: 30 },
];

export async function benchAttester(
  progress: (text: string) => void,
): Promise<readonly BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const scenario of SCENARIOS) {
    const result = await runScenario(scenario, progress);
    assertSigned(result);
    rows.push(...rowsOf(scenario, result));
  }
  return rows;
}

function rowsOf(scenario: Scenario, result: RunResult): readonly BenchRow[] {
  const perSlot = Math.floor(scenario.validators / scenario.slotsPerEpoch);
  const name = (what: string): string => `attester, ${perSlot} validators a slot: ${what}`;
  return [
    ...latencyRows(name, scenario, result),
    ...floorRows(name, result),
    ...resourceRows(name, result),
    ...trafficRows(name, scenario, result),
  ];
}

type Naming = (what: string) => string;

function latencyRows(name: Naming, scenario: Scenario, result: RunResult): readonly BenchRow[] {
  const { floorMs: floor } = result.floor;
  const handedOver = result.slots.filter(({ handedOverAt }) => handedOverAt !== null);
  const missed = scenario.measuredSlots - handedOver.length;
  const latencies = handedOver.map(({ readyAt, handedOverAt }) => (handedOverAt ?? 0) - readyAt);
  const p50 = median(latencies);
  return [
    {
      name: name("data ready to aggregates handed over, p50"),
      value: p50,
      unit: "ms",
      floor,
      ratio: p50 / floor,
      limit: `at most ${MAX_FLOOR_RATIO}x the floor`,
      pass: p50 <= MAX_FLOOR_RATIO * floor,
    },
    { name: name("the same, p90"), value: quantile(latencies, 0.9), unit: "ms" },
    { name: name("slots missed"), value: missed, unit: "", limit: "none", pass: missed === 0 },
  ];
}

function floorRows(name: Naming, { floor }: RunResult): readonly BenchRow[] {
  return [
    { name: name("floor, critical path"), value: floor.criticalPathMs, unit: "ms" },
    { name: name("floor, CPU time over cores"), value: floor.cpuBoundMs, unit: "ms" },
    ...OPERATIONS.flatMap((operation) => [
      { name: name(`floor, ${operation}`), value: floor.costs[operation].wallMs, unit: "ms" },
      { name: name(`floor, ${operation}, CPU`), value: floor.costs[operation].cpuMs, unit: "ms" },
    ]),
  ];
}

function resourceRows(name: Naming, { cpuMs, memory }: RunResult): readonly BenchRow[] {
  const rss = Math.max(...memory.map(({ rssMb }) => rssMb));
  const peak = Math.max(...memory.map(({ peakRssMb }) => peakRssMb));
  return [
    { name: name("CPU per node and slot, mean"), value: mean(cpuMs), unit: "ms" },
    {
      name: name("RSS of the largest node"),
      value: rss,
      unit: "MB",
      limit: `below ${MAX_RSS_MB} MB`,
      pass: rss < MAX_RSS_MB,
    },
    { name: name("peak RSS of the largest node"), value: peak, unit: "MB" },
  ];
}

function trafficRows(name: Naming, scenario: Scenario, result: RunResult): readonly BenchRow[] {
  const { nodes, measuredSlots, validators, slotsPerEpoch } = scenario;
  const { consensus, partials } = result.sent;
  const peers = nodes - 1;
  const expected = expectedConsensusBytes(nodes);
  const perDuty = consensus.bytes / measuredSlots;
  const ratio = perDuty / expected.bytes;
  const valueCopies =
    (perDuty - expected.bytes + peers * ATTESTATION_DATA_BYTES) / ATTESTATION_DATA_BYTES / peers;
  const signatures = measuredSlots * (validators / slotsPerEpoch) * nodes * peers;
  return [
    {
      name: name("consensus bytes per duty, all nodes"),
      value: perDuty,
      unit: "bytes",
      floor: expected.bytes,
      ratio,
      limit: "the value travels once per peer",
      pass: ratio <= MAX_BYTES_RATIO,
    },
    { name: name("values per duty and peer, at most"), value: valueCopies, unit: "" },
    {
      name: name("consensus frames per duty, all nodes"),
      value: consensus.frames / measuredSlots,
      unit: "frames",
      floor: expected.frames,
    },
    {
      name: name("bytes per partial signature and peer"),
      value: partials.bytes / signatures,
      unit: "bytes",
    },
  ];
}

/** One proposal with its value, and a PREPARE and a COMMIT of every node, each to every peer. */
function expectedConsensusBytes(nodes: number): {
  readonly frames: number;
  readonly bytes: number;
} {
  const peers = nodes - 1;
  const value = new Uint8Array(ATTESTATION_DATA_BYTES);
  const votes = 2 * nodes * peers;
  const bytes =
    peers * frameBytes("PRE-PREPARE", value) + votes * frameBytes("PREPARE", value, "vote only");
  return { frames: peers + votes, bytes };
}

function frameBytes(
  type: Exclude<Statement["type"], "ROUND-CHANGE">,
  value: Uint8Array,
  content: "with value" | "vote only" = "with value",
): number {
  const duty: Duty = { slot: 100, type: "attester" };
  const statement = {
    ...{ type, round: 1, value: nativeProfile.valueRoot(value), source: 1 },
    ...{ preparedRound: 0, preparedValue: null, signature: new Uint8Array(65).fill(1) },
  };
  const frame = nativeProfile.encodeConsensus({
    kind: "message",
    duty,
    message: { ...statement, justification: [] },
    value: content === "with value" ? value : null,
  });
  return LENGTH_PREFIX_BYTES + frame.length;
}

/** A time counts only if what was handed over then is what the chain would take. */
function assertSigned({ chain, slots }: RunResult): void {
  for (const record of slots) {
    if (record.submission !== null) {
      assert(batchVerify(checksOf(chain, record)), `slot ${record.slot} is signed by the groups`);
    }
  }
}

function checksOf({ pubKeys }: StubChain, { submission }: SlotRecord) {
  // The fork in force has started at genesis.
  const version = "0x06000f00";
  const fork = { previous_version: version, current_version: version, epoch: "0" };
  return (submission ?? []).map(({ attester_index, data, signature }) => {
    const signed = root({ type: "ATTESTATION", fork, gvr: GENESIS_VALIDATORS_ROOT, object: data });
    assert(signed.ok, "a submitted attestation has a signing root");
    return {
      publicKey: fromHex(pubKeys[Number(attester_index)] ?? "") ?? new Uint8Array(),
      message: bytesOf(signed.value),
      signature: fromHex(signature) ?? new Uint8Array(),
    };
  });
}

function mean(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0) / values.length;
}
