#!/usr/bin/env node
/**
 * Process entry: the right Node, then the command line, then an exit code. Nothing that needs a
 * newer Node may be imported before the check.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

const MIN_NODE_MAJOR = 24;
/** Tells the second process that it is one, so that a wrong binary cannot start itself for ever. */
const SECOND_START = "COTERIE_NODE_STARTED";

// Node opens its debugger, and with it every key in memory, to whoever may send SIGUSR1.
process.on("SIGUSR1", () => {
  process.stderr.write("SIGUSR1 is ignored; SIGUSR2 freezes signing\n");
});

if (Number(process.versions.node.split(".")[0]) >= MIN_NODE_MAJOR) await runProgram();
else startWithBundledNode();

async function runProgram(): Promise<void> {
  const { main } = await import("./cli/program.ts");
  const { describeError, exitCodeOf } = await import("./cli/exitCodes.ts");
  // Whatever nobody handled ends the process: a node in an unknown state must not sign.
  process.on("uncaughtException", (error) => {
    process.stderr.write(describeError(error));
    process.exit(exitCodeOf(error));
  });
  process.exit(await main(process.argv.slice(2), simulate));
}

/** The only way from the product to the simulator, and loaded only when it is asked for. */
async function simulate(argv: readonly string[]): Promise<number> {
  const { main } = await import("../sim/main.ts");
  return main(argv);
}

function startWithBundledNode(): void {
  const node = findBundledNode(import.meta.dirname);
  if (node === null || process.env[SECOND_START] !== undefined) {
    process.stderr.write(
      `error: coterie needs Node ${MIN_NODE_MAJOR} or newer, this is ${process.versions.node}\n` +
        "fix: install it, or run npm ci, which brings one along\n",
    );
    process.exitCode = 64;
    return;
  }
  const child = spawn(node, process.argv.slice(1), {
    stdio: "inherit",
    env: { ...process.env, [SECOND_START]: "1" },
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR2"] as const) {
    process.on(signal, () => child.kill(signal));
  }
  child.on("exit", (code, signal) => {
    process.exitCode = code ?? (signal === null ? 70 : 128);
  });
}

/** The binary that npm installed for this platform, beside us or beside the package above us. */
function findBundledNode(from: string): string | null {
  for (let folder = from; folder !== dirname(folder); folder = dirname(folder)) {
    const candidate = join(folder, "node_modules", ".bin", "node");
    if (existsSync(candidate)) return candidate;
  }
  return null;
}
