/** Whether the node can do its duties now, and if not, what an operator should look at. */
import type { PeerIndex } from "../domain/keys.ts";
import { liveNodesNeeded } from "../domain/quorum.ts";
import type { SyncStatus } from "../ports/beaconNode.ts";

export type Observations = {
  readonly nodes: number;
  readonly threshold: number;
  /** Peers with a direct path. */
  readonly connected: readonly PeerIndex[];
  /** Null while the beacon node has not answered lately. */
  readonly sync: SyncStatus | null;
  readonly signedFor: number;
  readonly validators: number;
  readonly isLockHeld: boolean;
  /** Why the beacon node should not be trusted; null while the cluster agrees with it. */
  readonly viewProblem: string | null;
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
  if (seen.sync === null) reasons.push("no beacon node answers");
  else if (seen.sync.isSyncing) reasons.push("the beacon node is syncing");
  else if (seen.sync.isElOffline) reasons.push("the beacon node's execution client is offline");
  if (seen.viewProblem !== null) reasons.push(seen.viewProblem);
  if (seen.signedFor < seen.validators) {
    reasons.push(`key shares are loaded for ${seen.signedFor} of ${seen.validators} validators`);
  }
  if (seen.storeProblem !== null) reasons.push(`nothing is signed: ${seen.storeProblem}`);
  if (!seen.isLockHeld) reasons.push("another process took over this data directory");
  return { isReady: reasons.length === 0, reasons };
}
