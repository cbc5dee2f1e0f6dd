/** `coterie sim sweep`: many runs over a grid, as CSV, as a summary, and as a page. */
import { writeFile } from "node:fs/promises";
import { milliseconds, quantile } from "../report/scale.ts";
import { sweepPage } from "../report/sweepPage.ts";
import { CSV_COLUMNS, csvLine, parseParameter, SWEEP_BASE, sweep } from "../sweep.ts";
import type { Surroundings } from "./run.ts";
import { EXIT_CODES, type SimExitCode } from "./spec.ts";

export type SweepRequest = {
  readonly seed: string;
  /** As given: `latency=20..400`. */
  readonly parameters: readonly string[];
  readonly runs: number;
  readonly slots: number | null;
  readonly validators: number | null;
  readonly isCsv: boolean;
  readonly isJson: boolean;
  readonly reportFile: string | null;
};

export async function runSweep(
  request: SweepRequest,
  { commit, print, progress, wallMs }: Surroundings,
): Promise<SimExitCode> {
  const { seed, slots, validators, isCsv, isJson, reportFile } = request;
  const parameters = request.parameters.map(parseParameter);
  const command = commandOf(request);
  if (isCsv) print([...parameters.map(({ name }) => name), ...CSV_COLUMNS].join());
  else if (!isJson) print(`seed=${seed} commit=${commit} ${command}`);
  const startedAt = wallMs();
  const runs = await sweep({
    seed,
    base: {
      ...SWEEP_BASE,
      ...(slots !== null && { slots }),
      ...(validators !== null && { validators }),
    },
    parameters,
    runs: request.runs,
    onRun: (run, done, of) => {
      if (isCsv) print(csvLine(run));
      else if (isJson) print(JSON.stringify(run));
      const left = ((wallMs() - startedAt) / done) * (of - done);
      progress(`run ${done} of ${of}, ${milliseconds(left)} left`);
    },
  });
  progress("");
  if (reportFile !== null) {
    await writeFile(reportFile, sweepPage({ command, commit, parameters, runs }));
  }
  const violations = runs.reduce((sum, run) => sum + run.violations, 0);
  if (!isCsv && !isJson) {
    const times = runs.flatMap(({ durations }) => durations);
    const missed = runs.reduce((sum, run) => sum + run.missed, 0);
    print(
      `${runs.length} runs in ${milliseconds(wallMs() - startedAt)}: ` +
        `median ${milliseconds(quantile(times, 0.5))}, 99th percentile ` +
        `${milliseconds(quantile(times, 0.99))}, ${missed} missed, ${violations} violations`,
    );
  }
  return violations === 0 ? EXIT_CODES.ok : EXIT_CODES.correctness;
}

function commandOf({ seed, parameters, runs, slots, validators }: SweepRequest): string {
  const given = parameters.map((text) => ` --param ${text}`).join("");
  const sizes = [
    ...(slots === null ? [] : [`--slots ${slots}`]),
    ...(validators === null ? [] : [`--validators ${validators}`]),
  ];
  return [`coterie sim sweep${given} --runs ${runs} --seed ${seed}`, ...sizes].join(" ");
}
