/** `coterie sim`: one run, from its first line (seed, commit, options) to its verdict. */
import { createWriteStream } from "node:fs";
import { writeFile } from "node:fs/promises";
import { finished } from "node:stream/promises";
import { RunReader } from "../report/runModel.ts";
import { runPage } from "../report/runPage.ts";
import type { SimulatorOptions } from "../simulator.ts";
import { Simulator } from "../simulator.ts";
import type { RunResult } from "../world.ts";
import { commandOf, exitCodeOf, type RunSpec, type SimExitCode, type TraceHeader } from "./spec.ts";

export type Surroundings = {
  readonly commit: string;
  readonly print: (line: string) => void;
  /** Progress of long runs; overwritten where that can be. */
  readonly progress: (text: string) => void;
  /** Milliseconds of the machine, for the speed alone. */
  readonly wallMs: () => number;
};

export type RunRequest = {
  readonly spec: RunSpec;
  readonly scenario: NonNullable<SimulatorOptions["scenario"]>;
  readonly traceFile: string | null;
  /** Where the page of the run goes. */
  readonly reportFile: string | null;
  readonly isJson: boolean;
};

/** Violations that are printed; the trace has them all. */
const MAX_PRINTED = 10;

export async function runOnce(
  { spec, scenario, traceFile, reportFile, isJson }: RunRequest,
  surroundings: Surroundings,
): Promise<SimExitCode> {
  const { print, progress, commit, wallMs } = surroundings;
  const simulator = new Simulator({ ...spec, scenario });
  const command = commandOf(spec);
  const header = headerOf(spec, { commit, command, scenario: simulator.scenario });
  print(isJson ? JSON.stringify(header) : `seed=${spec.seed} commit=${commit} ${command}`);
  const file = traceFile === null ? null : createWriteStream(traceFile);
  file?.write(`${JSON.stringify(header)}\n`);
  const report = reportFile === null ? null : new RunReader();
  report?.takeLine(JSON.stringify(header));
  const startedAt = wallMs();
  const { slots } = simulator.scenario;
  const result = await simulator.run({
    ...((file !== null || report !== null) && {
      onTrace: (line) => {
        file?.write(line);
        report?.takeLine(line);
      },
    }),
    onSlot: (slot) => progress(`slot ${slot} of ${slots}`),
  });
  file?.end();
  if (file !== null) await finished(file);
  if (report !== null && reportFile !== null) await writeFile(reportFile, runPage(report.model()));
  progress("");
  const elapsedMs = wallMs() - startedAt;
  if (isJson) print(JSON.stringify({ kind: "result", ...result, elapsedMs }));
  else for (const line of summaryOf(result, { elapsedMs, command })) print(line);
  return exitCodeOf(result);
}

export function headerOf(
  spec: RunSpec,
  rest: Pick<TraceHeader, "commit" | "command" | "scenario">,
): TraceHeader {
  const { seed, preset, scenario: _, ...options } = spec;
  // The scenario below is what is left of it already.
  const { faults: __, ...others } = options;
  return { kind: "run", seed: String(seed), preset, ...rest, options: others };
}

function summaryOf(
  result: RunResult,
  { elapsedMs, command }: { readonly elapsedMs: number; readonly command: string },
): readonly string[] {
  const { violations, verdicts, virtualMs, events, hash } = result;
  const ratio = Math.round(virtualMs / elapsedMs);
  const lines = verdicts.map(({ checker, passed, checked }) => {
    return `${checker.padEnd(12)}${passed ? "ok" : "BROKEN"}  ${checked} checked`;
  });
  for (const { checker, at, message } of violations.slice(0, MAX_PRINTED)) {
    lines.push(`${checker} at ${(at / 1_000).toFixed(3)} s: ${message}`);
  }
  if (violations.length > MAX_PRINTED) lines.push(`and ${violations.length - MAX_PRINTED} more`);
  lines.push(
    `${(virtualMs / 1_000).toFixed(0)} s in ${(elapsedMs / 1_000).toFixed(1)} s (${ratio}x), ` +
      `${events} events, hash ${hash}`,
  );
  if (violations.length > 0) lines.push(`reproduce: ${command}`);
  return lines;
}
