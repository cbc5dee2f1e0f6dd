/** A cluster definition from a file, known to be valid and fit for a ceremony, or refused. */
import { createExecutionClient } from "../../adapters/http/executionClient.ts";
import { readTextFile } from "../../adapters/system/files.ts";
import { contractClaims } from "../../cluster/approvals.ts";
import { type ClusterDefinition, parseDefinition } from "../../cluster/definition.ts";
import { verifyDefinition } from "../../cluster/verify.ts";
import { termsFaults } from "../../dkg/terms.ts";
import { UsageError } from "../../domain/errors.ts";
import { MAX_CLUSTER_FILE_BYTES } from "../../domain/limits.ts";
import { invalidFile } from "../clusterFile.ts";

export type DefinitionSource = {
  readonly path: string;
  /** Addresses taken for contracts without being asked, lower case. */
  readonly contractWallets: ReadonlySet<string>;
  /** Judges what contract wallets signed; null where none is given. */
  readonly executionEndpoint: string | null;
};

export type DefinitionFile = {
  /** As it was read: copies are made of these characters. */
  readonly text: string;
  readonly definition: ClusterDefinition;
};

/** A definition with the wallets that were found to be contracts: its lock is judged with them. */
export type JudgedDefinition = DefinitionFile & {
  /** Lower case. */
  readonly contractWallets: ReadonlySet<string>;
};

/** Throws UsageError naming the file and its first faults (DEF-1, DEF-2, DEF-3). */
export async function readDefinitionFile(source: DefinitionSource): Promise<JudgedDefinition> {
  const { path } = source;
  const text = await readTextFile(path, {
    maxBytes: MAX_CLUSTER_FILE_BYTES,
    missingFix: "name the cluster-definition.json that the cluster's creator sent you",
  });
  const parsed = parseDefinition(text);
  if (!parsed.ok) throw invalid(path, parsed.error);
  const definition = parsed.value;
  const contractWallets = await wallets(definition, source);
  const verified = verifyDefinition(definition, contractWallets);
  const faults = [...(verified.ok ? [] : verified.error), ...termsFaults(definition)];
  if (faults.length > 0) throw invalid(path, faults);
  return { text, definition, contractWallets };
}

function invalid(path: string, faults: Parameters<typeof invalidFile>[1]): UsageError {
  return new UsageError(invalidFile(path, faults), {
    fix: "ask the cluster's creator for a new definition; an edited one is never valid",
  });
}

/** The addresses whose contracts confirmed every approval in their name. */
async function wallets(
  definition: ClusterDefinition,
  { contractWallets, executionEndpoint }: DefinitionSource,
): Promise<ReadonlySet<string>> {
  const { chainId, claims } = contractClaims(definition);
  if (executionEndpoint === null || claims.length === 0) return contractWallets;
  const client = createExecutionClient(executionEndpoint);
  try {
    const actual = await client.chainId();
    if (actual !== chainId) {
      throw new UsageError(
        `--execution-client-rpc-endpoint is on chain ${actual}, the cluster's is ${chainId}`,
      );
    }
    const confirmed = new Set(claims.map(({ address }) => address.toLowerCase()));
    for (const claim of claims) {
      if (!(await client.isValidSignature(claim))) confirmed.delete(claim.address.toLowerCase());
    }
    return new Set([...contractWallets, ...confirmed]);
  } finally {
    await client.close();
  }
}
