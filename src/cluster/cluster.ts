/** The node's view of its cluster: what a verified lock says, in the program's own words. */
import { decodeEnr } from "../crypto/enr.ts";
import type { LockIndex, PeerIndex } from "../domain/keys.ts";
import {
  type PubKey,
  type PubShare,
  pubKeyOf,
  pubShareOf,
  type Root,
  rootOf,
} from "../domain/keys.ts";
import { assert } from "../util/assert.ts";
import { toHex } from "../util/bytes.ts";
import { versionOf } from "./definition.ts";
import { fieldBytes } from "./fields.ts";
import type { VerifiedLock } from "./verify.ts";

export type Operator = {
  readonly peerIndex: PeerIndex;
  readonly enr: string;
  /** The node's identity: 33 bytes, compressed secp256k1. */
  readonly publicKey: Uint8Array;
};

export type DistributedValidator = {
  readonly lockIndex: LockIndex;
  readonly pubKey: PubKey;
  /** In the operators' order: entry i belongs to share index i + 1. */
  readonly pubShares: readonly PubShare[];
  /** Execution-layer address, 20 bytes as lower-case 0x hex. */
  readonly feeRecipient: `0x${string}`;
  /** Null in locks of a version that names none. */
  readonly targetGasLimit: number | null;
};

export type Cluster = {
  readonly name: string;
  readonly lockHash: Root;
  /** Genesis fork version of the chain, 4 bytes as lower-case 0x hex. */
  readonly forkVersion: `0x${string}`;
  readonly nodes: number;
  readonly threshold: number;
  readonly operators: readonly Operator[];
  readonly validators: readonly DistributedValidator[];
  validator(pubKey: PubKey): DistributedValidator | undefined;
};

export function clusterOf(lock: VerifiedLock): Cluster {
  const definition = lock.cluster_definition;
  // Hashes of other versions do not cover it.
  const hasTarget = versionOf(definition).validatorSettings;
  const validators = lock.distributed_validators.map((validator, lockIndex) => ({
    lockIndex,
    pubKey: pubKeyOf(fieldBytes(validator.distributed_public_key)),
    pubShares: validator.public_shares.map((share) => pubShareOf(fieldBytes(share))),
    feeRecipient: toHex(fieldBytes(definition.validators[lockIndex]?.fee_recipient_address ?? "")),
    targetGasLimit: hasTarget ? targetGasLimit(definition.target_gas_limit) : null,
  }));
  const byPubKey = new Map(validators.map((validator) => [validator.pubKey, validator]));
  return {
    name: definition.name,
    lockHash: rootOf(fieldBytes(lock.lock_hash)),
    forkVersion: toHex(fieldBytes(definition.fork_version)),
    nodes: definition.operators.length,
    threshold: definition.threshold,
    operators: definition.operators.map(({ enr }, peerIndex) => {
      const record = decodeEnr(enr);
      assert(record.ok, "a verified lock holds valid ENRs");
      return { peerIndex, enr, publicKey: record.value.publicKey };
    }),
    validators,
    validator: (pubKey) => byPubKey.get(pubKey),
  };
}

/** A lock may hold any 64-bit number; zero, and what no chain reaches, is no target. */
function targetGasLimit(limit: number | bigint | undefined): number | null {
  const target = Number(limit ?? 0);
  return target > 0 && Number.isSafeInteger(target) ? target : null;
}
