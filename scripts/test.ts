/**
 * `npm test`: both halves at the same time. Clusters of real processes wait for slots most of the
 * time and must not be kept from their core when one comes: they keep the usual priority, and the
 * other half takes what they leave. What they say is shown after the other half's output.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { constants, setPriority } from "node:os";
import { ROOT } from "./repository.ts";

function start(name: string, output: "inherit" | "pipe"): ChildProcess {
  return spawn("npm", ["run", "--silent", name], {
    cwd: ROOT,
    stdio: ["ignore", output, "inherit"],
  });
}

function exitOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve(code ?? 1));
  });
}

const live = start("test:live", "pipe");
// Children inherit it: what was started before keeps its own.
setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
const said: Buffer[] = [];
const keep = (chunk: Buffer): void => void said.push(chunk);
live.stdout?.on("data", keep);
const liveExit = exitOf(live);

const fastExit = await exitOf(start("test:fast", "inherit"));
live.stdout?.off("data", keep);
process.stdout.write(Buffer.concat(said));
live.stdout?.pipe(process.stdout);
process.exitCode = fastExit || (await liveExit);
