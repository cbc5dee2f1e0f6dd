/**
 * What differs between versions of the cluster files (Obol's format): a version is a row, and no
 * other file of this ring compares versions (LOCK-1).
 */

/** How the validators of a lock carry their deposits. */
export type DepositLayout = "none" | "inline" | "single" | "list";

export type ClusterVersion = {
  readonly depositAmounts: boolean;
  readonly consensusProtocol: boolean;
  /** `target_gas_limit` and `compounding`. */
  readonly validatorSettings: boolean;
  /** Wallet signatures may be several, one after the other, as a Safe's owners make them. */
  readonly multiSignatures: boolean;
  readonly deposits: DepositLayout;
  readonly registrations: boolean;
  readonly nodeSignatures: boolean;
};

const v5: ClusterVersion = {
  depositAmounts: false,
  consensusProtocol: false,
  validatorSettings: false,
  multiSignatures: false,
  deposits: "none",
  registrations: false,
  nodeSignatures: false,
};
const v6: ClusterVersion = { ...v5, deposits: "inline" };
const v7: ClusterVersion = {
  ...v6,
  deposits: "single",
  registrations: true,
  nodeSignatures: true,
};
const v8: ClusterVersion = { ...v7, depositAmounts: true, deposits: "list" };
const v9: ClusterVersion = { ...v8, consensusProtocol: true };
const v10: ClusterVersion = { ...v9, validatorSettings: true };
const v11: ClusterVersion = { ...v10, multiSignatures: true };

const VERSIONS: Readonly<Record<string, ClusterVersion>> = {
  "v1.5.0": v5,
  "v1.6.0": v6,
  "v1.7.0": v7,
  "v1.8.0": v8,
  "v1.9.0": v9,
  "v1.10.0": v10,
  "v1.11.0": v11,
};

/** The version in which new files are written. */
export const WRITTEN_VERSION = "v1.10.0";

/** The row of a version that can be read, or undefined. */
export function clusterVersion(name: string): ClusterVersion | undefined {
  return Object.hasOwn(VERSIONS, name) ? VERSIONS[name] : undefined;
}

/** For messages: the versions that can be read. */
export const READABLE_VERSIONS: string = Object.keys(VERSIONS).join(", ");
