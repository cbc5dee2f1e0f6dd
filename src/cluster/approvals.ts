/** Wallet signatures of a definition: the creator's and each operator's (LOCK-5). */
import { addressOf, k1Recover } from "../crypto/k1.ts";
import { equalBytes } from "../util/bytes.ts";
import { type ClusterDefinition, WALLET_SIGNATURE_BYTES } from "./definition.ts";
import { type Approval, approvalDigest } from "./eip712.ts";
import type { ClusterFault } from "./fault.ts";
import { fieldBytes } from "./fields.ts";
import { networkOf } from "./networks.ts";

type Claim = {
  readonly path: string;
  readonly approval: Approval;
  readonly value: string;
  readonly address: string;
  readonly signature: string;
};

/** An approval that its address did not make with a key: a contract's, or a forgery. */
export type ContractClaim = {
  readonly path: string;
  /** 20 bytes as 0x hex. */
  readonly address: string;
  /** What was signed, 32 bytes. */
  readonly digest: Uint8Array;
  readonly signature: Uint8Array;
};

const HINT = "if the address is a contract wallet (a Safe), name it as one";

/**
 * The approvals that only an execution client can judge (ERC-1271), with the chain that it must be
 * on. None on a private chain, where no approval is valid (DEF-6).
 */
export function contractClaims(definition: ClusterDefinition): {
  readonly chainId: number;
  readonly claims: readonly ContractClaim[];
} {
  const chainId = networkOf(definition.fork_version)?.chainId;
  if (chainId === undefined) return { chainId: 0, claims: [] };
  const claims = claimsOf(definition)
    .filter((claim) => claim.signature !== "" && claimFault(claim, chainId) !== null)
    .map(({ path, approval, value, address, signature }) => ({
      path,
      address,
      digest: approvalDigest(approval, value, chainId),
      signature: fieldBytes(signature),
    }));
  return { chainId, claims };
}

/**
 * Faults of the approvals. Either every operator signed, and then the creator did, or none: a
 * cluster whose keys one person dealt has no operators' addresses, and its creator may have signed.
 * Addresses in `contractWallets` (lower case) are taken for contracts, whose signatures only an
 * execution client can judge: theirs are not looked at.
 */
export function approvalFaults(
  definition: ClusterDefinition,
  contractWallets: ReadonlySet<string>,
): readonly ClusterFault[] {
  const claims = claimsOf(definition);
  if (claims.length === 0) return [];
  const network = networkOf(definition.fork_version);
  if (network === undefined) {
    const reason = "is of no known network, so the wallet signatures cannot be verified";
    return [{ path: "fork_version", reason }];
  }
  return claims.flatMap((claim) => {
    const isContract = contractWallets.has(claim.address.toLowerCase());
    if (isContract && claim.signature !== "") return [];
    const reason = claimFault(claim, network.chainId);
    return reason === null ? [] : [{ path: claim.path, reason }];
  });
}

function claimsOf(definition: ClusterDefinition): readonly Claim[] {
  const { creator, operators } = definition;
  const operatorsSigned = operators.some(hasApproved);
  const creatorSigned = creator.address !== "" || creator.config_signature !== "";
  if (!operatorsSigned && !creatorSigned) return [];
  const ofCreator: Claim = {
    path: "creator.config_signature",
    approval: "creatorConfig",
    value: definition.config_hash.toLowerCase(),
    address: creator.address,
    signature: creator.config_signature,
  };
  return [ofCreator, ...(operatorsSigned ? operatorClaims(definition) : [])];
}

function hasApproved(operator: ClusterDefinition["operators"][number]): boolean {
  return (
    operator.address !== "" || operator.config_signature !== "" || operator.enr_signature !== ""
  );
}

function operatorClaims(definition: ClusterDefinition): readonly Claim[] {
  return definition.operators.flatMap((operator, i): Claim[] => [
    {
      path: `operators[${i}].config_signature`,
      approval: "operatorConfig",
      value: definition.config_hash.toLowerCase(),
      address: operator.address,
      signature: operator.config_signature,
    },
    {
      path: `operators[${i}].enr_signature`,
      approval: "operatorEnr",
      value: operator.enr,
      address: operator.address,
      signature: operator.enr_signature,
    },
  ]);
}

function claimFault(claim: Claim, chainId: number): string | null {
  const signature = fieldBytes(claim.signature);
  if (signature.length === 0) return "is missing, while others have signed";
  if (signature.length > WALLET_SIGNATURE_BYTES) return `holds several signatures; ${HINT}`;
  const digest = approvalDigest(claim.approval, claim.value, chainId);
  const signer = k1Recover(digest, signature);
  if (signer !== null && equalBytes(addressOf(signer), fieldBytes(claim.address))) return null;
  return `was not made by the key of ${claim.address || "an address"}; ${HINT}`;
}
