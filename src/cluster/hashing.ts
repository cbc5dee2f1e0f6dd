/**
 * The three hashes of cluster files: SSZ hash tree roots over containers that follow the version
 * (LOCK-3). Byte fields of fixed size are padded with zeros on the left, so that a missing address
 * or signature hashes as zeros.
 */
import {
  BooleanType,
  ByteListType,
  ByteVectorType,
  ContainerType,
  ListBasicType,
  ListCompositeType,
  type Type,
  UintBigintType,
} from "@chainsafe/ssz";
import { type Root, rootOf } from "../domain/keys.ts";
import {
  type ClusterDefinition,
  MAX_LIST,
  MAX_WALLET_SIGNATURES,
  versionOf,
  WALLET_SIGNATURE_BYTES,
} from "./definition.ts";
import { fieldBytes } from "./fields.ts";
import type { ClusterLock, DepositEntry, ValidatorEntry } from "./lock.ts";
import type { ClusterVersion } from "./versions.ts";

/** List limit of validators in the format, whatever our own limit is. */
const MAX_HASHED_VALIDATORS = 65_536;

const uint64 = new UintBigintType(8);
const bool = new BooleanType();
const bytes = (length: number): ByteVectorType => new ByteVectorType(length);
const text = (max: number): ByteListType => new ByteListType(max);

const address = bytes(20);
const root = bytes(32);
const pubkey = bytes(48);
const blsSignature = bytes(96);
const walletSignature = bytes(WALLET_SIGNATURE_BYTES);
const walletSignatures = new ListCompositeType(walletSignature, MAX_WALLET_SIGNATURES);

const depositFields = {
  depositPubkey: pubkey,
  withdrawalCredentials: root,
  amount: uint64,
  depositSignature: blsSignature,
};
const deposit = new ContainerType(depositFields);
const registration = new ContainerType({
  message: new ContainerType({
    feeRecipient: address,
    gasLimit: uint64,
    timestamp: uint64,
    pubkey,
  }),
  signature: blsSignature,
});

/** The root of what creator and operators approve: all but signatures and ENRs. */
export function configHash(definition: ClusterDefinition): Root {
  return hashDefinition(definition, "config");
}

/** The root of the whole definition, config hash and signatures included. */
export function definitionHash(definition: ClusterDefinition): Root {
  return hashDefinition(definition, "definition");
}

/** The root of definition and validators: what all shares and nodes sign. */
export function lockHash(lock: ClusterLock): Root {
  const definition = lock.cluster_definition;
  const version = versionOf(definition);
  const type = new ContainerType({
    definition: root,
    validators: new ListCompositeType(validatorType(version), MAX_HASHED_VALIDATORS),
  });
  return rootOf(
    type.hashTreeRoot({
      definition: fieldBytes(definitionHash(definition)),
      validators: lock.distributed_validators.map((v) => validatorValue(v, version)),
    }),
  );
}

type Scope = "config" | "definition";
type Fields = Record<string, Type<unknown>>;

function hashDefinition(definition: ClusterDefinition, scope: Scope): Root {
  const version = versionOf(definition);
  const type = new ContainerType(definitionFields(version, scope));
  return rootOf(type.hashTreeRoot(definitionValue(definition, version)));
}

function definitionFields(version: ClusterVersion, scope: Scope): Fields {
  const full = scope === "definition";
  const signature = version.multiSignatures ? walletSignatures : walletSignature;
  const approvals = { enr: text(1024), configSignature: signature, enrSignature: signature };
  const operator = new ContainerType({ address, ...(full && approvals) });
  const creator = new ContainerType({ address, ...(full && { configSignature: signature }) });
  const validator = new ContainerType({ feeRecipient: address, withdrawal: address });
  return {
    uuid: text(64),
    name: text(256),
    version: text(16),
    timestamp: text(32),
    numValidators: uint64,
    threshold: uint64,
    dkgAlgorithm: text(32),
    forkVersion: bytes(4),
    operators: new ListCompositeType(operator, MAX_LIST),
    creator,
    validators: new ListCompositeType(validator, MAX_HASHED_VALIDATORS),
    ...(version.depositAmounts && { depositAmounts: new ListBasicType(uint64, MAX_LIST) }),
    ...(version.consensusProtocol && { consensusProtocol: text(256) }),
    ...(version.validatorSettings && { targetGasLimit: uint64, compounding: bool }),
    ...(full && { configHash: root }),
  };
}

