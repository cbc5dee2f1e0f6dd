/**
 * What a dishonest dealer can do: lay out any lock and have all hashes, share and node signatures
 * over it right, since it knows every key.
 */
import assert from "node:assert/strict";
import {
  type CreateClusterInput,
  createCluster,
  type NewCluster,
} from "../../src/cluster/create.ts";
import { configHash, definitionHash, lockHash } from "../../src/cluster/hashing.ts";
import type { ClusterLock } from "../../src/cluster/lock.ts";
import { aggregate } from "../../src/crypto/bls.ts";
import { k1Sign } from "../../src/crypto/k1.ts";
import { parseSecretKey, type SigningKey } from "../../src/crypto/points.ts";
import { recoverSecret } from "../../src/crypto/threshold.ts";
import { bytesOf } from "../../src/domain/keys.ts";
import { toHex } from "../../src/util/bytes.ts";
import { seededRandom } from "./random.ts";

export const ADDRESSES = {
  feeRecipient: "0x46aB8712c7A5423b717F648529B1c7A17099750A",
  withdrawalAddress: "0x6325253fec448615bbda08313f6a8eb668d20bf5",
};

/** A 3-of-4 cluster with two validators. */
export function dealtCluster(overrides: Partial<CreateClusterInput> = {}): NewCluster {
  return createCluster({
    name: "test",
    nodes: 4,
    threshold: 3,
    forkVersion: "0x10000038",
    validators: [ADDRESSES, ADDRESSES],
    createdAt: "2026-01-02T03:04:05Z",
    random: seededRandom("cluster"),
    ...overrides,
  });
}

/** The whole key of a validator, from the shares of all operators. */
export function groupKey({ nodes }: NewCluster, validator: number): SigningKey {
  const secret = recoverSecret(
    nodes.map(({ shares }, i) => ({ index: i + 1, secret: shares[validator] ?? new Uint8Array() })),
  );
  const key = secret === null ? null : parseSecretKey(secret);
  assert(key !== null);
  return key;
}

/** `lock` with all hashes recomputed and signed by all shares and nodes of `dealt`. */
export function sealed(dealt: NewCluster, lock: ClusterLock): ClusterLock {
  const configured = { ...lock.cluster_definition };
  const config = { ...configured, config_hash: configHash(configured) };
  const definition = { ...config, definition_hash: definitionHash(config) };
  const unsigned = { ...lock, cluster_definition: definition };
  const hash = lockHash(unsigned);
  const shares = dealt.nodes.flatMap((node) => node.shares);
  const signatures = shares.map((secret) => {
    const key = parseSecretKey(secret);
    assert(key !== null);
    return key.sign(bytesOf(hash));
  });
  const sum = aggregate(signatures);
  assert(sum !== null);
  return {
    ...unsigned,
    lock_hash: hash,
    signature_aggregate: toHex(sum),
    node_signatures: dealt.nodes.map((node) => toHex(k1Sign(bytesOf(hash), node.identityKey))),
  };
}
