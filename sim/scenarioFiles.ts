/**
 * Scenarios as YAML files: those that come with the program, by name, and anybody's own, by path.
 * A file says only what differs from calm weather; what it says wrongly is refused by the name of
 * its field (SCENARIO-1).
 */
import { readdir, readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { parseDocument } from "yaml";
import { z } from "zod";
import { UsageError } from "../src/domain/errors.ts";
import { MAX_NODES, MAX_VALIDATORS, MIN_NODES } from "../src/domain/limits.ts";
import { quorum } from "../src/domain/quorum.ts";
import { flawOfBehaviour } from "./byzantine/behaviours.ts";
import { BEACON_LIES, CALM, type Fault, type Scenario } from "./scenario.ts";

export type ScenarioFile = {
  readonly scenario: Scenario;
  /** What the scenario shows, in a sentence. */
  readonly about: string;
};

const MAX_FILE_BYTES = 256 * 1024;
const MAX_FAULTS = 256;
const MAX_SLOTS = 1_000_000;
const DAY_MS = 86_400_000;
const EXTENSION = ".yaml";

const node = z
  .int()
  .min(0)
  .max(MAX_NODES - 1);
const nodes = z.array(node).min(1);
const rate = z.number().min(0).max(1);
const slots = z.number().min(0).max(MAX_SLOTS);
const delayMs = z.number().min(0).max(DAY_MS);
const shiftMs = z.number().min(-DAY_MS).max(DAY_MS);
const count = z.int().min(1).max(1_000_000);

const window = { at: slots, for: slots.optional() };
const struck = { nodes: nodes.optional() };
const link = { from: node.optional(), to: node.optional() };

/** A kind of fault with its own fields, and when it strikes. */
function fault<Kind extends string, Shape extends z.ZodRawShape>(kind: Kind, shape: Shape) {
  return z.strictObject({ kind: z.literal(kind), ...window, ...shape });
}

const FAULT = z.discriminatedUnion("kind", [
  fault("partition", { groups: z.array(nodes).min(1) }),
  fault("one-way", { from: nodes, to: nodes }),
  fault("broken-link", { between: z.tuple([node, node]) }),
  fault("loss", { rate, ...link }),
  fault("duplication", { rate, ...link }),
  fault("reordering", { rate, byMs: delayMs, ...link }),
  fault("delay", { byMs: delayMs, jitterMs: delayMs.optional(), ...link }),
  fault("clog", link),
  fault("capacity", { bytesPerSecond: count, ...link }),
  fault("crash", struck),
  fault("crash-at-write", { write: count, lands: z.boolean(), downMs: delayMs, ...struck }),
  fault("clock-skew", { byMs: shiftMs, ...struck }),
  fault("clock-step", { byMs: shiftMs, ...struck }),
  fault("disk-fails", { rate, ...struck }),
  fault("write-fails", { write: count, lands: z.boolean(), ...struck }),
  fault("disk-slow", { syncMs: delayMs, ...struck }),
  fault("beacon-offline", struck),
  fault("beacon-errors", { rate, ...struck }),
  fault("beacon-slow", { byMs: delayMs, ...struck }),
  fault("beacon-lag", { byMs: delayMs, ...struck }),
  fault("beacon-lies", { what: z.enum(BEACON_LIES), ...struck }),
  fault("beacon-refuses", struck),
  fault("beacon-fork", { depth: count, ...struck }),
  fault("reorg", { depth: count }),
  fault("late-blocks", { byMs: delayMs }),
  fault("empty-slots", { rate }),
  fault("foreign-signer", { validator: z.int().min(0), isAggregated: z.boolean().optional() }),
  fault("client-silent", struck),
  fault("client-late", { byMs: delayMs, ...struck }),
  fault("client-restarts", struck),
  fault("client-retries", { times: count, ...struck }),
  fault("client-lies", struck),
  fault("byzantine", {
    nodes,
    behaviour: z.string(),
    options: z.record(z.string(), z.union([z.number(), z.string(), z.boolean()])).optional(),
  }),
]);

const SCENARIO = z.strictObject({
  about: z.string().min(1),
  nodes: z.int().min(MIN_NODES).max(MAX_NODES).default(CALM.nodes),
  threshold: z.int().min(1).max(MAX_NODES).optional(),
  validators: z.int().min(1).max(MAX_VALIDATORS).default(8),
  slots: z.int().min(1).max(MAX_SLOTS).default(CALM.slots),
  slotMs: z.int().min(100).max(DAY_MS).default(CALM.slotMs),
  network: z
    .strictObject({
      regions: z.array(z.string()).min(1),
      latencyMs: z.record(z.string().regex(/^[^/]+\/[^/]+$/), delayMs),
      jitter: z.number().min(0).max(10),
      noticeMs: delayMs,
      reconnectMs: delayMs,
    })
    .default({ ...CALM.network, regions: [...CALM.network.regions] }),
  signers: z
    .array(z.enum(["builtin", "client"]))
    .min(1)
    .default([...CALM.signers]),
  syncMs: delayMs.default(CALM.syncMs),
  beaconMs: delayMs.default(CALM.beaconMs),
  proposals: rate.default(CALM.proposals),
  faults: z.array(FAULT).max(MAX_FAULTS).default([]),
});

/** Throws UsageError naming the field and the fix. */
export function parseScenario(text: string, path: string): ScenarioFile {
  const refuse = (what: string, fix: string): never => {
    throw new UsageError(`the scenario ${path}: ${what}`, { fix });
  };
  if (text.length > MAX_FILE_BYTES)
    refuse("it is too large", `keep it below ${MAX_FILE_BYTES} bytes`);
  const document = parseDocument(text);
  const [error] = document.errors;
  if (error !== undefined) refuse(error.message.split("\n")[0] ?? "", "make it valid YAML");
  const parsed = SCENARIO.safeParse(plainOf(document, refuse));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return refuse(...describe(issue));
  }
  const { about, ...fields } = parsed.data;
  const scenario = {
    ...fields,
    name: basename(path, EXTENSION),
    threshold: fields.threshold ?? quorum(fields.nodes),
    faults: fields.faults as readonly Fault[],
  };
  for (const [i, each] of scenario.faults.entries()) {
    const flaw = flawOfFault(each, scenario);
    if (flaw !== null) refuse(`faults[${i}].${flaw.field}: ${flaw.what}`, flaw.fix);
  }
  return { scenario, about };
}

