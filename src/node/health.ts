/** Whether the node can do its duties now, and if not, what an operator should look at. */
import type { PeerIndex } from "../domain/keys.ts";
import { liveNodesNeeded } from "../domain/quorum.ts";

export type Observations = {
  readonly nodes: number;
  readonly threshold: number;
  /** Peers with a direct path. */
  readonly connected: readonly PeerIndex[];
  /** Why no beacon node can be used; null while one can. */
  readonly beaconProblem: string | null;
  readonly signedFor: number;
  readonly validators: number;
  readonly isLockHeld: boolean;
  /** Why the beacon node should not be trusted; null while the cluster agrees with it. */
  readonly viewProblem: string | null;
  /** Why nothing is signed for now, by itself or until somebody acts; one sentence each. */
  readonly signingProblems: readonly string[];
  /** Why nothing can be written; null while it can. */
  readonly storeProblem: string | null;
};

export type Health = {
  readonly isReady: boolean;
  readonly reasons: readonly string[];
};

export function healthOf(seen: Observations): Health {
  const reasons: string[] = [];
  const needed = liveNodesNeeded(seen.nodes, seen.threshold);
  const live = seen.connected.length + 1;
  if (live < needed) {
    reasons.push(`${live} of ${seen.nodes} nodes are connected, duties need ${needed}`);
  }
  if (seen.beaconProblem !== null) reasons.push(seen.beaconProblem);
  if (seen.viewProblem !== null) reasons.push(seen.viewProblem);
  // Without any, a validator client holds the key shares.
  if (seen.signedFor > 0 && seen.signedFor < seen.validators) {
    reasons.push(`key shares are loaded for ${seen.signedFor} of ${seen.validators} validators`);
  }
  for (const problem of seen.signingProblems) reasons.push(`nothing is signed: ${problem}`);
  if (seen.storeProblem !== null) reasons.push(`nothing is signed: ${seen.storeProblem}`);
  if (!seen.isLockHeld) reasons.push("another process took over this data directory");
  return { isReady: reasons.length === 0, reasons };
}
