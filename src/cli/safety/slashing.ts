/** `coterie slashing …`: the history of what was signed, of a running or a stopped node. */
import { join } from "node:path";
import { MODE_SECRET, readTextFile, writeFileAtomic } from "../../adapters/system/files.ts";
import type { Cluster } from "../../cluster/cluster.ts";
import { genesisValidatorsRootOf } from "../../cluster/genesisRoots.ts";
import { FaultError, UsageError } from "../../domain/errors.ts";
import type { PubKey, Root } from "../../domain/keys.ts";
import { MAX_INTERCHANGE_BYTES } from "../../domain/limits.ts";
import { ownerOf } from "../../node/safetyControl.ts";
import type { Identity } from "../../ports/identity.ts";
import { statementsNeeded, unionOf, type WatermarkStatement } from "../../safety/completeView.ts";
import type { Freeze } from "../../safety/freezes.ts";
import {
  exportInterchange,
  type Interchange,
  importInterchange,
} from "../../safety/interchange.ts";
import {
  type Highest,
  higher,
  minimalInterchange,
  summarizeInterchange,
} from "../../safety/interchangeSummary.ts";
import { readDataDir } from "../dataDir.ts";
import { connectAdmin } from "./adminClient.ts";
import { readStatement, writeStatement } from "./statements.ts";
import { withStoppedNode } from "./stoppedNode.ts";

export const VIEWS = ["share", "validator", "statement"] as const;
export type View = (typeof VIEWS)[number];

export type SlashingOptions = {
  readonly dataDir: string;
  readonly json: boolean;
  /** Chain of a data directory without records, where its network is a private one. */
  readonly customRoot: Root | null;
};
export type ExportOptions = SlashingOptions & {
  readonly out: string;
  readonly view: View;
  /** Paths of other operators' statements. */
  readonly statements: readonly string[];
  readonly minifyAt: { readonly epoch: number; readonly slotsPerEpoch: number } | null;
};

/** Writes the file and says what it covers. */
export async function exportHistory(options: ExportOptions): Promise<string> {
  const operator = await readOperator(options.dataDir);
  const { history, isStill } = await readHistory(options);
  const own: WatermarkStatement = {
    operator: operator.identity.self,
    highest: highestIn(history) as ReadonlyMap<PubKey, Highest>,
  };
  const { data, covers } = await viewOf(options, { ...operator, history, own, isStill });
  await writeFileAtomic({ path: options.out, data, mode: MODE_SECRET });
  const report = { out: options.out, view: options.view, validators: own.highest.size, covers };
  return options.json ? `${JSON.stringify(report)}\n` : `${options.out}: ${covers}\n`;
}

/** All of the file or nothing. */
export async function importHistory(options: SlashingOptions, path: string): Promise<string> {
  const text = await readFile(path);
  const admin = await connectAdmin(options.dataDir);
  const summary =
    admin === null
      ? await importStopped(options, path, text)
      : ((await admin.call("POST", "/admin/v1/slashing", text)) as Imported);
  const { added, validators } = summary;
  if (options.json) return `${JSON.stringify(summary)}\n`;
  return `${path}: ${added} new messages of ${validators} validators; what was known stays\n`;
}

/** What every importer will refuse from this file on; never touches the node. */
export async function verifyFile(
  options: SlashingOptions,
  path: string,
): Promise<{
  readonly isValid: boolean;
  readonly text: string;
}> {
  const text = await readFile(path);
  const { cluster } = await readOperator(options.dataDir);
  const summary = summarizeInterchange(text);
  const problems: string[] = [];
  if (!summary.ok) problems.push(summary.error);
  const keys = summary.ok ? [...summary.value.highest] : [];
  const validatorOf = ownerOf(cluster);
  const covered = new Set(keys.map(([key]) => validatorOf(key)));
  for (const [key] of keys) {
    if (validatorOf(key) === null) problems.push(`${key} is no key of this cluster`);
  }
  const expected = genesisValidatorsRootOf(cluster.forkVersion) ?? options.customRoot;
  if (summary.ok && expected !== null && summary.value.genesisValidatorsRoot !== expected) {
    problems.push(`it is of the chain ${summary.value.genesisValidatorsRoot}, not ${expected}`);
  }
  const missing = cluster.validators.filter(({ pubKey }) => !covered.has(pubKey));
  const report = {
    isValid: problems.length === 0,
    keys: keys.length,
    missing: missing.length,
    problems,
  };
  if (options.json) return { isValid: report.isValid, text: `${JSON.stringify(report)}\n` };
  const lines = report.isValid
    ? [`${path}: ${keys.length} keys, nothing of ${missing.length} of this cluster's validators`]
    : problems.map((problem) => `${path}: ${problem}`);
  return { isValid: report.isValid, text: `${lines.join("\n")}\n` };
}

