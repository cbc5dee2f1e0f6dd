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
  readonly isStarted: boolean;
};

export type Health = {
  readonly isReady: boolean;
  readonly reasons: readonly string[];
};

export function healthOf(seen: Observations): Health {
  const reasons: string[] = [];
  const needed = liveNodesNeeded(seen.nodes, seen.threshold);
  const live = seen.connected.length + 1;
  if (!seen.isStarted) reasons.push("the node is starting");
  if (live < needed) {
    reasons.push(`${live} of ${seen.nodes} nodes are connected, duties need ${needed}`);
  }
  if (seen.sync === null) reasons.push("no beacon node answers");
  else if (seen.sync.isSyncing) reasons.push("the beacon node is syncing");
  else if (seen.sync.isElOffline) reasons.push("the beacon node's execution client is offline");
  // Without any, a validator client holds the key shares.
  if (seen.signedFor > 0 && seen.signedFor < seen.validators) {
    reasons.push(`key shares are loaded for ${seen.signedFor} of ${seen.validators} validators`);
  }
  if (!seen.isLockHeld) reasons.push("another process took over this data directory");
  return { isReady: reasons.length === 0, reasons };
}