/** The values of all fields that any version has; a container takes those that it knows. */
function definitionValue(definition: ClusterDefinition, version: ClusterVersion) {
  const signature = (field: string): unknown =>
    version.multiSignatures ? split(field) : padded(field, WALLET_SIGNATURE_BYTES);
  return {
    uuid: utf8(definition.uuid),
    name: utf8(definition.name),
    version: utf8(definition.version),
    timestamp: utf8(definition.timestamp),
    numValidators: BigInt(definition.num_validators),
    threshold: BigInt(definition.threshold),
    dkgAlgorithm: utf8(definition.dkg_algorithm),
    forkVersion: padded(definition.fork_version, 4),
    operators: definition.operators.map((operator) => ({
      address: padded(operator.address, 20),
      enr: utf8(operator.enr),
      configSignature: signature(operator.config_signature),
      enrSignature: signature(operator.enr_signature),
    })),
    creator: {
      address: padded(definition.creator.address, 20),
      configSignature: signature(definition.creator.config_signature),
    },
    validators: definition.validators.map((validator) => ({
      feeRecipient: padded(validator.fee_recipient_address, 20),
      withdrawal: padded(validator.withdrawal_address, 20),
    })),
    depositAmounts: (definition.deposit_amounts ?? []).map(BigInt),
    consensusProtocol: utf8(definition.consensus_protocol ?? ""),
    targetGasLimit: BigInt(definition.target_gas_limit ?? 0),
    compounding: definition.compounding ?? false,
    configHash: padded(definition.config_hash, 32),
  };
}

function validatorType(version: ClusterVersion) {
  const fields: Fields = { pubkey, publicShares: new ListCompositeType(pubkey, MAX_LIST) };
  const deposits: Readonly<Record<ClusterVersion["deposits"], Fields>> = {
    none: {},
    // v1.6 puts the deposit's members beside the validator's own.
    inline: depositFields,
    single: { deposit },
    list: { deposits: new ListCompositeType(deposit, MAX_LIST) },
  };
  Object.assign(fields, deposits[version.deposits], version.registrations && { registration });
  return new ContainerType(fields);
}

function validatorValue(validator: ValidatorEntry, version: ClusterVersion) {
  const { deposit_data: single, builder_registration: registered } = validator;
  const ofDeposit = single && depositValue(single);
  return {
    pubkey: padded(validator.distributed_public_key, 48),
    publicShares: validator.public_shares.map((share) => padded(share, 48)),
    deposit: ofDeposit,
    ...(version.deposits === "inline" && ofDeposit),
    deposits: (validator.partial_deposit_data ?? []).map(depositValue),
    registration: registered && {
      message: {
        feeRecipient: padded(registered.message.fee_recipient, 20),
        gasLimit: BigInt(registered.message.gas_limit),
        timestamp: BigInt(registered.message.timestamp),
        pubkey: padded(registered.message.pubkey, 48),
      },
      signature: padded(registered.signature, 96),
    },
  };
}

function depositValue(entry: DepositEntry) {
  return {
    depositPubkey: padded(entry.pubkey, 48),
    withdrawalCredentials: padded(entry.withdrawal_credentials, 32),
    amount: BigInt(entry.amount),
    depositSignature: padded(entry.signature, 96),
  };
}

function padded(field: string, length: number): Uint8Array {
  const value = fieldBytes(field);
  const out = new Uint8Array(length);
  out.set(value, length - value.length);
  return out;
}

/** The single signatures of a concatenation. */
function split(field: string): readonly Uint8Array[] {
  const all = fieldBytes(field);
  return Array.from({ length: all.length / WALLET_SIGNATURE_BYTES }, (_, i) =>
    all.subarray(i * WALLET_SIGNATURE_BYTES, (i + 1) * WALLET_SIGNATURE_BYTES),
  );
}

function utf8(value: string): Uint8Array {
  return Buffer.from(value, "utf8");
}
