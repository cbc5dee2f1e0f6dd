/** Runs the real command line in a process of its own. */
import { spawn } from "node:child_process";
import { join } from "node:path";

export type Finished = {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
};

export const MAIN = join(import.meta.dirname, "../../src/main.ts");
/** A command that neither ends nor fails within this time hangs. */
const TIMEOUT_MS = 60_000;

export function runCommand(
  argv: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [MAIN, ...argv], {
      env: { ...withoutOwnSettings(process.env), ...environment },
      stdio: ["ignore", "pipe", "pipe"],
      timeout: TIMEOUT_MS,
    });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
}

/** What the developer's shell sets must not decide a test. */
function withoutOwnSettings(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(environment).filter(
      ([name]) => !/^(COTERIE_|CHARON_|LODESTAR_PRESET$)/.test(name),
    ),
  );
}
