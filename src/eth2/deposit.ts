/** Deposits of validators (consensus specs, phase 0, "Deposits"): what is signed and its roots. */
import { DOMAIN_DEPOSIT } from "@lodestar/params";
import { type Root, rootOf } from "../domain/keys.ts";
import { exact } from "./exact.ts";
import { computeDomain, computeSigningRoot } from "./signing.ts";
import { ssz } from "./ssz.ts";

/** Amount in Gwei; a public key of 48 and credentials of 32 bytes. */
export type DepositMessage = {
  readonly pubkey: Uint8Array;
  readonly withdrawalCredentials: Uint8Array;
  readonly amount: bigint;
};
export type DepositData = DepositMessage & { readonly signature: Uint8Array };

const messageType = exact(ssz.phase0.DepositMessage);
const dataType = exact(ssz.phase0.DepositData);

export function depositMessageRoot(message: DepositMessage): Root {
  return rootOf(messageType.hashTreeRoot(message));
}

/** The root that the deposit contract is given beside the data. */
export function depositDataRoot(data: DepositData): Root {
  return rootOf(dataType.hashTreeRoot(data));
}

/**
 * What the validator's key signs. Deposits are valid on every fork of a chain: the domain has the
 * chain's 4-byte genesis version and a zero validators root.
 */
export function depositSigningRoot(message: DepositMessage, genesisForkVersion: Uint8Array): Root {
  const domain = computeDomain({
    domainType: DOMAIN_DEPOSIT,
    forkVersion: genesisForkVersion,
    genesisValidatorsRoot: new Uint8Array(32),
  });
  return computeSigningRoot(depositMessageRoot(message), domain);
}
