/**
 * Sizes of quorums for n nodes (IBFT/QBFT, arXiv:2002.03613 §2): any two quorums share an honest
 * node as long as at most f are faulty.
 */
import { assert } from "../util/assert.ts";
import { MAX_NODES, MAX_ROUND, MIN_NODES } from "./limits.ts";
import type { Round } from "./units.ts";

/** Nodes that may be Byzantine: ⌊(n−1)/3⌋. */
export function faulty(nodes: number): number {
  return Math.floor((nodes - 1) / 3);
}

/** Votes that make a decision: ⌈2n/3⌉. */
export function quorum(nodes: number): number {
  return Math.ceil((2 * nodes) / 3);
}

/**
 * Rounds from the first on in which values are compared with one's own view: of f + 1 leaders in a
 * row one is honest. The last round is left to whoever sees another chain than its peers.
 */
export function ownViewRounds(nodes: number): Round {
  return Math.min(faulty(nodes) + 1, MAX_ROUND - 1);
}

/**
 * Nodes that must be live for a duty: consensus needs a quorum, the group signature needs the
 * threshold.
 */
export function liveNodesNeeded(nodes: number, threshold: number): number {
  return Math.max(threshold, quorum(nodes));
}

/** Whether any two sets of t shares have an honest node in common: 2t > n + f. */
export function isSafeThreshold(nodes: number, threshold: number): boolean {
  return threshold <= nodes && 2 * threshold > nodes + faulty(nodes);
}

for (let n = MIN_NODES; n <= MAX_NODES; n++) {
  assert(2 * quorum(n) - n > faulty(n), `two quorums of ${n} nodes share an honest node`);
  assert(n - faulty(n) >= quorum(n), `the honest of ${n} nodes make a quorum`);
}
