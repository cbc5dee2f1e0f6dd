/** Child processes of tests, run by the same Node and ended with their test. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Readable } from "node:stream";
import type { TestContext } from "node:test";

export type TestChild = ChildProcessByStdio<null, Readable, null>;

/** Starts `test/support/children/<name>.ts`; killed when the test ends. */
export function startChild(t: TestContext, name: string, args: readonly string[]): TestChild {
  const script = join(import.meta.dirname, "children", `${name}.ts`);
  const child = spawn(process.execPath, [script, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => child.kill("SIGKILL"));
  return child;
}

/** Runs a child to its end and gives what it wrote. */
export async function outputOf(t: TestContext, name: string, args: string[]): Promise<string> {
  const child = startChild(t, name, args);
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  await once(child, "close");
  return output;
}
