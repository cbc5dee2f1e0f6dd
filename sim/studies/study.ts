/** What a study is: a question, some hundred runs, figures, and what they say. */
import type { Markup } from "../report/html.ts";
import { quantile } from "../report/scale.ts";
import type { SweepRun } from "../sweep.ts";

export type Figure = { readonly file: string; readonly drawing: Markup };
export type StudyResult = {
  readonly name: string;
  readonly question: string;
  readonly figures: readonly Figure[];
  /** What the runs say, in sentences with their numbers. */
  readonly findings: readonly string[];
};
export type StudyOptions = {
  /** Seeds of each cell. */
  readonly runs: number;
  readonly onRun: () => void;
};
export type Study = (options: StudyOptions) => Promise<StudyResult>;

/** Aggregators are due two thirds into the slot: what is submitted later, nobody includes soon. */
const AGGREGATE_DUE_MS = 8_000;

/** The share of the nodes' parts of attester duties that were submitted in time. */
export function timelyShare(runs: readonly SweepRun[]): number {
  const expected = runs.reduce((sum, { done, missed }) => sum + done + missed, 0);
  const timely = runs
    .flatMap(({ submittedAt }) => submittedAt)
    .filter((at) => at <= AGGREGATE_DUE_MS);
  return timely.length / expected;
}

export function submitted(runs: readonly SweepRun[], share: number): number {
  return quantile(
    runs.flatMap(({ submittedAt }) => submittedAt),
    share,
  );
}
