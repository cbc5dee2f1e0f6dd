/** Operators of a key ceremony at their terminals: real processes over real connections. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { type PreparedCeremony, startDkg } from "../../scripts/demo/ceremony.ts";
import { freePorts } from "../../scripts/demo/cluster.ts";
import type { Child } from "../../scripts/demo/processes.ts";
import { acceptDefinition } from "../../src/cli/dkg/accept.ts";
import { fieldBytes } from "../../src/cluster/fields.ts";
import { fingerprintOf } from "../../src/cluster/fingerprint.ts";
import { formatIdentityKey } from "../../src/crypto/identity.ts";
import { rootOf } from "../../src/domain/keys.ts";
import { definitionFor } from "./ceremonyTable.ts";
import { temporaryFolder } from "./temporary.ts";

type OperatorOptions = {
  /** More of the command line. */
  readonly rest?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
};

/** One operator's process and everything that it ever printed. */
export class Operator {
  readonly lines: string[] = [];
  readonly dataDir: string;
  readonly #ceremony: PreparedCeremony;
  readonly #node: number;
  readonly #options: OperatorOptions;
  child: Child;

  constructor(ceremony: PreparedCeremony, node: number, options: OperatorOptions = {}) {
    this.#ceremony = ceremony;
    this.#node = node;
    this.#options = options;
    this.dataDir = ceremony.dataDirs[node] ?? "";
    this.child = this.#start();
  }

  restart(): void {
    this.child = this.#start();
  }

  reports(kind: string): readonly Readonly<Record<string, never>>[] {
    const parsed = this.lines.flatMap((line) => (line.startsWith("{") ? [JSON.parse(line)] : []));
    return parsed.filter((report) => report.kind === kind);
  }

  isIn(phase: string): boolean {
    return this.lines.some((line) => line.includes(`"phase":"${phase}"`));
  }

  #start(): Child {
    const onLine = (line: string): void => {
      this.lines.push(line);
    };
    return startDkg(this.#ceremony, this.#node, { ...this.#options, onLine });
  }
}

/** Identity keys of the operators that {@link seated} prepares. */
export function operatorKey(node: number): Uint8Array {
  return new Uint8Array(32).fill(node + 1);
}

/** Data directories as `create enr`, `create dkg` and `dkg accept` leave them. */
async function prepared(t: TestContext, nodes: number): Promise<PreparedCeremony> {
  const folder = temporaryFolder(t);
  const secretKeys = Array.from({ length: nodes }, (_, node) => operatorKey(node));
  const threshold = Math.ceil((2 * nodes) / 3);
  const definition = definitionFor(secretKeys, { threshold, validators: 1 });
  const fingerprint = fingerprintOf(rootOf(fieldBytes(definition.definition_hash)));
  const file = { text: JSON.stringify(definition), definition };
  const dataDirs = secretKeys.map((_, node) => join(folder, `node${node}`));
  for (const [node, dataDir] of dataDirs.entries()) {
    mkdirSync(dataDir, { mode: 0o700 });
    const key = formatIdentityKey(operatorKey(node));
    writeFileSync(join(dataDir, "enr-private-key"), key, { mode: 0o600 });
    await acceptDefinition({ dataDir, file, fingerprint, attemptsBefore: 0, write: () => true });
  }
  return { dataDirs, fingerprint, ports: await freePorts(nodes) };
}

/** Operators who agreed to a definition and run `coterie dkg`, all or those that are named. */
export async function seated(
  t: TestContext,
  options: {
    readonly nodes?: number;
    readonly who?: readonly number[];
    readonly prepare?: typeof prepared;
    readonly of?: (node: number) => OperatorOptions;
  } = {},
): Promise<{ readonly ceremony: PreparedCeremony; readonly operators: readonly Operator[] }> {
  const { nodes = 4, of } = options;
  const ceremony = await (options.prepare ?? prepared)(t, nodes);
  const who = options.who ?? [...ceremony.dataDirs.keys()];
  const operators = who.map((node) => new Operator(ceremony, node, of?.(node)));
  t.after(() => Promise.all(operators.map(({ child }) => child.stop())));
  return { ceremony, operators };
}
