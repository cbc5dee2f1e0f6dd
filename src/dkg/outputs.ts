/**
 * What a finished ceremony leaves behind besides the key shares (OUT-1): texts by file name, the
 * same on every node. The lock comes last, for it makes the directory a node's.
 */
import { writeBuilderRegistrations } from "../cluster/builderRegistrations.ts";
import { ethText } from "../cluster/depositAmounts.ts";
import { writeDepositFile } from "../cluster/depositFile.ts";
import { writeLock } from "../cluster/lock.ts";
import type { VerifiedLock } from "../cluster/verify.ts";
import type { DepositData } from "../eth2/deposit.ts";

export type OutputFile = { readonly name: string; readonly text: string };

export const LOCK_FILE = "cluster-lock.json";
/** A whole stake in one deposit is what launchpads ask for by default. */
const DEFAULT_AMOUNT = 32_000_000_000n;

export function outputFiles(outcome: {
  readonly lock: VerifiedLock;
  /** One for each validator and amount. */
  readonly deposits: readonly DepositData[];
  /** The transcript file's text. */
  readonly transcript: string;
}): readonly OutputFile[] {
  const { lock, deposits, transcript } = outcome;
  const amounts = [...new Set(deposits.map(({ amount }) => amount))];
  return [
    ...amounts.map((amount) => ({
      name: depositFileName(amount),
      text: writeDepositFile(
        deposits.filter((deposit) => deposit.amount === amount),
        lock.cluster_definition.fork_version,
      ),
    })),
    { name: "builder-registrations.json", text: writeBuilderRegistrations(lock) },
    { name: "transcript.json", text: transcript },
    { name: LOCK_FILE, text: writeLock(lock) },
  ];
}

/** Launchpads take one deposit per validator and file. */
function depositFileName(amount: bigint): string {
  return amount === DEFAULT_AMOUNT
    ? "deposit-data.json"
    : `deposit-data-${ethText(amount)}eth.json`;
}
