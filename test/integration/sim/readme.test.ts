import "../../support/minimalPreset.ts";
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import { promisify } from "node:util";

const ROOT = join(import.meta.dirname, "../../..");
const TEMPORARY = join(ROOT, "test/.tmp");

it("the README's example of the simulator as a library runs as it stands", async () => {
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  const example = /```ts\n(import \{ Simulator \} from "coterie\/sim";[\s\S]*?)```/.exec(
    readme,
  )?.[1];
  assert(example !== undefined, "the README has the example");
  assert(example.split("\n").length <= 35, "it stays short");
  mkdirSync(TEMPORARY, { recursive: true });
  const file = join(TEMPORARY, `readme-${process.pid}.ts`);
  // The package's entry is its build; the sources are the same modules.
  writeFileSync(file, example.replace("coterie/sim", "../../sim/simulator.ts"));
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [file], { env: process.env });
    const medians = [...stdout.matchAll(/^loss \S+ median (\d+) ms/gm)].map(([, ms]) => Number(ms));
    const [calm = 0, lossy = 0] = medians;
    assert(calm > 0 && lossy > calm, stdout);
    assert.equal([...stdout.matchAll(/^trace [0-9a-f]{64}$/gm)].length, 2);
  } finally {
    rmSync(file);
  }
});

it("the package names the simulator as an entry, with its types", () => {
  const { exports } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const { types, default: entry } = exports["./sim"];
  assert.equal(types, "./dist/sim/simulator.d.ts");
  assert.equal(entry, "./dist/sim/simulator.js");
});
