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
import { bytesOf } from "../domain/keys.ts";
import { MAX_NODES, MAX_VALIDATORS, MIN_NODES } from "../domain/limits.ts";
import { isSafeThreshold } from "../domain/quorum.ts";
import { type DepositData, depositSigningRoot } from "../eth2/deposit.ts";
import { registrationSigningRoot } from "../eth2/registration.ts";
import type { Random } from "../ports/random.ts";
import { assert } from "../util/assert.ts";
import { toHex } from "../util/bytes.ts";
import { uuidOf } from "../util/uuid.ts";
import type { ClusterDefinition } from "./definition.ts";
import { fieldBytes } from "./fields.ts";
import { configHash, definitionHash, lockHash } from "./hashing.ts";
import type { ClusterLock, RegistrationEntry, ValidatorEntry } from "./lock.ts";
import { type VerifiedLock, verifyLock } from "./verify.ts";
import { WRITTEN_VERSION } from "./versions.ts";

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

const DEPOSIT_GWEI = 32_000_000_000n;
/** Withdrawal credentials that end in an execution-layer address. */
const ETH1_ADDRESS_WITHDRAWAL_PREFIX = 0x01;
/** The target of the execution layer's clients in 2026. */
const GAS_LIMIT = 60_000_000;

/** A validator under construction. */
type DealtValidator = {
  /** Share i + 1 at position i. */
  readonly shareSecrets: readonly Uint8Array[];
  readonly shareKeys: readonly SigningKey[];
  readonly deposit: DepositData;
  readonly entry: ValidatorEntry;
};
type Identity = Pick<NodeSecrets, "identityKey" | "enr">;

/**
 * Deals keys and makes a lock that passes {@link verifyLock}; deterministic in its inputs (LOCK-9).
 */
export function createCluster(input: CreateClusterInput): NewCluster {
  assertCreatable(input);
  const identities = Array.from({ length: input.nodes }, () => createIdentityKey(input.random));
  const definition = buildDefinition(input, identities);
  const dealt = input.validators.map((_, index) => dealValidator(input, index));
  const lock = verifyLock(signLock(definition, dealt, identities));
  assert(lock.ok, `a created lock verifies: ${lock.ok ? "" : JSON.stringify(lock.error)}`);
  return {
    lock: lock.value,
    nodes: identities.map((identity, node) => ({
      ...identity,
      shares: dealt.flatMap(({ shareSecrets }) => shareSecrets.slice(node, node + 1)),
    })),
    deposits: dealt.map(({ deposit }) => deposit),
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

/** Without wallet signatures, as Obol's format has it for clusters that one person creates. */
function buildDefinition(
  input: CreateClusterInput,
  identities: readonly Identity[],
): ClusterDefinition {
  const unsigned = {
    name: input.name,
    creator: { address: "", config_signature: "" },
    operators: identities.map(({ enr }) => ({
      address: "",
      enr,
      config_signature: "",
      enr_signature: "",
    })),
    uuid: uuidOf(input.random.bytes(16)),
    version: WRITTEN_VERSION,
    timestamp: input.createdAt,
    num_validators: input.validators.length,
    threshold: input.threshold,
    validators: input.validators.map(({ feeRecipient, withdrawalAddress }) => ({
      fee_recipient_address: feeRecipient,
      withdrawal_address: withdrawalAddress,
    })),
    dkg_algorithm: "default",
    fork_version: input.forkVersion,
    deposit_amounts: [DEPOSIT_GWEI.toString()],
    consensus_protocol: "",
    target_gas_limit: GAS_LIMIT,
    compounding: false,
    config_hash: "",
    definition_hash: "",
  };
  const configured = { ...unsigned, config_hash: configHash(unsigned) };
  return { ...configured, definition_hash: definitionHash(configured) };
}

function dealValidator(input: CreateClusterInput, index: number): DealtValidator {
  const { nodes, threshold, random } = input;
  const validator = input.validators[index];
  assert(validator !== undefined, "the index is one of the input's validators");
  const secret = validator.secret ?? scalarBytes(randomScalar(random));
  const split = splitSecret({ secret, threshold, shares: nodes, random });
  assert(split !== null, `the key to split for validator ${index} is no BLS secret key`);
  const shareSecrets = split.map((share) => share.secret);
  const group = signingKey(secret);
  const shareKeys = shareSecrets.map(signingKey);
  const deposit = signDeposit(group, validator.withdrawalAddress, input.forkVersion);
  return {
    shareSecrets,
    shareKeys,
    deposit,
    entry: {
      distributed_public_key: toHex(group.publicKey),
      public_shares: shareKeys.map(({ publicKey }) => toHex(publicKey)),
      builder_registration: signRegistration(group, validator.feeRecipient, input),
      partial_deposit_data: [
        {
          pubkey: toHex(deposit.pubkey),
          withdrawal_credentials: toHex(deposit.withdrawalCredentials),
          amount: deposit.amount.toString(),
          signature: toHex(deposit.signature),
        },
      ],
    },
  };
}

function signDeposit(
  group: SigningKey,
  withdrawalAddress: string,
  forkVersion: string,
): DepositData {
  const withdrawalCredentials = new Uint8Array(32);
  withdrawalCredentials[0] = ETH1_ADDRESS_WITHDRAWAL_PREFIX;
  withdrawalCredentials.set(fieldBytes(withdrawalAddress), 12);
  const message = { pubkey: group.publicKey, withdrawalCredentials, amount: DEPOSIT_GWEI };
  const root = depositSigningRoot(message, fieldBytes(forkVersion));
  return { ...message, signature: group.sign(bytesOf(root)) };
}

function signRegistration(
  group: SigningKey,
  feeRecipient: string,
  input: CreateClusterInput,
): RegistrationEntry {
  const timestamp = Math.floor(Date.parse(input.createdAt) / 1000);
  const root = registrationSigningRoot(
    {
      feeRecipient: fieldBytes(feeRecipient),
      gasLimit: BigInt(GAS_LIMIT),
      timestamp: BigInt(timestamp),
      pubkey: group.publicKey,
    },
    fieldBytes(input.forkVersion),
  );
  return {
    message: {
      fee_recipient: feeRecipient.toLowerCase(),
      gas_limit: GAS_LIMIT,
      timestamp,
      pubkey: toHex(group.publicKey),
    },
    signature: toHex(group.sign(bytesOf(root))),
  };
}

/** All shares of all validators, and all nodes, sign the lock hash. */
function signLock(
  definition: ClusterDefinition,
  dealt: readonly DealtValidator[],
  identities: readonly Identity[],
): ClusterLock {
  const unsigned = {
    cluster_definition: definition,
    distributed_validators: dealt.map(({ entry }) => entry),
    signature_aggregate: "",
    lock_hash: "",
    node_signatures: [],
  };
  const hash = lockHash(unsigned);
  const message = bytesOf(hash);
  const signatures = dealt.flatMap(({ shareKeys }) => shareKeys.map((key) => key.sign(message)));
  const sum = aggregate(signatures);
  assert(sum !== null, "signatures just made add up");
  return {
    ...unsigned,
    signature_aggregate: toHex(sum),
    lock_hash: hash,
    node_signatures: identities.map(({ identityKey }) => toHex(k1Sign(message, identityKey))),
  };
}

function signingKey(secret: Uint8Array): SigningKey {
  const key = parseSecretKey(secret);
  assert(key !== null, "a dealt secret is a BLS secret key");
  return key;
}
