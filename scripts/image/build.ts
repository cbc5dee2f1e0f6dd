/**
 * Builds a Dockerfile's stages as folders, without a container engine: each stage is a folder that
 * stands for the image's root, in which the commands of its RUN lines are executed. What only an
 * engine does (layers, namespaces, the base image's files) is not shown by this (IMAGE-1).
 */
import { spawn } from "node:child_process";
import { cp, mkdir, stat } from "node:fs/promises";
import { basename, dirname, isAbsolute, join } from "node:path";
import type { Instruction, Stage } from "./dockerfile.ts";

export type BuiltStage = {
  readonly stage: Stage;
  /** The folder that stands for `/`. */
  readonly root: string;
  /** Absolute, within the image. */
  readonly workdir: string;
  readonly environment: Readonly<Record<string, string>>;
};

export type BuildOptions = {
  /** What the Dockerfile's COPY takes its sources from. */
  readonly context: string;
  /** An empty folder. */
  readonly outputs: string;
  /** Runs the commands; its Node is the image's. */
  readonly environment: Readonly<Record<string, string>>;
  readonly onStep: (line: string) => void;
};

/** By name; throws with the command's output when one fails. */
export async function buildStages(
  stages: readonly Stage[],
  options: BuildOptions,
): Promise<ReadonlyMap<string, BuiltStage>> {
  const built = new Map<string, BuiltStage>();
  for (const stage of stages) built.set(stage.name, await buildStage(stage, built, options));
  return built;
}

/** The folder or file of this machine that stands for a path of the image. */
export function pathIn({ root, workdir }: Pick<BuiltStage, "root" | "workdir">, path: string) {
  return join(root, isAbsolute(path) ? path : join(workdir, path));
}

async function buildStage(
  stage: Stage,
  built: ReadonlyMap<string, BuiltStage>,
  options: BuildOptions,
): Promise<BuiltStage> {
  const root = join(options.outputs, stage.name);
  const base = built.get(stage.base);
  await mkdir(root);
  if (base !== undefined) await cp(base.root, root, { recursive: true, verbatimSymlinks: true });
  let state: BuiltStage = {
    stage,
    root,
    workdir: base?.workdir ?? "/",
    environment: base?.environment ?? {},
  };
  for (const instruction of stage.instructions) {
    options.onStep(`${stage.name}: ${describe(instruction)}`);
    state = await execute(instruction, state, { ...options, built });
  }
  return state;
}

async function execute(
  instruction: Instruction,
  state: BuiltStage,
  options: BuildOptions & { readonly built: ReadonlyMap<string, BuiltStage> },
): Promise<BuiltStage> {
  switch (instruction.type) {
    case "workdir":
      await mkdir(join(state.root, instruction.path), { recursive: true });
      return { ...state, workdir: instruction.path };
    case "env":
      return {
        ...state,
        environment: { ...state.environment, [instruction.name]: instruction.value },
      };
    case "copy":
      await copy(instruction, state, options);
      return state;
    case "run":
      if (ABSOLUTE_PATH.test(instruction.command)) {
        throw new Error(`a RUN line names an absolute path: ${instruction.command}`);
      }
      await run(instruction.command, {
        cwd: join(state.root, state.workdir),
        env: { ...options.environment, ...state.environment },
      });
      return state;
  }
}

/** It would be this machine's. */
const ABSOLUTE_PATH = /(^|[\s=])\//;

async function copy(
  { from, sources, target }: Extract<Instruction, { readonly type: "copy" }>,
  state: BuiltStage,
  { context, built }: BuildOptions & { readonly built: ReadonlyMap<string, BuiltStage> },
): Promise<void> {
  const origin = from === null ? null : built.get(from);
  if (origin === undefined) throw new Error(`COPY --from=${from}: no such stage before it`);
  const to = pathIn(state, target);
  for (const source of sources) {
    const path = join(origin?.root ?? context, source);
    const isFolder = (await stat(path)).isDirectory();
    // A folder's content goes into the target; a file goes under it, or takes its name.
    const into = isFolder || !target.endsWith("/") ? to : join(to, basename(source));
    await mkdir(isFolder ? into : dirname(into), { recursive: true });
    await cp(path, into, { recursive: true, verbatimSymlinks: true });
  }
}

function run(
  command: string,
  options: { readonly cwd: string; readonly env: Readonly<Record<string, string>> },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn("sh", ["-c", command], { ...options, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk: Buffer) => {
        output += chunk.toString();
      });
    }
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve();
      else reject(new Error(`exit code ${code}: ${command}\n${output}`));
    });
  });
}

function describe(instruction: Instruction): string {
  switch (instruction.type) {
    case "workdir":
      return `WORKDIR ${instruction.path}`;
    case "env":
      return `ENV ${instruction.name}=${instruction.value}`;
    case "copy":
      return `COPY ${instruction.sources.join(" ")} ${instruction.target}`;
    case "run":
      return `RUN ${instruction.command}`;
  }
}
