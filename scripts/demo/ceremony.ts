/** A key ceremony of processes on loopback, by the commands that operators type (README). */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { FEE_RECIPIENT, FORK_VERSION, freePorts } from "./cluster.ts";
import { Child } from "./processes.ts";

const COTERIE = join(import.meta.dirname, "../../src/main.ts");

export type PreparedCeremony = {
  readonly dataDirs: readonly string[];
  /** The ceremony's words, as its creator saw them. */
  readonly fingerprint: string;
  readonly ports: readonly number[];
};

/** Identities, a definition, and everybody's yes to it. */
export async function prepareCeremony(
  dir: string,
  options: { readonly nodes: number; readonly validators: number },
): Promise<PreparedCeremony> {
  const { nodes, validators } = options;
  mkdirSync(dir, { recursive: true });
  const dataDirs = Array.from({ length: nodes }, (_, node) => join(dir, `node${node}`));
  const printed = await Promise.all(
    dataDirs.map((dataDir) => run(["create", "enr", "--data-dir", dataDir])),
  );
  const enrs = printed.flatMap((lines) => lines.filter((line) => line.startsWith("enr:")));
  const created = await run([
    ...["create", "dkg", "--name", "demo", "--output-dir", dir],
    ...["--operator-enrs", enrs.join(","), "--num-validators", String(validators)],
    ...["--testnet-fork-version", FORK_VERSION],
    ...["--fee-recipient-addresses", FEE_RECIPIENT, "--withdrawal-addresses", FEE_RECIPIENT],
  ]);
  const fingerprint = created
    .map((line) => /^fingerprint +(\S+)$/.exec(line)?.[1])
    .find((words) => words !== undefined);
  if (fingerprint === undefined) throw new Error("create dkg printed no fingerprint");
  const path = join(dir, "cluster-definition.json");
  const accept = ["dkg", "accept", path, "--fingerprint", fingerprint];
  await Promise.all(dataDirs.map((dataDir) => run([...accept, "--data-dir", dataDir])));
  return { dataDirs, fingerprint, ports: await freePorts(nodes) };
}

/** One operator's `coterie dkg`; `onLine` gets what it prints, a JSON object each. */
export function startDkg(
  ceremony: PreparedCeremony,
  node: number,
  options: {
    readonly rest?: readonly string[];
    readonly env?: Readonly<Record<string, string>>;
    readonly onLine?: (line: string) => void;
  } = {},
): Child {
  const { dataDirs, ports } = ceremony;
  const peers = ports.map((port, i) => `${i}=127.0.0.1:${port}`).join(",");
  return new Child({
    name: `operator ${node}`,
    args: [
      COTERIE,
      ...["dkg", "--data-dir", dataDirs[node] ?? "", "--json", "--insecure-keys"],
      ...["--p2p-tcp-address", `127.0.0.1:${ports[node]}`, "--p2p-peers", peers],
      ...(options.rest ?? []),
    ],
    ...(options.env === undefined ? {} : { env: options.env }),
    ...(options.onLine === undefined ? {} : { onLine: options.onLine }),
  });
}

/** Makes a cluster by a ceremony; resolves with the data directories. */
export async function createByCeremony(
  dir: string,
  options: { readonly nodes: number; readonly validators: number },
): Promise<readonly string[]> {
  const ceremony = await prepareCeremony(dir, options);
  const operators = ceremony.dataDirs.map((_, node) => startDkg(ceremony, node));
  const codes = await Promise.all(operators.map((operator) => operator.finish()));
  const failed = operators.find((_, node) => codes[node] !== 0);
  if (failed !== undefined) throw new Error(`${failed.name} failed:\n${failed.lastLines}`);
  return ceremony.dataDirs;
}

/** Runs a command to its end; the lines that it printed. */
async function run(args: readonly string[]): Promise<readonly string[]> {
  const lines: string[] = [];
  const onLine = (line: string): void => {
    lines.push(line);
  };
  const child = new Child({ name: args.slice(0, 2).join(" "), args: [COTERIE, ...args], onLine });
  if ((await child.finish()) !== 0) throw new Error(`${child.name} failed:\n${child.lastLines}`);
  return lines;
}
