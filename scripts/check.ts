/**
 * `npm run check`: every static gate, each with its time and, when it fails, its output. All gates
 * run, so that one visit shows everything.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { ROOT } from "./repository.ts";

type Gate = { readonly name: string; readonly command: readonly string[] };
type Outcome = { readonly passed: boolean; readonly output: string; readonly seconds: number };

const bin = (name: string): string => join(ROOT, "node_modules/.bin", name);
const script = (name: string, ...rest: readonly string[]): readonly string[] => [
  process.execPath,
  join(ROOT, "scripts", name),
  ...rest,
];

const TYPES_CACHE = join(ROOT, "node_modules/.cache/types.tsbuildinfo");

const GATES: readonly Gate[] = [
  {
    name: "types",
    // What did not change since the last check is not checked again; only the build emits.
    command: [bin("tsc"), "-p", "tsconfig.json", "--incremental", "--tsBuildInfoFile", TYPES_CACHE],
  },
  { name: "lint", command: [bin("biome"), "check", "--error-on-warnings", "."] },
  {
    name: "boundaries",
    command: [bin("depcruise"), "--config", "scripts/dependency-cruiser.cjs", "src", "sim"],
  },
  { name: "unused", command: [bin("knip"), "--config", "scripts/knip.json", "--no-progress"] },
  { name: "tidy", command: script("tidy.ts") },
  { name: "spec", command: script("spec.ts") },
  { name: "docs", command: script("docs.ts", "check") },
  { name: "proto", command: script("proto.ts", "check") },
];
/** Two cores are the least that we count on. */
const PARALLEL_GATES = 2;

const waiting = [...GATES];
const failed: string[] = [];
await Promise.all(Array.from({ length: PARALLEL_GATES }, runGates));
if (failed.length > 0) {
  console.log(`check failed: ${failed.join(", ")}`);
  process.exitCode = 1;
} else {
  console.log(`check passed: ${GATES.length} gates`);
}

async function runGates(): Promise<void> {
  for (let gate = waiting.shift(); gate !== undefined; gate = waiting.shift()) {
    const { passed, output, seconds } = await run(gate);
    if (!passed) failed.push(gate.name);
    const verdict = passed ? "ok" : "FAILED";
    console.log(`${gate.name.padEnd(12)}${verdict.padEnd(8)}${seconds.toFixed(1)} s`);
    if (!passed) console.log(output.trimEnd());
  }
}

function run(gate: Gate): Promise<Outcome> {
  const [command = "", ...arguments_] = gate.command;
  const startedAt = performance.now();
  return new Promise((resolve) => {
    const child = spawn(command, arguments_, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const finish = (passed: boolean): void => {
      resolve({ passed, output, seconds: (performance.now() - startedAt) / 1000 });
    };
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.on("error", (error) => {
      output += error.message;
      finish(false);
    });
    child.on("close", (code) => finish(code === 0));
  });
}