/** What this node refuses from now on, validator by validator. */
export async function showStatus(options: SlashingOptions): Promise<string> {
  const { history, frozen } = await readHistory(options);
  const highest = highestIn(history);
  const rows = history.data.map(
    ({ pubkey, signed_attestations: votes, signed_blocks: blocks }) => ({
      pubkey,
      attestations: votes.length,
      blocks: blocks.length,
      ...highest.get(pubkey as `0x${string}`),
      frozen: frozen.filter(({ validator }) => validator === null || validator === pubkey),
    }),
  );
  if (options.json) return `${JSON.stringify(rows)}\n`;
  const lines = rows.map(({ pubkey, attestations, blocks, attestation, block, frozen: by }) =>
    [
      pubkey.slice(0, 18),
      `${attestations} attestations up to ${rangeOf(attestation)}`,
      `${blocks} blocks up to slot ${block?.slot ?? "-"}`,
      ...by.map(({ scope, reason }) => `frozen (${scope}): ${reason}`),
    ].join("  "),
  );
  return rows.length === 0 ? "nothing was signed yet\n" : `${lines.join("\n")}\n`;
}

function rangeOf(attestation: Highest["attestation"] | undefined): string {
  return attestation ? `${attestation.source} → ${attestation.target}` : "-";
}

type Operator = { readonly cluster: Cluster; readonly identity: Identity };
type Imported = { readonly added: number; readonly validators: number };

export async function readOperator(dataDir: string): Promise<Operator> {
  return readDataDir({
    dataDir,
    lockFile: join(dataDir, "cluster-lock.json"),
    privateKeyFile: null,
    validatorKeysDir: null,
    contractWallets: new Set(),
  });
}

function readFile(path: string): Promise<string> {
  const missingFix = "check the path";
  return readTextFile(path, { maxBytes: MAX_INTERCHANGE_BYTES, missingFix });
}

/** Of the running node, or of its data directory; `isStill` where nothing is added any more. */
async function readHistory({ dataDir }: SlashingOptions): Promise<{
  readonly history: Interchange;
  readonly isStill: boolean;
  readonly frozen: readonly Freeze[];
}> {
  const admin = await connectAdmin(dataDir);
  if (admin !== null) {
    // Freezes first: what was exported before a freeze would not be all.
    const frozen = (await admin.call("GET", "/admin/v1/freezes")) as readonly Freeze[];
    const history = (await admin.call("GET", "/admin/v1/slashing")) as Interchange;
    const isStill = frozen.some(({ scope, validator }) => scope === "all" && validator === null);
    return { history, isStill, frozen };
  }
  return withStoppedNode(dataDir, null, async ({ slashing, freezes }) => {
    return { history: exportInterchange(slashing), isStill: true, frozen: freezes.list() };
  });
}

async function importStopped(
  { dataDir, customRoot }: SlashingOptions,
  path: string,
  text: string,
): Promise<Imported> {
  const { cluster } = await readOperator(dataDir);
  const root = genesisValidatorsRootOf(cluster.forkVersion) ?? customRoot;
  return withStoppedNode(dataDir, root, async ({ slashing, audit }) => {
    const imported = await importInterchange(slashing, text, { validatorOf: ownerOf(cluster) });
    if (!imported.ok) {
      throw new UsageError(`${path}: ${imported.error}`, { fix: "nothing was imported" });
    }
    const { added, validators } = imported.value;
    const detail = `${added} messages of ${validators} validators from ${path}`;
    audit.append({ kind: "action", action: "import", caller: "command", detail });
    return imported.value;
  });
}

