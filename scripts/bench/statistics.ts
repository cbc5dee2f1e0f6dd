/** The few statistics that benchmarks report. */
import { assert } from "../../src/util/assert.ts";

/** The value below which `share` (0 to 1) of the samples lie; by rank, without interpolation. */
export function quantile(samples: readonly number[], share: number): number {
  assert(samples.length > 0, "a quantile is of at least one sample");
  const sorted = [...samples].sort((a, b) => a - b);
  const rank = Math.min(sorted.length - 1, Math.floor(share * sorted.length));
  return sorted[rank] ?? Number.NaN;
}

export function median(samples: readonly number[]): number {
  return quantile(samples, 0.5);
}
