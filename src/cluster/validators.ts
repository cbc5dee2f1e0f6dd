/** What the validators of a lock claim: keys that hang together, and signatures by them. */
import { interpolatePublicKey } from "../crypto/threshold.ts";
import { PUBLIC_KEY_BYTES, type PubShare, pubShareOf } from "../domain/keys.ts";
import { depositSigningRoot } from "../eth2/deposit.ts";
import { registrationSigningRoot } from "../eth2/registration.ts";
import { isCompounding, versionOf } from "./definition.ts";
import { below, type ClusterFault } from "./fault.ts";
import { fieldBytes, sameBytes } from "./fields.ts";
import type { ClusterLock, DepositEntry, RegistrationEntry, ValidatorEntry } from "./lock.ts";

/** A BLS signature that the lock holds, with the field that it stands in. */
export type SignatureClaim = {
  readonly path: string;
  readonly publicKey: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
};

type Position = {
  readonly index: number;
  readonly path: string;
  readonly validator: ValidatorEntry;
};

/** Faults of keys, and of deposits and registrations that are somebody else's (LOCK-6). */
export function keyFaults(lock: ClusterLock): readonly ClusterFault[] {
  const { num_validators: expected } = lock.cluster_definition;
  const count = lock.distributed_validators.length;
  const faults: ClusterFault[] = [];
  if (count !== expected) {
    const reason = `has ${count} entries for num_validators ${expected}`;
    faults.push({ path: "distributed_validators", reason });
  }
  const seen = new Map<string, string>();
  for (const position of positions(lock)) {
    faults.push(...repeatedKeys(position, seen));
    faults.push(...below(position.path, shareFaults(position.validator, lock)));
    faults.push(...below(position.path, ownershipFaults(position, lock)));
  }
  return faults;
}

/** The signatures of all deposits and registrations. */
export function signatureClaims(lock: ClusterLock): readonly SignatureClaim[] {
  const forkVersion = fieldBytes(lock.cluster_definition.fork_version);
  if (forkVersion.length !== 4) return [];
  return positions(lock).flatMap(({ path, validator }) => [
    ...depositsOf(validator).map(([field, deposit]) =>
      depositClaim(`${path}.${field}.signature`, deposit, forkVersion),
    ),
    ...registrationsOf(validator, lock).map((registration) =>
      registrationClaim(`${path}.builder_registration.signature`, registration, forkVersion),
    ),
  ]);
}

function positions(lock: ClusterLock): readonly Position[] {
  return lock.distributed_validators.map((validator, index) => ({
    index,
    path: `distributed_validators[${index}]`,
    validator,
  }));
}

/** No key appears twice in a lock: two validators with one share would sign for each other. */
function repeatedKeys(position: Position, seen: Map<string, string>): readonly ClusterFault[] {
  const faults: ClusterFault[] = [];
  const { path, validator } = position;
  const keys: [string, string][] = [
    [`${path}.distributed_public_key`, validator.distributed_public_key],
    ...validator.public_shares.map((key, i): [string, string] => [
      `${path}.public_shares[${i}]`,
      key,
    ]),
  ];
  for (const [field, key] of keys) {
    const other = seen.get(key.toLowerCase());
    if (other !== undefined) faults.push({ path: field, reason: `is the same key as ${other}` });
    seen.set(key.toLowerCase(), field);
  }
  return faults;
}

function shareFaults(validator: ValidatorEntry, lock: ClusterLock): readonly ClusterFault[] {
  const { operators, threshold } = lock.cluster_definition;
  const count = validator.public_shares.length;
  if (count !== operators.length) {
    const reason = `has ${count} entries for ${operators.length} operators`;
    return [{ path: "public_shares", reason }];
  }
  if (threshold > count) return [];
  const pubShares: PubShare[] = [];
  for (const [i, text] of validator.public_shares.entries()) {
    const bytes = fieldBytes(text);
    if (bytes.length !== PUBLIC_KEY_BYTES) {
      return [{ path: `public_shares[${i}]`, reason: `has ${bytes.length} bytes instead of 48` }];
    }
    pubShares.push(pubShareOf(bytes));
  }
  const group = interpolatePublicKey(pubShares, threshold);
  if (!group.ok) {
    const { position, reason } = group.error;
    return [{ path: position === null ? "public_shares" : `public_shares[${position}]`, reason }];
  }
  if (sameBytes(group.value, validator.distributed_public_key)) return [];
  const reason = `is not the key ${group.value} that the public shares make`;
  return [{ path: "distributed_public_key", reason }];
}

