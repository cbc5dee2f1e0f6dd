import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { describe, it } from "node:test";

const SCRIPT = join(import.meta.dirname, "../../../scripts/seeds.ts");

function runSeeds(...words: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [SCRIPT, "--jobs", "1", ...words]);
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk: Buffer) => {
        output += chunk.toString();
      });
    }
    child.on("error", reject);
    child.on("close", (code) => (code === 0 ? resolve(output) : reject(new Error(output))));
  });
}

describe("swarm seeds", () => {
  it("that found a bug once pass", async () => {
    assert.match(await runSeeds("--golden"), /0 broke correctness, 0 liveness, 0 crashed/);
  });

  it("that nobody has seen pass, as many as fit into ten seconds", async (context) => {
    const output = await runSeeds("--seconds", "10");
    context.diagnostic(output.trim());
    assert.match(output, /0 broke correctness, 0 liveness, 0 crashed/);
  });
});
