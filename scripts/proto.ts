/**
 * The wire format's tool: `generate` writes `src/wire/generated`, `check` fails when the schemas do
 * not lint, when the committed code differs from them, or when they break what main accepts.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "..");
const SCHEMAS = join(ROOT, "proto");
const GENERATED = join(ROOT, "src/wire/generated");
const BASE_BRANCH = "main";

const command = process.argv[2] ?? "generate";
if (command === "generate") {
  buf("lint");
  buf("generate");
} else if (command === "check") {
  buf("lint");
  buf("format", "--diff", "--exit-code");
  requireFreshCode();
  requireCompatibility();
} else {
  fail(`unknown command ${command}: say generate or check`);
}

function buf(...args: readonly string[]): void {
  run("buf", args, SCHEMAS);
}

/** Generates into a scratch folder and compares file by file. */
function requireFreshCode(): void {
  const scratch = mkdtempSync(join(tmpdir(), "proto-"));
  try {
    buf("generate", "--output", join(scratch, "proto"));
    const [fresh, committed] = [readTree(join(scratch, "src/wire/generated")), readTree(GENERATED)];
    const stale = [...new Set([...fresh.keys(), ...committed.keys()])].filter(
      (file) => fresh.get(file) !== committed.get(file),
    );
    if (stale.length > 0) fail(`stale generated code, run npm run proto: ${stale.join(", ")}`);
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

/** WIRE-1: field and enum numbers are append-only. Before the first merge there is no base. */
function requireCompatibility(): void {
  const base = spawnSync("git", ["cat-file", "-e", `${BASE_BRANCH}:proto/buf.yaml`], { cwd: ROOT });
  if (base.status !== 0) return;
  const against = `${join(ROOT, ".git")}#branch=${BASE_BRANCH},subdir=proto`;
  buf("breaking", "--against", against);
}

function readTree(folder: string): Map<string, string> {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return new Map(
    files
      .filter((file) => file.endsWith("_pb.ts"))
      .map((file) => [file, readFileSync(join(folder, file), "utf8")]),
  );
}

function run(program: string, args: readonly string[], cwd: string): void {
  const path = `${join(ROOT, "node_modules/.bin")}:${process.env["PATH"]}`;
  const { status, error } = spawnSync(program, args, {
    cwd,
    stdio: "inherit",
    env: { ...process.env, PATH: path },
  });
  if (error !== undefined) throw error;
  if (status !== 0) fail(`${program} ${args.join(" ")} failed`);
}

function fail(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
