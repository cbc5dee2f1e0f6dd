/**
 * A cluster made by a trusted dealer, who knows every key while it runs: for tests, demos, and for
 * splitting keys that exist already. Clusters for real stake are made by the ceremony.
 */
import { aggregate } from "../crypto/bls.ts";
import { encodeEnr } from "../crypto/enr.ts";
import { generateK1SecretKey, k1Sign } from "../crypto/k1.ts";
import { parseSecretKey, type SigningKey } from "../crypto/points.ts";
import { randomScalar, scalarBytes } from "../crypto/shamir.ts";
import { splitSecret } from "../crypto/threshold.ts";
import { bytesOf, pubShareOf } from "../domain/keys.ts";
import { MAX_NODES, MAX_VALIDATORS, MIN_NODES } from "../domain/limits.ts";
import { isSafeThreshold } from "../domain/quorum.ts";
import type { DepositData } from "../eth2/deposit.ts";
import type { Random } from "../ports/random.ts";
import { assert } from "../util/assert.ts";
import { uuidOf } from "../util/uuid.ts";
import type { ClusterDefinition } from "./definition.ts";
import { DEFAULT_DEPOSIT_AMOUNTS } from "./depositAmounts.ts";
import { lockHash } from "./hashing.ts";
import type { ClusterLock } from "./lock.ts";
import { DEFAULT_GAS_LIMIT, newDefinition } from "./newDefinition.ts";
import { type NewValidator, preSigningOf, signedLock, unsignedLock } from "./preSigned.ts";
import { type VerifiedLock, verifyLock } from "./verify.ts";

export type CreateClusterInput = {
  readonly name: string;
  readonly nodes: number;
  readonly threshold: number;
  /** Accepts a threshold at which two groups of t shares may have no honest node in common. */
  readonly isUnsafeThresholdForced?: boolean;
  /** Genesis fork version of the chain, 4 bytes as 0x hex. */
  readonly forkVersion: `0x${string}`;
  /** One entry per validator; 20-byte addresses as 0x hex. */
  readonly validators: readonly {
    readonly feeRecipient: string;
    readonly withdrawalAddress: string;
    /** An existing key to split; a new one is made where it is absent. */
    readonly secret?: Uint8Array;
  }[];
  /** RFC 3339. */
  readonly createdAt: string;
  readonly random: Random;
};

/** What one operator gets, and nobody else may see. */
export type NodeSecrets = {
  readonly identityKey: Uint8Array;
  readonly enr: string;
  /** Secret key shares in the order of the lock's validators, 32 bytes each. */
  readonly shares: readonly Uint8Array[];
};

export type NewCluster = {
  readonly lock: VerifiedLock;
  readonly nodes: readonly NodeSecrets[];
  readonly deposits: readonly DepositData[];
};

/** A validator under construction. */
type DealtValidator = {
  /** Share i + 1 at position i. */
  readonly shareSecrets: readonly Uint8Array[];
  readonly shareKeys: readonly SigningKey[];
  readonly validator: NewValidator;
};
type Identity = Pick<NodeSecrets, "identityKey" | "enr">;

/**
 * Deals keys and makes a lock that passes {@link verifyLock}; deterministic in its inputs (LOCK-9).
 */
export function createCluster(input: CreateClusterInput): NewCluster {
  assertCreatable(input);
  const identities = Array.from({ length: input.nodes }, () => createIdentityKey(input.random));
  const definition = buildDefinition(input, identities);
  const dealt = input.validators.map((_, i) => dealValidator(input, definition, i));
  const lock = verifyLock(signLock(definition, dealt, identities));
  assert(lock.ok, `a created lock verifies: ${lock.ok ? "" : JSON.stringify(lock.error)}`);
  return {
    lock: lock.value,
    nodes: identities.map((identity, node) => ({
      ...identity,
      shares: dealt.flatMap(({ shareSecrets }) => shareSecrets.slice(node, node + 1)),
    })),
    deposits: dealt.flatMap(({ validator }) => validator.deposits),
  };
}

function assertCreatable(input: CreateClusterInput): void {
  const { nodes, threshold, isUnsafeThresholdForced = false, validators, createdAt } = input;
  assert(nodes >= MIN_NODES && nodes <= MAX_NODES, `no cluster of ${nodes} nodes`);
  assert(
    isSafeThreshold(nodes, threshold) ||
      (isUnsafeThresholdForced && threshold >= 1 && threshold <= nodes),
    `threshold ${threshold} of ${nodes} is unsafe: 2t > n + f does not hold`,
  );
  assert(validators.length >= 1 && validators.length <= MAX_VALIDATORS, "validators in range");
  assert(!Number.isNaN(Date.parse(createdAt)), "createdAt is an RFC 3339 time");
}

function createIdentityKey(random: Random): Identity {
  const identityKey = generateK1SecretKey(random);
  return { identityKey, enr: encodeEnr({ secretKey: identityKey }) };
}

function buildDefinition(
  input: CreateClusterInput,
  identities: readonly Identity[],
): ClusterDefinition {
  return newDefinition({
    name: input.name,
    enrs: identities.map(({ enr }) => enr),
    threshold: input.threshold,
    forkVersion: input.forkVersion,
    validators: input.validators,
    createdAt: input.createdAt,
    uuid: uuidOf(input.random.bytes(16)),
    depositAmounts: DEFAULT_DEPOSIT_AMOUNTS,
    targetGasLimit: DEFAULT_GAS_LIMIT,
    isCompounding: false,
  });
}

function dealValidator(
  input: CreateClusterInput,
  definition: ClusterDefinition,
  lockIndex: number,
): DealtValidator {
  const { nodes, threshold, random } = input;
  const secret = input.validators[lockIndex]?.secret ?? scalarBytes(randomScalar(random));
  const split = splitSecret({ secret, threshold, shares: nodes, random });
  assert(split !== null, `the key to split for validator ${lockIndex} is no BLS secret key`);
  const shareSecrets = split.map((share) => share.secret);
  const shareKeys = shareSecrets.map(signingKey);
  const group = signingKey(secret);
  const { deposits, registration } = preSigningOf(definition, lockIndex, group.publicKey);
  return {
    shareSecrets,
    shareKeys,
    validator: {
      publicKey: group.publicKey,
      pubShares: shareKeys.map(({ publicKey }) => pubShareOf(publicKey)),
      deposits: deposits.map(({ message, root }) => ({
        ...message,
        signature: group.sign(bytesOf(root)),
      })),
      registration: {
        message: registration.message,
        signature: group.sign(bytesOf(registration.root)),
      },
    },
  };
}

/** All shares of all validators, and all nodes, sign the lock hash. */
function signLock(
  definition: ClusterDefinition,
  dealt: readonly DealtValidator[],
  identities: readonly Identity[],
): ClusterLock {
  const unsigned = unsignedLock(
    definition,
    dealt.map(({ validator }) => validator),
  );
  const message = bytesOf(lockHash(unsigned));
  const signatures = dealt.flatMap(({ shareKeys }) => shareKeys.map((key) => key.sign(message)));
  const sum = aggregate(signatures);
  assert(sum !== null, "signatures just made add up");
  return signedLock(unsigned, {
    aggregate: sum,
    nodes: identities.map(({ identityKey }) => k1Sign(message, identityKey)),
  });
}

function signingKey(secret: Uint8Array): SigningKey {
  const key = parseSecretKey(secret);
  assert(key !== null, "a dealt secret is a BLS secret key");
  return key;
}