/** Deposits and registrations are for this validator, its withdrawal and its fee address. */
function ownershipFaults(position: Position, lock: ClusterLock): readonly ClusterFault[] {
  const { validator, index } = position;
  const agreed = lock.cluster_definition.validators[index];
  const faults: ClusterFault[] = [];
  const expect = (path: string, actual: string, expected: string): void => {
    if (sameBytes(actual, expected)) return;
    faults.push({ path, reason: `is ${actual}, the cluster agreed on ${expected}` });
  };
  for (const [field, deposit] of depositsOf(validator)) {
    expect(`${field}.pubkey`, deposit.pubkey, validator.distributed_public_key);
    // Both types end in the address (LOCK-10).
    const withdrawal = `0x${deposit.withdrawal_credentials.slice(-40)}`;
    const path = `${field}.withdrawal_credentials`;
    const type = isCompounding(lock.cluster_definition) ? "0x02" : "0x01";
    if (!deposit.withdrawal_credentials.startsWith(`${type}${"0".repeat(22)}`)) {
      faults.push({ path, reason: `are not of type ${type}` });
    }
    if (agreed !== undefined) expect(path, withdrawal, agreed.withdrawal_address);
  }
  for (const { message } of registrationsOf(validator, lock)) {
    const path = "builder_registration.message";
    expect(`${path}.pubkey`, message.pubkey, validator.distributed_public_key);
    if (agreed === undefined) continue;
    expect(`${path}.fee_recipient`, message.fee_recipient, agreed.fee_recipient_address);
  }
  return faults;
}

/** A validator's deposits with their fields; v1.6 files may hold an empty one. */
function depositsOf(validator: ValidatorEntry): readonly (readonly [string, DepositEntry])[] {
  const { deposit_data: single, partial_deposit_data: list } = validator;
  const deposits: [string, DepositEntry][] = (list ?? []).map((deposit, i) => [
    `partial_deposit_data[${i}]`,
    deposit,
  ]);
  if (single !== undefined && (single.pubkey !== "" || single.signature !== "")) {
    deposits.push(["deposit_data", single]);
  }
  return deposits;
}

function registrationsOf(
  validator: ValidatorEntry,
  lock: ClusterLock,
): readonly RegistrationEntry[] {
  const { registrations } = versionOf(lock.cluster_definition);
  const registration = validator.builder_registration;
  return registrations && registration !== undefined ? [registration] : [];
}

function depositClaim(
  path: string,
  deposit: DepositEntry,
  forkVersion: Uint8Array,
): SignatureClaim {
  const message = {
    pubkey: fieldBytes(deposit.pubkey),
    withdrawalCredentials: fieldBytes(deposit.withdrawal_credentials),
    amount: BigInt(deposit.amount),
  };
  return {
    path,
    publicKey: message.pubkey,
    message: fieldBytes(depositSigningRoot(message, forkVersion)),
    signature: fieldBytes(deposit.signature),
  };
}

function registrationClaim(
  path: string,
  registration: RegistrationEntry,
  forkVersion: Uint8Array,
): SignatureClaim {
  const { message } = registration;
  const value = {
    feeRecipient: fieldBytes(message.fee_recipient),
    gasLimit: BigInt(message.gas_limit),
    timestamp: BigInt(message.timestamp),
    pubkey: fieldBytes(message.pubkey),
  };
  return {
    path,
    publicKey: value.pubkey,
    message: fieldBytes(registrationSigningRoot(value, forkVersion)),
    signature: fieldBytes(registration.signature),
  };
}
