/**
 * `npm run seeds -- [--from n] [--count n] [--seconds n] [--jobs n] [--golden] [--json]`: swarm
 * seeds in parallel processes, and what fails with the command that reproduces it. Every hundredth
 * seed runs with real BLS. Without --from the range is fresh.
 */
import { fork } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ROOT } from "./repository.ts";
import type { SeedOutcome, SeedRequest } from "./seeds/worker.ts";

const EXIT_FAILED = 1;
const EXIT_USAGE = 64;
const WORKER = join(ROOT, "scripts/seeds/worker.ts");
const GOLDEN = join(ROOT, "test/golden/seeds.txt");
/** What a seed makes dies with it: rare collections, each on the worker's own thread. */
const MEMORY_FLAGS = [
  "--min-semi-space-size=32",
  "--max-semi-space-size=64",
  "--single-threaded-gc",
];
/** One of so many seeds runs with real BLS. */
const BLST_EVERY = 100;

const { values } = parseArgs({
  options: {
    from: { type: "string" },
    count: { type: "string" },
    seconds: { type: "string", default: "60" },
    jobs: { type: "string", default: String(availableParallelism()) },
    golden: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});
const numbers = [values.from, values.count, values.seconds, values.jobs];
if (numbers.some((text) => text !== undefined && !/^\d{1,15}$/.test(text))) {
  process.stderr.write("--from, --count, --seconds and --jobs are whole numbers\n");
  process.exit(EXIT_USAGE);
}

const from = Number(values.from ?? Date.now());
const outcomes = await runAll(values.golden ? goldenSeeds() : freshSeeds());
report(outcomes);
process.exitCode = outcomes.some(({ exitCode }) => exitCode !== 0) ? EXIT_FAILED : 0;

function* freshSeeds(): Generator<number> {
  const until = values.count === undefined ? Infinity : from + Number(values.count);
  for (let seed = from; seed < until; seed++) yield seed;
}

function* goldenSeeds(): Generator<number> {
  for (const line of readFileSync(GOLDEN, "utf8").split("\n")) {
    const seed = /^\d+/.exec(line)?.[0];
    if (seed !== undefined) yield Number(seed);
  }
}

/** Hands each worker the next seed when it is done with the last. */
async function runAll(seeds: Iterator<number>): Promise<readonly SeedOutcome[]> {
  const endsAt = performance.now() + 1_000 * Number(values.seconds);
  const found: SeedOutcome[] = [];
  const worker = async (): Promise<void> => {
    const stdio = ["ignore", "inherit", "inherit", "ipc"] as const;
    const child = fork(WORKER, { stdio: [...stdio], execArgv: [...MEMORY_FLAGS] });
    try {
      for (let next = seeds.next(); !next.done; next = seeds.next()) {
        const seed = next.value;
        const request: SeedRequest = {
          seed,
          bls: seed % BLST_EVERY === 0 ? "blst" : "transparent",
        };
        const outcome = await ask(child, request);
        found.push(outcome);
        tell(outcome, found.length);
        if (!values.golden && performance.now() >= endsAt) return;
      }
    } finally {
      child.disconnect();
    }
  };
  await Promise.all(Array.from({ length: Number(values.jobs) }, worker));
  return found;
}

function ask(child: ReturnType<typeof fork>, request: SeedRequest): Promise<SeedOutcome> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null): void => {
      reject(new Error(`the worker of seed ${request.seed} ended with ${code}`));
    };
    child.once("exit", onExit);
    child.once("message", (outcome) => {
      child.off("exit", onExit);
      resolve(outcome as SeedOutcome);
    });
    child.send(request);
  });
}

function tell(outcome: SeedOutcome, done: number): void {
  if (outcome.exitCode === 0) {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${done} seeds`);
    return;
  }
  const { seed, exitCode, commit, command, message } = outcome;
  if (values.json) process.stdout.write(`${JSON.stringify(outcome)}\n`);
  else
    process.stdout.write(
      `seed=${seed} commit=${commit} exit=${exitCode} ${message}\n  ${command}\n`,
    );
}

function report(all: readonly SeedOutcome[]): void {
  const cpu = all.map(({ cpuSeconds }) => cpuSeconds).sort((a, b) => a - b);
  const seeds = all.map(({ seed }) => seed);
  const summary = {
    from: Math.min(...seeds),
    to: Math.max(...seeds),
    seeds: all.length,
    correctness: all.filter(({ exitCode }) => exitCode === 129).length,
    liveness: all.filter(({ exitCode }) => exitCode === 128).length,
    crashes: all.filter(({ exitCode }) => exitCode === 127).length,
    medianCpuSeconds: cpu[cpu.length >> 1] ?? 0,
  };
  if (values.json) {
    process.stdout.write(`${JSON.stringify(summary)}\n`);
    return;
  }
  process.stdout.write(
    `${summary.seeds} seeds from ${summary.from} to ${summary.to}: ${summary.correctness} broke ` +
      `correctness, ${summary.liveness} liveness, ${summary.crashes} crashed; median ` +
      `${summary.medianCpuSeconds.toFixed(2)} CPU-s\n`,
  );
}
