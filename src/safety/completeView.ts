/**
 * The validator's whole history, as far as its operators can vouch for it (VIEW-1). One node knows
 * what its own share signed and what it saw combined; a group signature may have been made by t
 * others. Among n−t+f+1 operators there is an honest one of any t, so their statements together
 * bound everything that the cluster ever signed.
 */
import type { PeerIndex, PubKey } from "../domain/keys.ts";
import { faulty } from "../domain/quorum.ts";
import { type Highest, higher } from "./interchangeSummary.ts";

/** What one operator says that its node signed at most, at an instant after which it was still. */
export type WatermarkStatement = {
  readonly operator: PeerIndex;
  readonly highest: ReadonlyMap<PubKey, Highest>;
};

/** Operators whose statements are needed, this node's own included: three of four. */
export function statementsNeeded(nodes: number, threshold: number): number {
  return nodes - threshold + faulty(nodes) + 1;
}

/** The highest of everything that the operators state. */
export function unionOf(statements: readonly WatermarkStatement[]): Map<PubKey, Highest> {
  const union = new Map<PubKey, Highest>();
  for (const { highest } of statements) {
    for (const [pubKey, each] of highest) {
      const known = union.get(pubKey);
      union.set(pubKey, known === undefined ? each : higher(known, each));
    }
  }
  return union;
}
