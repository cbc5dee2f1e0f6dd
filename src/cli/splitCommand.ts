/** `coterie split`: `create cluster` for keys that exist, which need their history (KEYS-2). */
import type { Command } from "commander";
import { environmentFor, type WithAction } from "./commandParts.ts";
import {
  CREATE_CLUSTER_OPTIONS,
  listKeysToSplit,
  parseCreateClusterOptions,
} from "./createClusterOptions.ts";
import { EXIT_CODES } from "./exitCodes.ts";
import { addOptions, resolveOptions } from "./options.ts";

/** What is said by the command's name, or by the keys. */
const IMPLIED: readonly string[] = ["split-existing-keys", "num-validators"];
const SPLIT_OPTIONS = CREATE_CLUSTER_OPTIONS.filter(({ name }) => !IMPLIED.includes(name));

export function addSplit(program: Command, withAction: WithAction): void {
  const command = program
    .command("split")
    .description("split validator keys that exist already into key shares, history included");
  withAction(addOptions(command, SPLIT_OPTIONS), async () => {
    const sources = { environment: environmentFor(SPLIT_OPTIONS), file: {} };
    const given = resolveOptions(command, SPLIT_OPTIONS, sources);
    const raw = { ...given, "split-existing-keys": "true" };
    const options = parseCreateClusterOptions(raw, await listKeysToSplit(raw));
    const { createClusterFiles } = await import("./createCluster.ts");
    await createClusterFiles(options);
    return EXIT_CODES.ok;
  });
}
