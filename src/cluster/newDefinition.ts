/** A new definition in the version that this program writes, its hashes filled in. */
import { type ClusterDefinition, versionOf } from "./definition.ts";
import { configHash, definitionHash } from "./hashing.ts";
import { WRITTEN_VERSION } from "./versions.ts";

export type NewDefinition = {
  readonly name: string;
  /** Of the operators, in their order. */
  readonly enrs: readonly string[];
  readonly threshold: number;
  /** Genesis fork version of the chain, 4 bytes as 0x hex. */
  readonly forkVersion: `0x${string}`;
  /** One entry per validator; 20-byte addresses as 0x hex. */
  readonly validators: readonly {
    readonly feeRecipient: string;
    readonly withdrawalAddress: string;
  }[];
  /** RFC 3339. */
  readonly createdAt: string;
  readonly uuid: string;
  /** Gwei of each deposit of a validator. */
  readonly depositAmounts: readonly bigint[];
  readonly targetGasLimit: number;
  /** Withdrawal credentials 0x02 (EIP-7251) instead of 0x01. */
  readonly isCompounding: boolean;
};

/** The target of the execution layer's clients in 2026. */
export const DEFAULT_GAS_LIMIT = 60_000_000;

/** Gas limits that a block can have: the least of the execution layer, and far beyond today's. */
export const GAS_LIMITS = { min: 5_000, max: 999_999_999 };

/** Without wallet signatures, which Obol's format allows where no operator has one. */
export function newDefinition(input: NewDefinition): ClusterDefinition {
  const definition = {
    name: input.name,
    creator: { address: "", config_signature: "" },
    operators: input.enrs.map((enr) => ({
      address: "",
      enr,
      config_signature: "",
      enr_signature: "",
    })),
    uuid: input.uuid,
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
    deposit_amounts: input.depositAmounts.map(String),
    consensus_protocol: "",
    target_gas_limit: input.targetGasLimit,
    compounding: input.isCompounding,
    config_hash: "",
    definition_hash: "",
  };
  const configured = { ...definition, config_hash: configHash(definition) };
  return { ...configured, definition_hash: definitionHash(configured) };
}

/** Target gas limit of a definition's registrations; versions without one have the default. */
export function targetGasLimitOf(definition: ClusterDefinition): bigint {
  const limit = BigInt(definition.target_gas_limit ?? 0);
  return versionOf(definition).validatorSettings && limit > 0n ? limit : BigInt(DEFAULT_GAS_LIMIT);
}