/** A small file must not become a large one: aliases are expanded up to a limit. */
function plainOf(
  document: ReturnType<typeof parseDocument>,
  refuse: (what: string, fix: string) => never,
): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    if (error instanceof ReferenceError) return refuse(error.message, "write aliases out");
    throw error;
  }
}

type Flaw = { readonly field: string; readonly what: string; readonly fix: string };

/** What a schema of single fields cannot say. */
function flawOfFault(each: Fault, { nodes: size, validators }: Scenario): Flaw | null {
  if (each.kind === "foreign-signer" && each.validator >= validators) {
    const what = `there is no validator ${each.validator}`;
    return { field: "validator", what, fix: `number them from 0 to ${validators - 1}` };
  }
  const named = [
    ...("nodes" in each ? (each.nodes ?? []) : []),
    ...("between" in each ? each.between : []),
    ...("groups" in each ? each.groups.flat() : []),
    ...(["from", "to"] as const).flatMap((end) => {
      const value: unknown = end in each ? each[end as keyof Fault] : undefined;
      return Array.isArray(value) ? (value as number[]) : typeof value === "number" ? [value] : [];
    }),
  ];
  const stranger = named.find((one) => one >= size);
  if (stranger !== undefined) {
    const what = `there is no node ${stranger}`;
    return { field: each.kind, what, fix: `number the ${size} nodes from 0 to ${size - 1}` };
  }
  if (each.kind !== "byzantine") return null;
  const what = flawOfBehaviour(each.behaviour, each.options ?? {});
  if (what === null) return null;
  return { field: "behaviour", what, fix: "see: coterie sim --list-behaviours" };
}

function describe(issue: z.core.$ZodIssue | undefined): [what: string, fix: string] {
  const path = (issue?.path ?? [])
    .map((key) => (typeof key === "number" ? `[${key}]` : `.${String(key)}`))
    .join("")
    .replace(/^\./, "");
  const field = path === "" ? "" : `${path}: `;
  if (issue?.code === "unrecognized_keys") {
    return [`${field}unknown field ${issue.keys.join(", ")}`, "remove it, or correct its spelling"];
  }
  if (issue?.code === "invalid_union") {
    const kinds = FAULT.options.map((option) => option.shape.kind.value).join(", ");
    return [`${field}no such fault`, `say one of ${kinds}`];
  }
  return [`${field}${issue?.message ?? "not a scenario"}`, "correct that field"];
}

/** The scenarios that come with the program, by name. */
export async function listScenarios(): Promise<readonly ScenarioFile[]> {
  const folder = scenarioFolder();
  const names = (await readdir(folder)).filter((name) => name.endsWith(EXTENSION)).sort();
  return Promise.all(names.map((name) => readScenario(join(folder, name))));
}

/** A scenario by its name, or by the path of a file. */
export async function findScenario(nameOrPath: string): Promise<ScenarioFile> {
  const isPath = nameOrPath.includes("/") || nameOrPath.endsWith(EXTENSION);
  if (isPath) return readScenario(nameOrPath);
  const names = (await readdir(scenarioFolder())).map((name) => basename(name, EXTENSION)).sort();
  if (names.includes(nameOrPath)) {
    return readScenario(join(scenarioFolder(), `${nameOrPath}${EXTENSION}`));
  }
  throw new UsageError(`there is no scenario "${nameOrPath}"`, {
    fix: `say calm, swarm, ${names.join(", ")}, or the path of a YAML file`,
  });
}

async function readScenario(path: string): Promise<ScenarioFile> {
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw new UsageError(`the scenario ${path} cannot be read`, {
      fix: "give the path of a YAML file that exists",
      cause,
    });
  });
  return parseScenario(text, path);
}

/** Beside this module; the package's build has them where the sources are. */
function scenarioFolder(): string {
  const here = import.meta.dirname;
  const isBuilt = basename(dirname(here)) === "dist";
  return isBuilt ? join(here, "../../sim/scenarios") : join(here, "scenarios");
}
