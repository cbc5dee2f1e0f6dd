/**
 * Validator clients of the demo, one for each node: this project's scripted one, or any program
 * that the caller names, which holds the node's key shares and has the node for a beacon node.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { RunningChain, RunningNode } from "./cluster.ts";
import type { DemoOptions } from "./options.ts";
import { Child } from "./processes.ts";

/** The nodes' clients differ, as those of a cluster's operators should. */
const SCRIPTED = ["lighthouse", "prysm", "teku", "lodestar"] as const;
const SCRIPT = join(import.meta.dirname, "scriptedClient.ts");

export type ClientsOptions = {
  readonly dir: string;
  readonly dataDirs: readonly string[];
  readonly nodes: readonly RunningNode[];
  readonly chain: RunningChain;
  readonly options: DemoOptions;
  readonly onLine: (client: number, line: string) => void;
};

/** Started as far as their processes go; that they work is seen on chain. */
export async function startClients(parts: ClientsOptions): Promise<readonly Child[]> {
  const { dir, dataDirs, nodes, chain, options, onLine } = parts;
  const { vcCommand, preset, slotMs } = options;
  mkdirSync(dir, { recursive: true });
  const config = join(dir, "config.yaml");
  writeFileSync(config, await configOf(chain));
  return nodes.map(({ validatorApiUrl }, node) => {
    const keys = join(dataDirs[node] ?? "", "validator_keys");
    const name = `client ${node}`;
    const onClientLine = (line: string): void => onLine(node, line);
    if (vcCommand === null) {
      const habits = SCRIPTED[node % SCRIPTED.length] ?? SCRIPTED[0];
      const args = [SCRIPT, validatorApiUrl, keys, String(slotMs), habits];
      return new Child({ name, args, env: { LODESTAR_PRESET: preset }, onLine: onClientLine });
    }
    const own = join(dir, `client${node}`);
    mkdirSync(own);
    const env = {
      NODE_INDEX: String(node),
      BEACON_NODE_URL: validatorApiUrl,
      KEYS_DIR: keys,
      CLIENT_DIR: own,
      CHAIN_CONFIG: config,
    };
    const shell = { program: "sh", args: ["-c", vcCommand], isShell: true };
    return new Child({ name, ...shell, env, onLine: onClientLine });
  });
}

/** The chain's constants as clients read them from a file; lists are none of them. */
async function configOf({ urls }: RunningChain): Promise<string> {
  const response = await fetch(`${urls[0]}/eth/v1/config/spec`);
  const { data } = (await response.json()) as { data: Readonly<Record<string, unknown>> };
  return Object.entries(data)
    .filter(([, value]) => typeof value === "string")
    .map(([name, value]) => `${name}: ${value}\n`)
    .join("");
}
