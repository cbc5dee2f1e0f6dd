/**
 * `npm run bench [-- name…] [--json]`: the figures that this project promises, each against a floor
 * or a peer measured in the same run. Exits 1 when one breaks its limit. Progress is on standard
 * error, so that standard output is the table alone.
 */
import { loadavg } from "node:os";
import { parseArgs, styleText } from "node:util";
import type { BenchRow } from "./bench/row.ts";

type Bench = (progress: (text: string) => void) => Promise<readonly BenchRow[]>;

/** Loaded one by one: what a benchmark does not need would be in its process's memory. */
const BENCHES: Readonly<Record<string, () => Promise<Bench>>> = {
  combine: async () => (await import("./bench/combine.ts")).bench,
  safety: async () => (await import("./bench/safety.ts")).benchSafety,
  sim: async () => (await import("./bench/sim.ts")).benchSim,
  "vc-api": async () => (await import("./bench/vcApi.ts")).benchVcApi,
  attester: async () => (await import("./bench/attester.ts")).benchAttester,
  dkg: async () => (await import("./bench/dkg.ts")).benchDkg,
};
const EXIT_USAGE = 64;

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { json: { type: "boolean", default: false } },
});
const unknown = positionals.find((name) => BENCHES[name] === undefined);
if (unknown !== undefined) {
  process.stderr.write(`no benchmark "${unknown}"; there are ${Object.keys(BENCHES).join(", ")}\n`);
  process.exitCode = EXIT_USAGE;
} else {
  const names = positionals.length > 0 ? positionals : Object.keys(BENCHES);
  const rows = await runAll(names);
  process.stdout.write(values.json ? `${JSON.stringify(rows, null, 2)}\n` : tableOf(rows));
  process.exitCode = rows.some(({ pass }) => pass === false) ? 1 : 0;
}

async function runAll(names: readonly string[]): Promise<readonly BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const name of names) {
    process.stderr.write(`bench ${name}\n`);
    const bench = await BENCHES[name]?.();
    const found = await bench?.((text) => process.stderr.write(`  ${text}\n`));
    rows.push(...(found ?? []));
  }
  const [load = 0] = loadavg();
  return [...rows, { name: "load average of this machine, last minute", value: load, unit: "" }];
}

function tableOf(rows: readonly BenchRow[]): string {
  const lines = [
    ["figure", "value", "unit", "floor", "ratio", "limit", ""],
    ...rows.map(({ name, value, unit, floor, ratio, limit, pass }) => [
      name,
      round(value),
      unit,
      round(floor),
      round(ratio),
      limit ?? "",
      verdictOf(pass),
    ]),
  ];
  const widths = lines[0]?.map((_, column) =>
    Math.max(...lines.map((cells) => cells[column]?.length ?? 0)),
  );
  return lines
    .map((cells) => cells.map((cell, column) => pad(cell, column, widths?.[column] ?? 0)))
    .map((cells) => `${cells.join("  ").trimEnd()}\n`)
    .join("");
}

/** Texts to the left, numbers to the right. */
function pad(cell: string, column: number, width: number): string {
  const isNumber = [1, 3, 4].includes(column);
  return isNumber ? cell.padStart(width) : cell.padEnd(width);
}

function round(value: number | undefined): string {
  if (value === undefined) return "";
  return value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 3);
}

function verdictOf(pass: boolean | undefined): string {
  if (pass === undefined) return "";
  return pass ? styleText("green", "ok") : styleText("red", "FAILED");
}
