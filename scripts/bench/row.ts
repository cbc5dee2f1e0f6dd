/** What a benchmark reports: one measured figure, with what it is measured against. */
export type BenchRow = {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** The least that the same machine could do in the same run, in the same unit. */
  readonly floor?: number;
  /** `value` over `floor`, or over a peer that was measured beside it. */
  readonly ratio?: number;
  /** What the figure must keep, in words. */
  readonly limit?: string;
  /** Whether it does; present where there is a limit. */
  readonly pass?: boolean;
};
