/**
 * `coterie sim`: a whole cluster in one process, in virtual time, from one seed. The edge of the
 * simulator: what it is asked for, the machine's clock for its speed, and the exit code.
 */
import { execFileSync } from "node:child_process";
import { Command, Option } from "commander";
import { UsageError } from "../src/domain/errors.ts";
import { addChaosPeer } from "./commands/chaosPeer.ts";
import type { RunRequest, Surroundings } from "./commands/run.ts";
import type { RunSpec } from "./commands/spec.ts";

type Flags = {
  readonly seed?: string;
  readonly scenario: string;
  readonly nodes?: string;
  readonly threshold?: string;
  readonly validators?: string;
  readonly epochs?: string;
  readonly slotMs?: string;
  readonly bls: string;
  readonly chain: string;
  readonly preset: string;
  readonly faults?: string;
  readonly trace?: string;
  readonly report?: string;
  readonly json?: boolean;
  readonly listScenarios?: boolean;
  readonly listBehaviours?: boolean;
};

const PRESETS = ["minimal", "mainnet"];
/** Between two lines of progress. */
const PROGRESS_MS = 1_000;

/** Runs one command of the simulator; throws UsageError for what it cannot do. */
export async function main(argv: readonly string[]): Promise<number> {
  let exitCode = 0;
  const program = new Command("coterie sim")
    .description("simulate a cluster, its chain and its enemies; the same seed gives the same run")
    .exitOverride()
    // The error itself is printed once, by whoever called.
    .configureOutput({ outputError: () => undefined });
  addListOptions(addRunOptions(program)).action(async (flags: Flags) => {
    if (flags.listScenarios || flags.listBehaviours) {
      const list = await load(flags.preset, () => import("./commands/list.ts"));
      const entries = flags.listScenarios ? await list.scenarioList() : list.behaviourList();
      process.stdout.write(list.listed(entries, flags.json ?? false));
      return;
    }
    const { runOnce } = await load(flags.preset, () => import("./commands/run.ts"));
    exitCode = await runOnce(await requestOf(flags), surroundings());
  });
  const shrinking = program.command("shrink").description("find the smallest failing schedule");
  addRunOptions(shrinking).action(async (_: Flags, command: Command) => {
    const flags = command.optsWithGlobals<Flags>();
    const { shrink } = await load(flags.preset, () => import("./commands/shrink.ts"));
    exitCode = await shrink(await requestOf(flags), surroundings());
  });
  program
    .command("replay <trace>")
    .description("run a trace again and compare it")
    .option("--until <slot>", "compare up to this slot only")
    .action(async (path: string, { until }: { readonly until?: string }) => {
      const preset = await presetOf(path);
      const { replayTrace } = await load(preset, () => import("./commands/diff.ts"));
      const { print } = surroundings();
      const slot = until === undefined ? null : numberOf("until", until);
      exitCode = await replayTrace(path, { until: slot, print });
    });
  program
    .command("report <trace>")
    .description("write the page of a run whose trace was kept")
    .option("--output <file>", "where the page goes", "report.html")
    .action(async (path: string, { output }: { readonly output: string }) => {
      const { reportTrace } = await load("minimal", () => import("./commands/report.ts"));
      exitCode = await reportTrace(path, { output, print: surroundings().print });
    });
  program
    .command("diff <trace> <other>")
    .description("show the first event in which two traces differ")
    .action(async (left: string, right: string) => {
      const { diffTraces } = await load("minimal", () => import("./commands/diff.ts"));
      exitCode = await diffTraces([left, right], surroundings().print);
    });
  addChaosPeer(program, argv, process.env);
  addSweep(program, (code) => {
    exitCode = code;
  });
  await program.parseAsync(argv, { from: "user" });
  return exitCode;
}

type SweepFlags = Pick<Flags, "seed" | "validators" | "report" | "json"> & {
  readonly param: readonly string[];
  readonly runs: string;
  readonly slots?: string;
  readonly csv?: boolean;
};

function addSweep(program: Command, finish: (exitCode: number) => void): void {
  const collect = (text: string, before: readonly string[] = []): readonly string[] => [
    ...before,
    text,
  ];
  program
    .command("sweep")
    .description("run a grid of parameters, each cell with several seeds")
    .requiredOption("--param <name=values>", "latency=20..400 or nodes=4,7,10; repeatable", collect)
    .option("--runs <n>", "seeds of each cell", "10")
    .option("--slots <n>", "length of a run (default: 8)")
    .option("--csv", "print one line for each run")
    .action(async (_: SweepFlags, command: Command) => {
      const flags = command.optsWithGlobals<SweepFlags>();
      const { runSweep } = await load("minimal", () => import("./commands/sweep.ts"));
      const numberOrNull = (name: string, text: string | undefined): number | null =>
        text === undefined ? null : numberOf(name, text);
      const request = {
        seed: flags.seed ?? "1",
        parameters: flags.param,
        runs: numberOf("runs", flags.runs),
        slots: numberOrNull("slots", flags.slots),
        validators: numberOrNull("validators", flags.validators),
        isCsv: flags.csv ?? false,
        isJson: flags.json ?? false,
        reportFile: flags.report ?? null,
      };
      finish(await runSweep(request, surroundings()));
    });
}

