/**
 * A Dockerfile's stages and instructions, as far as ours goes: no heredocs, no ONBUILD, no shell
 * form of ENTRYPOINT. What is not understood is an error, for a step that is skipped proves
 * nothing (IMAGE-1).
 */

export type Instruction =
  | { readonly type: "workdir"; readonly path: string }
  | { readonly type: "run"; readonly command: string }
  | {
      readonly type: "copy";
      readonly from: string | null;
      readonly sources: readonly string[];
      readonly target: string;
    }
  | { readonly type: "env"; readonly name: string; readonly value: string };

export type Stage = {
  readonly name: string;
  /** An image, or an earlier stage. */
  readonly base: string;
  readonly instructions: readonly Instruction[];
  /** Numbers, never names: the image's own users are not this machine's. */
  readonly user: { readonly uid: number; readonly gid: number } | null;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly healthcheck: readonly string[] | null;
};

type Draft = { -readonly [K in keyof Stage]: Stage[K] };

/** Throws on anything it does not understand, naming the line. */
export function parseDockerfile(text: string): readonly Stage[] {
  const variables = new Map<string, string>();
  const stages: Draft[] = [];
  for (const line of logicalLines(text)) {
    const [, keyword = "", rest = ""] = /^(\w+)\s+(.*)$/s.exec(line) ?? [];
    const value = expand(rest.trim(), variables);
    if (keyword === "ARG") variables.set(...assignment(value, line));
    else if (keyword === "FROM") stages.push(startStage(value, line));
    else {
      const stage = stages.at(-1);
      if (stage === undefined) throw new Error(`before any FROM: ${line}`);
      apply(stage, { keyword, value, line });
    }
  }
  return stages;
}

/** Without comments, continuation lines joined. */
function logicalLines(text: string): readonly string[] {
  return text
    .split("\n")
    .filter((line) => !/^\s*(#|$)/.test(line))
    .join("\n")
    .replaceAll(/\\\n\s*/g, " ")
    .split("\n");
}

function expand(text: string, variables: ReadonlyMap<string, string>): string {
  return text.replaceAll(/\$\{(\w+)\}/g, (whole, name: string) => variables.get(name) ?? whole);
}

function assignment(text: string, line: string): [string, string] {
  const at = text.indexOf("=");
  if (at < 1) throw new Error(`no assignment: ${line}`);
  return [text.slice(0, at), text.slice(at + 1)];
}

function startStage(value: string, line: string): Draft {
  const match = /^(\S+) AS (\w+)$/.exec(value);
  if (match === null) throw new Error(`a stage needs a name: ${line}`);
  return {
    base: match[1] ?? "",
    name: match[2] ?? "",
    instructions: [],
    user: null,
    entrypoint: [],
    command: [],
    healthcheck: null,
  };
}

type Line = { readonly keyword: string; readonly value: string; readonly line: string };

function apply(stage: Draft, { keyword, value, line }: Line): void {
  const add = (instruction: Instruction): void => {
    stage.instructions = [...stage.instructions, instruction];
  };
  switch (keyword) {
    case "WORKDIR":
      add({ type: "workdir", path: value });
      return;
    case "RUN":
      add({ type: "run", command: value });
      return;
    case "COPY":
      add(parseCopy(value, line));
      return;
    case "ENV": {
      const [name, text] = assignment(value, line);
      add({ type: "env", name, value: text });
      return;
    }
    case "USER":
      stage.user = parseUser(value, line);
      return;
    case "ENTRYPOINT":
      stage.entrypoint = execForm(value, line);
      return;
    case "CMD":
      stage.command = execForm(value, line);
      return;
    case "HEALTHCHECK":
      stage.healthcheck = execForm(value.replace(/^.*?\bCMD\s+/s, ""), line);
      return;
    case "LABEL":
    case "EXPOSE":
    case "VOLUME":
      return;
    default:
      throw new Error(`not understood: ${line}`);
  }
}

function parseCopy(value: string, line: string): Instruction {
  const words = value.split(/\s+/);
  const from = words[0]?.startsWith("--from=") ? words.shift()?.slice("--from=".length) : null;
  const target = words.pop();
  if (target === undefined || words.length === 0 || words.some((word) => word.startsWith("--"))) {
    throw new Error(`not understood: ${line}`);
  }
  return { type: "copy", from: from ?? null, sources: words, target };
}

function parseUser(value: string, line: string): { readonly uid: number; readonly gid: number } {
  const match = /^(\d+):(\d+)$/.exec(value);
  if (match === null) throw new Error(`a user is two numbers, UID:GID: ${line}`);
  return { uid: Number(match[1]), gid: Number(match[2]) };
}

function execForm(value: string, line: string): readonly string[] {
  const parsed: unknown = JSON.parse(value);
  if (Array.isArray(parsed) && parsed.every((word) => typeof word === "string")) return parsed;
  throw new Error(`not a JSON array of words: ${line}`);
}
