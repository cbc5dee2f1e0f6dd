/**
 * The command line: commands, their options, and one place where errors become text and exit
 * codes. Commands are imported when they run, because what they import fixes the preset.
 */
import { Command, CommanderError } from "commander";
import { tuneHeap } from "../adapters/system/heap.ts";
import { UsageError } from "../domain/errors.ts";
import { addBackup } from "./backup/commands.ts";
import { COMBINE_OPTIONS, parseCombineOptions } from "./combineOptions.ts";
import {
  type Action,
  DATA_DIR,
  dataDirOf,
  environmentFor,
  isOn,
  JSON_OUTPUT,
  rawOptions,
  type WithAction,
} from "./commandParts.ts";
import { parseRunOptions, RUN_OPTIONS, type RunOptions } from "./config.ts";
import { readConfigFile } from "./configFile.ts";
import {
  CREATE_CLUSTER_OPTIONS,
  listKeysToSplit,
  parseCreateClusterOptions,
} from "./createClusterOptions.ts";
import { CREATE_DKG_OPTIONS, parseCreateDkgOptions } from "./createDkgOptions.ts";
import { addDkg } from "./dkg/commands.ts";
import { describeError, EXIT_CODES, type ExitCode, exitCodeOf } from "./exitCodes.ts";
import { addOptions, type OptionSpec, resolveOptions } from "./options.ts";
import { readPeersFile } from "./p2pOptions.ts";
import { askPreset, usePreset } from "./preset.ts";
import { parseRelayOptions, RELAY_OPTIONS } from "./relayOptions.ts";
import { addAudit, addFreezes, addSlashing, addStatus } from "./safety/commands.ts";
import { refuseSecretsIn } from "./secretGuard.ts";
import { addSplit } from "./splitCommand.ts";
import { addVerify } from "./verifyCommands.ts";
import { formatVersion } from "./version.ts";

export const CONFIG = {
  name: "config",
  value: "file",
  help: "JSON file of options: flags without their dashes",
} as const satisfies OptionSpec;

/** The simulator's own command line: its exit codes are its own too. */
export type Simulate = (argv: readonly string[]) => Promise<number>;

/** Runs one command; never throws. `simulate` is behind the entry, which alone may load it. */
export async function main(
  argv: readonly string[],
  simulate: Simulate | null = null,
): Promise<number> {
  let exitCode = 0;
  const program = buildProgram((outcome) => {
    exitCode = outcome;
  });
  if (simulate !== null) {
    addSimulator(program, (words) =>
      simulate(words).then((outcome) => {
        exitCode = outcome;
      }),
    );
  }
  try {
    // A simulation has a seed, and no secret that is worth one.
    if (argv[0] !== "sim") refuseSecretsIn(argv);
    await program.parseAsync(argv, { from: "user" });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT_CODES.ok;
    const cause = error instanceof CommanderError ? usageErrorOf(error) : error;
    process.stderr.write(describeError(cause));
    return exitCodeOf(cause);
  }
}

/** Everything after the word is the simulator's to read, its --help included. */
function addSimulator(
  program: Command,
  simulate: (words: readonly string[]) => Promise<void>,
): void {
  program
    .command("sim")
    .description("simulate a cluster, its chain and its enemies in one process")
    .helpOption(false)
    .allowUnknownOption()
    .argument("[arguments...]")
    .action(simulate);
}

function buildProgram(finish: (outcome: ExitCode) => void): Command {
  const program = new Command("coterie")
    .description("Distributed-validator middleware for Ethereum: t of n operators, one validator.")
    .version(formatVersion({ json: false }).trimEnd())
    .exitOverride()
    // A command's options stand behind its name, where its subcommands' stand too.
    .enablePositionalOptions()
    // The error itself is printed once, with its fix.
    .configureOutput({ outputError: () => undefined });
  const withAction = (command: Command, action: Action): Command =>
    command.action(async (...parameters: unknown[]) => {
      const operands = parameters.flat().filter((parameter) => typeof parameter === "string");
      finish(await action(command, ...operands));
    });
  addRun(program, withAction);
  addRelay(program, withAction);
  addCreate(program, withAction);
  addDkg(program, withAction);
  addSplit(program, withAction);
  addCombine(program, withAction);
  addStatus(program, withAction);
  addFreezes(program, withAction);
  addSlashing(program, withAction);
  addAudit(program, withAction);
  addBackup(program, withAction);
  addInspection(program, withAction);
  return program;
}

function addRun(program: Command, withAction: WithAction): void {
  const command = program.command("run").description("run this operator's node");
  withAction(addOptions(command, [CONFIG, ...RUN_OPTIONS]), async () => {
    tuneHeap();
    const options = await prepareRun(command);
    const { run } = await import("./run.ts");
    await run(options);
    return EXIT_CODES.ok;
  });
}

