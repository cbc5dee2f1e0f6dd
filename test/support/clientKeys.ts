/** What a validator client's keys sign, for tests that drive the node's validator API directly. */
import assert from "node:assert/strict";
import { sign } from "../../src/crypto/bls.ts";
import { bytesOf, type Root, type Signature } from "../../src/domain/keys.ts";
import { attestationDataRoot } from "../../src/eth2/attestationData.ts";
import { attesterDomain, computeSigningRoot } from "../../src/eth2/signing.ts";
import type { AttestationData, SubmittedAttestation } from "../../src/eth2/types.ts";
import { testChain } from "./testChain.ts";

/** The attestation of a validator, signed with any secret key. */
export function attestationBy(
  secret: Uint8Array,
  data: AttestationData,
  validatorIndex: number,
): SubmittedAttestation {
  const domain = attesterDomain(testChain(), data.target.epoch);
  const signature = signRoot(secret, computeSigningRoot(attestationDataRoot(data), domain));
  return { data, seat: { kind: "validator", validatorIndex }, signature };
}

export function signRoot(secret: Uint8Array, root: Root): Signature {
  const signature = sign(secret, bytesOf(root));
  assert(signature !== null, "the secret is a key");
  return signature;
}
