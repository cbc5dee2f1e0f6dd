/** What a running node needs of a verified cluster lock, in the program's own types. */
import type { PubKey, PubShare, Root } from "../domain/keys.ts";

export type ClusterValidator = {
  readonly pubKey: PubKey;
  /** By share index minus one. */
  readonly pubShares: readonly PubShare[];
};

export type ClusterOperator = {
  readonly enr: string;
  /** Compressed secp256k1 point, 33 bytes. */
  readonly publicKey: Uint8Array;
};

export type Cluster = {
  readonly name: string;
  readonly lockHash: Root;
  /** Genesis fork version of the cluster's chain: four bytes as `0x` hex. */
  readonly forkVersion: `0x${string}`;
  readonly nodes: number;
  readonly threshold: number;
  /** In the lock's order: the position is the validator's LockIndex. */
  readonly validators: readonly ClusterValidator[];
  /** In the lock's order: the position is the operator's PeerIndex. */
  readonly operators: readonly ClusterOperator[];
};
