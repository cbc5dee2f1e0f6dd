/**
 * What comes before a slashing, counted in one place whatever found it: none of these has cost
 * anything yet, and each of them is worth a page (PRECURSOR-1).
 */
import type { Counter, Metrics } from "../ports/metrics.ts";

export const PRECURSORS = [
  /** A share was asked to sign a second, different message of one duty. */
  "conflicting_digest",
  /** The machine's clock stepped, or disagrees with the chain. */
  "clock_drift",
  /** More different messages than a duty asks for. */
  "rate_limit",
  /** The records are older than what is known to have been signed: a restored disk. */
  "counter_reset",
  /** A signature of a validator that the cluster did not make. */
  "foreign_signer",
  /** A validator's whole key was used, which nobody may hold. */
  "whole_key",
  /** Audit log or evidence could not be kept. */
  "evidence_failure",
] as const;
export type PrecursorKind = (typeof PRECURSORS)[number];

export class Precursors {
  readonly #counter: Counter;

  constructor(metrics: Metrics) {
    this.#counter = metrics.counter({
      name: "slash_precursors_total",
      help: "Events that come before a slashing, by kind",
      labels: ["kind"],
    });
    // An alert on the rate of a series needs the series before the first event.
    for (const kind of PRECURSORS) this.#counter.add(0, { kind });
  }

  count(kind: PrecursorKind): void {
    this.#counter.add(1, { kind });
  }
}
