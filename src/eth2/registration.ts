/** Validator registrations with block builders (builder specs, "Bellatrix -- Builder Specs"). */
import { DOMAIN_APPLICATION_BUILDER } from "@lodestar/params";
import { type Root, rootOf } from "../domain/keys.ts";
import { exact } from "./exact.ts";
import { computeDomain, computeSigningRoot } from "./signing.ts";
import { ssz } from "./ssz.ts";

/** Fee recipient of 20 bytes, public key of 48, time in Unix seconds. */
export type ValidatorRegistration = {
  readonly feeRecipient: Uint8Array;
  readonly gasLimit: bigint;
  readonly timestamp: bigint;
  readonly pubkey: Uint8Array;
};

const messageType = exact(ssz.bellatrix.ValidatorRegistrationV1);

/** What the validator's key signs: bound to the chain's genesis version, on every fork. */
export function registrationSigningRoot(
  message: ValidatorRegistration,
  genesisForkVersion: Uint8Array,
): Root {
  const domain = computeDomain({
    domainType: DOMAIN_APPLICATION_BUILDER,
    forkVersion: genesisForkVersion,
    genesisValidatorsRoot: new Uint8Array(32),
  });
  return computeSigningRoot(rootOf(messageType.hashTreeRoot(message)), domain);
}