type ViewParts = Operator & {
  readonly history: Interchange;
  readonly own: WatermarkStatement;
  readonly isStill: boolean;
};

async function viewOf(
  options: ExportOptions,
  parts: ViewParts,
): Promise<{ readonly data: string; readonly covers: string }> {
  const { cluster, identity, history, own } = parts;
  if (options.view === "share") {
    const data = JSON.stringify(underShareKeys(history, parts), null, 2);
    return { data: `${data}\n`, covers: `what operator ${identity.self}'s key shares signed` };
  }
  if (options.view === "statement") {
    requireStill(parts);
    const data = writeStatement(cluster, identity, own.highest);
    return { data, covers: `the statement of operator ${identity.self}, who must stay frozen` };
  }
  return validatorView(options, parts);
}

/** VIEW-1: complete, or refused, or raised to an epoch that nobody has signed for. */
async function validatorView(
  { statements: paths, minifyAt }: ExportOptions,
  parts: ViewParts,
): Promise<{ readonly data: string; readonly covers: string }> {
  const { cluster, identity, history, own } = parts;
  const others: WatermarkStatement[] = [];
  for (const path of paths) others.push(await readStatement(path, cluster, identity));
  const byOperator = new Map([...others, own].map((each) => [each.operator, each]));
  const needed = statementsNeeded(cluster.nodes, cluster.threshold);
  const union = unionOf([...byOperator.values()]);
  const root = history.metadata.genesis_validators_root as Root;
  const write = (highest: ReadonlyMap<PubKey, Highest>): string =>
    `${JSON.stringify(minimalInterchange(root, highest), null, 2)}\n`;
  if (byOperator.size >= needed) {
    // This node's own word is one of them.
    requireStill(parts);
    const covers = `everything that the cluster signed, by ${byOperator.size} operators' word`;
    return { data: write(union), covers };
  }
  if (minifyAt === null) {
    throw new UsageError(
      `a complete history needs the word of ${needed} operators, there are ${byOperator.size}: ` +
        "the others' shares may have signed what this node never saw",
      {
        fix:
          "collect the others' files of: coterie slashing export --view statement, and name them " +
          "with --statements; or give the current epoch + 1 to --minify-at",
      },
    );
  }
  const { epoch, slotsPerEpoch } = minifyAt;
  const floor: Highest = {
    attestation: { source: epoch, target: epoch },
    block: { slot: (epoch + 1) * slotsPerEpoch - 1 },
  };
  const raised = new Map(
    cluster.validators.map(({ pubKey }) => {
      const known = union.get(pubKey);
      return [pubKey, known === undefined ? floor : higher(known, floor)] as const;
    }),
  );
  const covers =
    `minified to epoch ${epoch}, by ${byOperator.size} of ${needed} operators' word: nothing up ` +
    "to it will be signed, whatever was";
  return { data: write(raised), covers };
}

function requireStill({ isStill }: ViewParts): void {
  if (isStill) return;
  throw new UsageError("the node signs: what it states now is out of date in a moment", {
    fix: "freeze it first: coterie freeze --scope all --reason 'moving the keys'",
  });
}

/** The same history under the keys that a validator client with the shares knows. */
function underShareKeys(history: Interchange, { cluster, identity }: Operator): Interchange {
  return {
    ...history,
    data: history.data.flatMap((each) => {
      const validator = cluster.validators.find(({ pubKey }) => pubKey === each.pubkey);
      const pubShare = validator?.pubShares[identity.self];
      return pubShare === undefined ? [] : [{ ...each, pubkey: pubShare }];
    }),
  };
}

function highestIn(history: Interchange): ReadonlyMap<`0x${string}`, Highest> {
  const summary = summarizeInterchange(JSON.stringify(history));
  if (summary.ok) return summary.value.highest;
  throw new FaultError("disk_failed", `the node's own history: ${summary.error}`);
}