function addListOptions(command: Command): Command {
  return command
    .option("--list-scenarios", "print the scenarios that come with the program, run nothing")
    .option("--list-behaviours", "print what a Byzantine operator can do, run nothing");
}

function addRunOptions(command: Command): Command {
  return command
    .option("--seed <text>", "where everything random comes from (default: a fresh one)")
    .option("--scenario <name>", "calm, swarm (all drawn from the seed), or a YAML file", "calm")
    .option("--nodes <n>", "operators (default: 4)")
    .option("--threshold <t>", "shares that make a signature (default: a quorum)")
    .option("--validators <n>", "distributed validators (default: 100)")
    .option("--epochs <n>", "length of the run (default: 8)")
    .option("--slot-ms <ms>", "length of a slot (default: 12000)")
    .option("--faults <positions>", "keep only these faults of the scenario, e.g. 0,3; or none")
    .addOption(
      new Option("--bls <kind>", "transparent is fast and insecure")
        .choices(["transparent", "blst"])
        .default("transparent"),
    )
    .addOption(
      new Option("--chain <kind>", "real runs a state transition; it asks for --bls blst")
        .choices(["virtual", "real"])
        .default("virtual"),
    )
    .addOption(
      new Option("--preset <name>", "slots of an epoch: 8 or 32")
        .choices(PRESETS)
        .default("minimal"),
    )
    .option("--trace <file>", "write every event, one JSON object per line")
    .option("--report <file>", "write a page that shows the run (HTML, needs nothing else)")
    .option("--json", "print JSON, one object per line");
}

/** The preset sizes the types when they load: it is set before anything that leads to them. */
async function load<T>(preset: string, importer: () => Promise<T>): Promise<T> {
  process.env["LODESTAR_PRESET"] = preset;
  return importer();
}

async function requestOf(flags: Flags): Promise<RunRequest> {
  const { trace = null, report = null, json = false } = flags;
  const spec = specOf(flags);
  const scenario = await scenarioOf(flags.scenario);
  return { spec, scenario, traceFile: trace, reportFile: report, isJson: json };
}

async function scenarioOf(name: string): Promise<RunRequest["scenario"]> {
  if (name === "calm" || name === "swarm") return name;
  const { findScenario } = await import("./scenarioFiles.ts");
  return (await findScenario(name)).scenario;
}

function specOf(flags: Flags): RunSpec {
  const { seed = String(Date.now() % 1_000_000), scenario, preset, bls, chain } = flags;
  const sizes = { nodes: flags.nodes, threshold: flags.threshold, validators: flags.validators };
  const times = { epochs: flags.epochs, slotMs: flags.slotMs };
  const numbers = Object.entries({ ...sizes, ...times }).flatMap(([name, text]) =>
    text === undefined ? [] : [[name, numberOf(name, text)] as const],
  );
  return {
    seed,
    scenario,
    preset,
    ...(bls === "blst" && { bls: "blst" as const }),
    ...(chain === "real" && { chain: "real" as const }),
    ...Object.fromEntries(numbers),
    ...(flags.faults !== undefined && { faults: positionsOf(flags.faults) }),
  };
}

function positionsOf(text: string): readonly number[] {
  return text === "none" ? [] : text.split(",").map((part) => numberOf("faults", part));
}

function numberOf(name: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new UsageError(`--${name} ${text} is not a number`, { fix: "give a whole number" });
}

async function presetOf(path: string): Promise<string> {
  const { open } = await import("node:fs/promises");
  const file = await open(path).catch((error: unknown) => {
    throw new UsageError(`${path} cannot be read: ${String(error)}`, { fix: "give a trace file" });
  });
  try {
    for await (const line of file.readLines()) {
      const header: { readonly preset?: unknown } = JSON.parse(line);
      return PRESETS.find((preset) => preset === header.preset) ?? "minimal";
    }
    return "minimal";
  } finally {
    await file.close();
  }
}

function surroundings(): Surroundings {
  let last = performance.now();
  let isShown = false;
  return {
    commit: commitOf(),
    print: (line) => void process.stdout.write(`${line}\n`),
    progress(text) {
      if (!process.stderr.isTTY) return;
      const isDue = performance.now() - last >= PROGRESS_MS;
      if (text === "" ? !isShown : !isDue) return;
      last = performance.now();
      isShown = text !== "";
      process.stderr.write(`\r\x1b[K${text}`);
    },
    wallMs: () => performance.now(),
  };
}

/** The commit of the sources; `unknown` where there are none, as in a package. */
function commitOf(): string {
  try {
    const options = { cwd: import.meta.dirname, encoding: "utf8" } as const;
    return execFileSync("git", ["rev-parse", "--short=12", "HEAD"], {
      ...options,
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch (error) {
    if (error instanceof Error) return "unknown";
    throw error;
  }
}
