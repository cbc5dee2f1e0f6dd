/**
 * What a new validator's key signs before the validator exists: one deposit per amount and one
 * registration with block builders, all of them said by the definition and the key alone, so that
 * every operator signs the same (LOCK-10).
 */
import type { PubShare, Root } from "../domain/keys.ts";
import { bytesOf } from "../domain/keys.ts";
import { type DepositData, type DepositMessage, depositSigningRoot } from "../eth2/deposit.ts";
import { registrationSigningRoot, type ValidatorRegistration } from "../eth2/registration.ts";
import { assert } from "../util/assert.ts";
import { toHex } from "../util/bytes.ts";
import { type ClusterDefinition, isCompounding } from "./definition.ts";
import { depositAmountsOf } from "./depositAmounts.ts";
import { fieldBytes } from "./fields.ts";
import { lockHash } from "./hashing.ts";
import type { ClusterLock, ValidatorEntry } from "./lock.ts";
import { targetGasLimitOf } from "./newDefinition.ts";

/** Withdrawal credentials that end in an execution-layer address, plain and compounding. */
const WITHDRAWAL_PREFIX = { plain: 0x01, compounding: 0x02 } as const;

/** The messages of one validator with the roots that its key signs. */
export type PreSigning = {
  readonly deposits: readonly { readonly message: DepositMessage; readonly root: Root }[];
  readonly registration: { readonly message: ValidatorRegistration; readonly root: Root };
};

/** A validator's part of a lock: group key, 48 bytes, and what that key signed. */
export type NewValidator = {
  readonly publicKey: Uint8Array;
  /** Share i + 1 at position i. */
  readonly pubShares: readonly PubShare[];
  readonly deposits: readonly DepositData[];
  readonly registration: {
    readonly message: ValidatorRegistration;
    readonly signature: Uint8Array;
  };
};

/** What validator `lockIndex` signs; `publicKey` is its 48-byte group key. */
export function preSigningOf(
  definition: ClusterDefinition,
  lockIndex: number,
  publicKey: Uint8Array,
): PreSigning {
  const forkVersion = fieldBytes(definition.fork_version);
  const registration = {
    feeRecipient: fieldBytes(validatorOf(definition, lockIndex).fee_recipient_address),
    gasLimit: targetGasLimitOf(definition),
    timestamp: BigInt(Math.floor(Date.parse(definition.timestamp) / 1000)),
    pubkey: publicKey,
  };
  return {
    deposits: depositSignings(definition, lockIndex, publicKey),
    registration: {
      message: registration,
      root: registrationSigningRoot(registration, forkVersion),
    },
  };
}

/** The deposits among what validator `lockIndex` signs. */
export function depositSignings(
  definition: ClusterDefinition,
  lockIndex: number,
  publicKey: Uint8Array,
): PreSigning["deposits"] {
  const forkVersion = fieldBytes(definition.fork_version);
  const withdrawalCredentials = withdrawalCredentialsOf(definition, lockIndex);
  return depositAmountsOf(definition).map((amount) => {
    const message = { pubkey: publicKey, withdrawalCredentials, amount };
    return { message, root: depositSigningRoot(message, forkVersion) };
  });
}

/** A lock whose hash is filled in and that nobody signed yet. */
export function unsignedLock(
  definition: ClusterDefinition,
  validators: readonly NewValidator[],
): ClusterLock {
  const lock = {
    cluster_definition: definition,
    distributed_validators: validators.map(entryOf),
    signature_aggregate: "",
    lock_hash: "",
    node_signatures: [],
  };
  return { ...lock, lock_hash: lockHash(lock) };
}

/**
 * The lock with the sum of all shares' signatures and each node's signature over its hash, in the
 * operators' order.
 */
export function signedLock(
  lock: ClusterLock,
  signatures: { readonly aggregate: Uint8Array; readonly nodes: readonly Uint8Array[] },
): ClusterLock {
  return {
    ...lock,
    signature_aggregate: toHex(signatures.aggregate),
    node_signatures: signatures.nodes.map(toHex),
  };
}

/** The 32 bytes that a validator's withdrawals go to. */
function withdrawalCredentialsOf(definition: ClusterDefinition, lockIndex: number): Uint8Array {
  const credentials = new Uint8Array(32);
  credentials[0] = WITHDRAWAL_PREFIX[isCompounding(definition) ? "compounding" : "plain"];
  credentials.set(fieldBytes(validatorOf(definition, lockIndex).withdrawal_address), 12);
  return credentials;
}

function entryOf({ publicKey, pubShares, deposits, registration }: NewValidator): ValidatorEntry {
  const { message } = registration;
  return {
    distributed_public_key: toHex(publicKey),
    public_shares: pubShares.map((pubShare) => toHex(bytesOf(pubShare))),
    builder_registration: {
      message: {
        fee_recipient: toHex(message.feeRecipient),
        gas_limit: Number(message.gasLimit),
        timestamp: Number(message.timestamp),
        pubkey: toHex(message.pubkey),
      },
      signature: toHex(registration.signature),
    },
    partial_deposit_data: deposits.map((deposit) => ({
      pubkey: toHex(deposit.pubkey),
      withdrawal_credentials: toHex(deposit.withdrawalCredentials),
      amount: deposit.amount.toString(),
      signature: toHex(deposit.signature),
    })),
  };
}

function validatorOf(definition: ClusterDefinition, lockIndex: number) {
  const validator = definition.validators[lockIndex];
  assert(validator !== undefined, "the index is one of the definition's validators");
  return validator;
}
