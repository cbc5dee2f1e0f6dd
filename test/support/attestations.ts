/** Judges submitted attestations with blst and the spec's roots, apart from the duty's own code. */
import type { Cluster } from "../../src/cluster/cluster.ts";
import { verify } from "../../src/crypto/bls.ts";
import { bytesOf, type Root } from "../../src/domain/keys.ts";
import { attestationDataRoot } from "../../src/eth2/attestationData.ts";
import { attesterDomain, computeSigningRoot } from "../../src/eth2/signing.ts";
import type { SignedAttestation } from "../../src/eth2/types.ts";
import { FIRST_INDEX } from "./fakeBeacon.ts";
import { testChain } from "./testChain.ts";

export function computeSigningRootOf({ data }: SignedAttestation): Root {
  return computeSigningRoot(
    attestationDataRoot(data),
    attesterDomain(testChain(), data.target.epoch),
  );
}

/** Whether the attestation is signed by its validator's group key. */
export function verifySubmitted(attestation: SignedAttestation, cluster: Cluster): boolean {
  const validator = cluster.validators[attestation.validatorIndex - FIRST_INDEX];
  if (validator === undefined) return false;
  return verify({
    publicKey: bytesOf(validator.pubKey),
    message: bytesOf(computeSigningRootOf(attestation)),
    signature: attestation.signature,
  });
}
