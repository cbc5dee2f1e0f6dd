/** The operator's image as a folder, started the way a container would start it. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { ROOT } from "../repository.ts";
import { type BuiltStage, buildStages, pathIn } from "./build.ts";
import { parseDockerfile } from "./dockerfile.ts";

export type Finished = { readonly code: number | null; readonly output: string };

export type Image = {
  /** By stage. */
  readonly stages: ReadonlyMap<string, BuiltStage>;
  /** IMAGE-2: who processes run as: a user that this machine does not know, where it can. */
  readonly user: string;
  /** A folder that this user owns. */
  makeDataDir(path: string): void;
  /** ENTRYPOINT with these words in place of CMD. */
  spawn(words: readonly string[], environment?: Readonly<Record<string, string>>): ChildProcess;
  /** The same until it ends. */
  start(
    words: readonly string[],
    environment?: Readonly<Record<string, string>>,
  ): Promise<Finished>;
  /** HEALTHCHECK, once (IMAGE-3). */
  checkHealth(environment?: Readonly<Record<string, string>>): Promise<Finished>;
};

/** Of util-linux, where the machine has it. */
const SETPRIV = "setpriv";
/** Nobody's on an ordinary machine. */
const UID = 987_654;

/** Builds every stage in `outputs`; `onStep` hears what is done. */
export async function buildImage(outputs: string, onStep: (line: string) => void): Promise<Image> {
  const stages = await buildStages(
    parseDockerfile(readFileSync(join(ROOT, "Dockerfile"), "utf8")),
    { context: ROOT, outputs, environment: buildEnvironment(), onStep },
  );
  const image = stages.get("node");
  if (image === undefined) throw new Error('the Dockerfile has no stage "node"');
  // Temporary folders are their maker's alone.
  chmodSync(outputs, 0o755);
  spawnSync("chmod", ["-R", "a-w", pathIn(image, ".")]);
  const prefix = otherUser();
  const launch = (command: readonly string[], environment = {}): ChildProcess => {
    const [program = "", ...rest] = [...prefix, ...command];
    return spawn(program, rest, {
      cwd: pathIn(image, "."),
      env: { PATH: NODE_PATH, ...image.environment, ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
  };
  const commandOf = (words: readonly string[]): readonly string[] => [
    ...image.stage.entrypoint.map((word) => (word.startsWith("/") ? pathIn(image, word) : word)),
    ...words,
  ];
  return {
    stages,
    user: prefix.length === 0 ? "this user" : `user ${UID}`,
    makeDataDir(path) {
      mkdirSync(path, { recursive: true });
      if (prefix.length > 0) spawnSync("chown", ["-R", `${UID}:${UID}`, path]);
    },
    spawn: (words, environment) => launch(commandOf(words), environment),
    start: (words, environment) => finish(launch(commandOf(words), environment)),
    checkHealth: (environment) => finish(launch(image.stage.healthcheck ?? [], environment)),
  };
}

/** The Node that runs this, under the name that the image's has. */
const NODE_PATH = `${dirname(process.execPath)}:/usr/bin:/bin`;

/** npm's settings and caches are this machine's; `node_modules/.bin` of the project is not seen. */
function buildEnvironment(): Readonly<Record<string, string>> {
  const own = Object.entries(process.env).filter(
    ([name, value]) => value !== undefined && !/^(npm_(package|lifecycle)|COTERIE_)/.test(name),
  );
  return { ...(Object.fromEntries(own) as Record<string, string>) };
}

/** Only root may become another user; without it the image runs as whoever asks. */
function otherUser(): readonly string[] {
  const flags = [`--reuid=${UID}`, `--regid=${UID}`, "--clear-groups", "--no-new-privs"];
  const tried = spawnSync(SETPRIV, [...flags, "true"]);
  return tried.status === 0 ? [SETPRIV, ...flags] : [];
}

function finish(child: ChildProcess): Promise<Finished> {
  return new Promise((resolve, reject) => {
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        output += chunk.toString();
      });
    }
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, output }));
  });
}

/** Removes what {@link buildImage} made, read-only folders included. */
export function removeImage(outputs: string): void {
  spawnSync("chmod", ["-R", "u+w", outputs]);
  rmSync(outputs, { recursive: true, force: true });
}
