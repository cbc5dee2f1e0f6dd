/**
 * The simulator's speed against real time, per core, and its memory over a thousand epochs. Speed
 * is counted in processor time, so that a busy machine does not change it.
 */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { ROOT } from "../repository.ts";
import type { BenchRow } from "./row.ts";
import type { SimFigures, SimRequest } from "./simRun.ts";

const COMPILE_CACHE = join(ROOT, "node_modules/.cache/compile");
const SCRIPT = join(import.meta.dirname, "simRun.ts");
const MIN_RATIO = { transparent: 200, blst: 20 } as const;
const MAX_START_SECONDS = 1;
const MAX_GROWTH = 1.05;

export async function benchSim(progress: (text: string) => void): Promise<readonly BenchRow[]> {
  // What is compiled once is found again by the next start, as by `npm run coterie`.
  await simulate("mainnet", { bls: "transparent", validators: 1, epochs: 1, proposals: 0 });
  progress("1000 validators, transparent BLS");
  const transparent = await simulate("mainnet", {
    bls: "transparent",
    validators: 1_000,
    epochs: 8,
    proposals: 0.1,
  });
  progress("100 validators, blst");
  const blst = await simulate("mainnet", {
    bls: "blst",
    validators: 100,
    epochs: 4,
    proposals: 0.1,
  });
  progress("1000 epochs");
  const long = await simulate("minimal", {
    bls: "transparent",
    validators: 4,
    epochs: 1_000,
    proposals: 0.1,
    isHeapMeasured: true,
  });
  const growth = long.lateHeapBytes / long.earlyHeapBytes;
  return [
    speedRow("4 nodes, 1000 validators, transparent", MIN_RATIO.transparent, transparent),
    speedRow("4 nodes, 100 validators, blst", MIN_RATIO.blst, blst),
    {
      name: "sim: start of the process until it runs, with Node's compile cache",
      value: transparent.startSeconds,
      unit: "s",
      limit: `below ${MAX_START_SECONDS} s`,
      pass: transparent.startSeconds < MAX_START_SECONDS,
    },
    {
      name: "sim: live heap at epoch 1000 against epoch 200",
      value: long.lateHeapBytes / 2 ** 20,
      unit: "MiB",
      floor: long.earlyHeapBytes / 2 ** 20,
      ratio: growth,
      limit: `at most ${MAX_GROWTH}`,
      pass: growth <= MAX_GROWTH && long.violations === 0,
    },
  ];
}

function speedRow(what: string, least: number, figures: SimFigures): BenchRow {
  const ratio = figures.virtualSeconds / figures.cpuSeconds;
  return {
    name: `sim: ${what}, times real time`,
    value: ratio,
    unit: "x",
    limit: `at least ${least}`,
    pass: ratio >= least && figures.violations === 0,
  };
}

async function simulate(
  preset: string,
  { isHeapMeasured = false, ...run }: Omit<SimRequest, "isHeapMeasured"> & Partial<SimRequest>,
): Promise<SimFigures> {
  const request: SimRequest = { ...run, isHeapMeasured };
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--expose-gc", SCRIPT, JSON.stringify(request)],
    { env: { ...process.env, LODESTAR_PRESET: preset, NODE_COMPILE_CACHE: COMPILE_CACHE } },
  );
  return JSON.parse(stdout);
}
