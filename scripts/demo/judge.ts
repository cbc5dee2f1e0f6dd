/** The demo's verdict, from block bodies and the expected number of duties. */
import type { InclusionReport, ProposalRow } from "../../sim/devchain/inclusion.ts";

export type Verdict = {
  readonly expected: number;
  readonly included: number;
  readonly rightHead: number;
  /** Duties of the slot of a kill that are missing: the only ones that may be. */
  readonly excused: number;
  readonly meanDistance: number;
  /** Blocks that the distributed validators had to propose. */
  readonly proposalsDue: number;
  /** Those that are on chain as the block that the nodes agreed on and signed. */
  readonly proposalsOurs: number;
  readonly justifiedEpoch: number;
  readonly finalizedEpoch: number;
  readonly failures: readonly string[];
};

export function judge(
  report: InclusionReport,
  options: {
    readonly killSlot: number | null;
    readonly mustFinalize: boolean;
    readonly slashings: number;
    /** Roots of the blocks that the nodes say they published, by slot. */
    readonly publishedRoots: ReadonlyMap<number, ReadonlySet<string>>;
  },
): Verdict {
  const { attestations } = report;
  const failures: string[] = [];
  const wrong = attestations.filter(
    (row) => !(row.isIncluded && row.isHeadCorrect && row.isTargetCorrect && row.isSourceCorrect),
  );
  const excused = wrong.filter(({ slot }) => slot === options.killSlot);
  for (const row of wrong.filter(({ slot }) => slot !== options.killSlot)) {
    const what = row.isIncluded ? "is on chain with a wrong vote" : "is not on chain";
    failures.push(`slot ${row.slot}: the attestation of validator ${row.validatorIndex} ${what}`);
  }
  const lost = report.proposals.filter((row) => proposalFailure(row, options) !== null);
  for (const row of lost.filter(({ slot }) => slot !== options.killSlot)) {
    failures.push(`slot ${row.slot}: the block ${proposalFailure(row, options)}`);
  }
  if (attestations.length === 0) failures.push("no duty was due: nothing is proved");
  for (const epoch of report.missedEpochs) failures.push(`epoch ${epoch} was not watched`);
  if (options.mustFinalize && report.finalizedEpoch === 0) {
    failures.push("the chain did not finalize");
  }
  if (options.slashings > 0) failures.push(`${options.slashings} slashable messages were seen`);
  const included = attestations.filter(({ isIncluded }) => isIncluded);
  const distances = included.map(({ distance }) => distance ?? 0);
  return {
    expected: attestations.length,
    included: included.length,
    rightHead: included.filter(({ isHeadCorrect }) => isHeadCorrect).length,
    excused: excused.length + lost.filter(({ slot }) => slot === options.killSlot).length,
    meanDistance: distances.reduce((sum, d) => sum + d, 0) / Math.max(1, distances.length),
    proposalsDue: report.proposals.length,
    proposalsOurs: report.proposals.length - lost.length,
    justifiedEpoch: report.justifiedEpoch,
    finalizedEpoch: report.finalizedEpoch,
    failures,
  };
}

/** What is wrong with a due proposal, or null: it is on chain, and is what the nodes signed. */
function proposalFailure(
  { slot, validatorIndex, root }: ProposalRow,
  options: { readonly publishedRoots: ReadonlyMap<number, ReadonlySet<string>> },
): string | null {
  if (root === null) return `of validator ${validatorIndex} is not on chain`;
  const published = options.publishedRoots.get(slot) ?? new Set();
  if (published.size > 1) return `was published in ${published.size} versions`;
  return published.has(root) ? null : "on chain is not the one that the nodes agreed on";
}