/** What is to run, with the preset chosen before anything loads the types (CLI-5). */
export async function prepareRun(command: Command): Promise<RunOptions> {
  const options = await readRunOptions(command);
  const preset = await askPreset(options.beaconNodeEndpoints);
  if (preset !== null && process.env["LODESTAR_PRESET"] === undefined) usePreset(preset);
  return options;
}

function addRelay(program: Command, withAction: WithAction): void {
  const command = program
    .command("relay")
    .description("carry traffic between nodes that cannot reach each other");
  withAction(addOptions(command, RELAY_OPTIONS), async () => {
    const sources = { environment: environmentFor(RELAY_OPTIONS), file: {} };
    const settings = parseRelayOptions(resolveOptions(command, RELAY_OPTIONS, sources));
    const { runRelay } = await import("./relay.ts");
    await runRelay(settings);
    return EXIT_CODES.ok;
  });
}

function addCreate(program: Command, withAction: WithAction): void {
  const create = program.command("create").description("make an identity or a cluster");
  const enr = create.command("enr").description("make this operator's identity key, print its ENR");
  withAction(addOptions(enr, [DATA_DIR]), async () => {
    const { createEnr } = await import("./createEnr.ts");
    process.stdout.write(`${await createEnr({ dataDir: dataDirOf(enr) })}\n`);
    return EXIT_CODES.ok;
  });
  const cluster = create
    .command("cluster")
    .description("split validator keys, new or existing, among nodes on this machine");
  withAction(addOptions(cluster, CREATE_CLUSTER_OPTIONS), async () => {
    const sources = { environment: environmentFor(CREATE_CLUSTER_OPTIONS), file: {} };
    const raw = resolveOptions(cluster, CREATE_CLUSTER_OPTIONS, sources);
    const options = parseCreateClusterOptions(raw, await listKeysToSplit(raw));
    const { createClusterFiles } = await import("./createCluster.ts");
    await createClusterFiles(options);
    return EXIT_CODES.ok;
  });
  const dkg = create
    .command("dkg")
    .description("write the cluster definition that a key ceremony is held for");
  withAction(addOptions(dkg, CREATE_DKG_OPTIONS), async () => {
    const sources = { environment: environmentFor(CREATE_DKG_OPTIONS), file: {} };
    const options = parseCreateDkgOptions(resolveOptions(dkg, CREATE_DKG_OPTIONS, sources));
    const { createDkg } = await import("./createDkg.ts");
    await createDkg(options);
    return EXIT_CODES.ok;
  });
}

function addCombine(program: Command, withAction: WithAction): void {
  const command = program
    .command("combine")
    .description("make the whole keys of a stopped cluster from enough operators' key shares");
  withAction(addOptions(command, COMBINE_OPTIONS), async () => {
    const sources = { environment: environmentFor(COMBINE_OPTIONS), file: {} };
    const options = parseCombineOptions(resolveOptions(command, COMBINE_OPTIONS, sources));
    const { combine } = await import("./combine.ts");
    await combine(options);
    return EXIT_CODES.ok;
  });
}

function addInspection(program: Command, withAction: WithAction): void {
  const enr = program.command("enr").description("print this operator's ENR");
  withAction(addOptions(enr, [DATA_DIR]), async () => {
    const { showEnr } = await import("./createEnr.ts");
    process.stdout.write(`${await showEnr({ dataDir: dataDirOf(enr) })}\n`);
    return EXIT_CODES.ok;
  });
  addVerify(program, withAction);
  const version = program.command("version").description("print the version");
  withAction(addOptions(version, [JSON_OUTPUT]), async () => {
    process.stdout.write(formatVersion({ json: isOn(version, JSON_OUTPUT) }));
    return EXIT_CODES.ok;
  });
}

/** Flag, then environment, then configuration file, then default (CLI-2). */
async function readRunOptions(command: Command): Promise<RunOptions> {
  const configPath = rawOptions(command, [CONFIG])[CONFIG.name];
  const file = configPath === undefined ? {} : await readConfigFile(configPath);
  const sources = { environment: environmentFor(RUN_OPTIONS), file };
  const raw = resolveOptions(command, RUN_OPTIONS, sources);
  return parseRunOptions(raw, readPeersFile);
}

/** Commander's complaint, with its suggestion as the fix (CLI-3). */
function usageErrorOf(error: CommanderError): UsageError {
  const [problem = "", suggestion = ""] = error.message.replace(/^error: /, "").split("\n");
  const meant = /\(Did you mean (.*)\?\)/.exec(suggestion)?.[1];
  const fix = meant === undefined ? "see: coterie --help" : `did you mean ${meant}?`;
  // The value of an unknown flag may be a secret.
  return new UsageError(problem.replace(/=.*'/, "=…'"), { fix });
}
