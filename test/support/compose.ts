/** Compose files as an engine would read them: `extends` resolved, variables at their defaults. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { loadYaml } from "@lodestar/utils";

export type Service = {
  readonly build?: { readonly context: string; readonly target: string };
  readonly image?: string;
  readonly user?: string;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly env_file?: readonly string[];
  readonly volumes?: readonly string[];
  readonly tmpfs?: readonly string[];
  readonly ports?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test?: readonly string[]; readonly disable?: boolean };
  readonly restart?: string;
};

type Raw = Service & { readonly extends?: { readonly file?: string; readonly service: string } };
type File = {
  readonly services: Readonly<Record<string, Raw>>;
  readonly volumes?: Readonly<Record<string, unknown>>;
};

export type Compose = {
  readonly services: ReadonlyMap<string, Service>;
  readonly volumes: readonly string[];
};

export function readYaml(path: string): unknown {
  return loadYaml(readFileSync(path, "utf8"));
}

export function readCompose(path: string): Compose {
  const file = readFile(path);
  return {
    services: new Map(Object.keys(file.services).map((name) => [name, resolve(path, name)])),
    volumes: Object.keys(file.volumes ?? {}),
  };
}

function readFile(path: string): File {
  const text = readFileSync(path, "utf8").replaceAll(/\$\{\w+:-([^}]*)\}/g, "$1");
  return loadYaml<File>(text);
}

/** Maps are merged and everything else is replaced, except lists of volumes, which add up. */
function resolve(path: string, name: string): Service {
  const raw = readFile(path).services[name];
  assert(raw !== undefined, `${path} has no service ${name}`);
  const { extends: base, ...own } = raw;
  if (base === undefined) return own;
  const basePath = base.file === undefined ? path : join(dirname(path), base.file);
  const inherited = resolve(basePath, base.service);
  return {
    ...inherited,
    ...own,
    environment: { ...inherited.environment, ...own.environment },
    volumes: [...(inherited.volumes ?? []), ...(own.volumes ?? [])],
  };
}
