/**
 * `npm run bench -- vc-api`: what the Beacon API for validator clients costs. Reads that stream
 * through against a bare proxy, answers to what is decided, and whole proposals of 1 and 4 MB.
 */
import { type BlockResult, type BlockScenario, runProposals } from "./blockRun.ts";
import { benchDecided } from "./decidedAnswers.ts";
import { benchProxy } from "./proxy.ts";
import type { BenchRow } from "./row.ts";
import { median, quantile } from "./statistics.ts";

/** Issue 3, "Speed and memory". */
const MAX_VALUE_COPIES = 1.1;
const BLOCKS = [
  { name: "1 MB block", blobs: 8, slotMs: 4_000, limitMs: 400 },
  { name: "4 MB block", blobs: 31, slotMs: 8_000, limitMs: 1_000 },
] as const;
/** With 128 cell proofs of 48 bytes. */
const BYTES_PER_BLOB = 131_072 + 128 * 48;

const COMMON = { nodes: 4, validators: 8, warmUpSlots: 2, measuredSlots: 10 } as const;

export async function benchVcApi(progress: (text: string) => void): Promise<readonly BenchRow[]> {
  const rows: BenchRow[] = [...(await benchProxy(progress))];
  rows.push(...(await benchDecided(progress)));
  for (const block of BLOCKS) {
    const scenario = { ...COMMON, ...block };
    rows.push(...blockRows(scenario, await runProposals(scenario, progress)));
  }
  return rows;
}

function blockRows(
  scenario: BlockScenario & (typeof BLOCKS)[number],
  { records, sentBytes, cpuMs, ownCpuMs }: BlockResult,
): readonly BenchRow[] {
  const { name, limitMs } = scenario;
  const latencies = records.flatMap((record) =>
    record === undefined || record.publishedAt === null
      ? []
      : [record.publishedAt - record.readyAt],
  );
  const missed = records.length - latencies.length;
  const p50 = median(latencies);
  const peers = scenario.nodes - 1;
  const copies = sentBytes / (scenario.measuredSlots * scenario.blobs * BYTES_PER_BLOB) / peers;
  return [
    {
      name: `${name}: block ready to signed block handed over, p50`,
      value: p50,
      unit: "ms",
      limit: `at most ${limitMs} ms`,
      pass: p50 <= limitMs,
    },
    { name: `${name}: the same, p90`, value: quantile(latencies, 0.9), unit: "ms" },
    { name: `${name}: CPU of all nodes`, value: cpuMs, unit: "ms" },
    { name: `${name}: CPU of the stub and the clients`, value: ownCpuMs, unit: "ms" },
    { name: `${name}: slots missed`, value: missed, unit: "", limit: "none", pass: missed === 0 },
    {
      name: `${name}: values on the wire per peer`,
      value: copies,
      unit: "",
      floor: 1,
      ratio: copies,
      limit: `at most ${MAX_VALUE_COPIES}`,
      pass: copies <= MAX_VALUE_COPIES,
    },
  ];
}
