/** The keys of a whole cluster, the same in every run: they guard nothing. */
import assert from "node:assert/strict";
import type { Cluster } from "../../src/cluster/cluster.ts";
import type { ShareSecret } from "../../src/crypto/builtinSigner.ts";
import { k1PublicKey } from "../../src/crypto/k1.ts";
import { parseSecretKey } from "../../src/crypto/points.ts";
import { splitSecret } from "../../src/crypto/threshold.ts";
import {
  type LockIndex,
  type PeerIndex,
  pubKeyOf,
  pubShareOf,
  type Root,
} from "../../src/domain/keys.ts";

export type ClusterKeys = {
  readonly cluster: Cluster;
  /** Identity public keys, in the lock's order. */
  readonly operators: readonly Uint8Array[];
  identityKey(self: PeerIndex): Uint8Array;
  /** An operator's share of each validator. */
  shares(self: PeerIndex): readonly ShareSecret[];
  /** The whole secret key of a validator: what nobody may have. */
  wholeKey(validator: LockIndex): Uint8Array;
};

const FEE_RECIPIENT = "0x000000000000000000000000000000000000dead";
const random = { bytes: (length: number) => new Uint8Array(length).fill(0x5a) };
const bytesFrom = (seed: number): Uint8Array => new Uint8Array(32).fill(seed);
/** Above the group's order from 0x74 on, so that later validators differ in their last bytes. */
const DISTINCT_FILLS = 0x50;

/** The whole key of a validator in tests that give none. */
export function someKey(validator: LockIndex): Uint8Array {
  const key = bytesFrom(0x20 + (validator % DISTINCT_FILLS));
  if (validator >= DISTINCT_FILLS) new DataView(key.buffer).setUint32(28, validator);
  return key;
}

export function createClusterKeys(options: {
  readonly nodes: number;
  readonly threshold: number;
  readonly validators: number;
  /** The validators' whole keys, 32 bytes each; some unless given. */
  readonly wholeKey?: (validator: LockIndex) => Uint8Array;
}): ClusterKeys {
  const { nodes, threshold, validators, wholeKey = someKey } = options;
  const identityKey = (self: PeerIndex): Uint8Array => bytesFrom(self + 1);
  const operators = Array.from({ length: nodes }, (_, self) => k1PublicKey(identityKey(self)));
  const split = Array.from({ length: validators }, (_, validator) => {
    const secret = wholeKey(validator);
    const shares = splitSecret({ secret, threshold, shares: nodes, random });
    assert(shares !== null, "the secret is a key");
    return shares.map((share) => share.secret);
  });
  const distributed = split.map((shares, lockIndex) => ({
    lockIndex,
    pubKey: pubKeyOf(publicKeyOf(wholeKey(lockIndex))),
    pubShares: shares.map((share) => pubShareOf(publicKeyOf(share))),
    feeRecipient: FEE_RECIPIENT as `0x${string}`,
    targetGasLimit: null,
  }));
  return {
    cluster: {
      name: "test",
      lockHash: `0x${"10".repeat(32)}` as Root,
      forkVersion: "0x00000f00",
      nodes,
      threshold,
      validators: distributed,
      validator: (pubKey) => distributed.find((validator) => validator.pubKey === pubKey),
      operators: operators.map((publicKey, peerIndex) => ({ peerIndex, enr: "", publicKey })),
    },
    operators,
    identityKey,
    shares: (self) =>
      split.map((shares, validator) => ({ validator, secret: shares[self] ?? bytesFrom(0) })),
    wholeKey,
  };
}

function publicKeyOf(secret: Uint8Array): Uint8Array {
  const key = parseSecretKey(secret);
  assert(key !== null, "the secret is a key");
  return key.publicKey;
}
