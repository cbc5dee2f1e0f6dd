import { createHash } from "node:crypto";
import { SecretKey } from "@chainsafe/blst";

/** Order of the BLS12-381 scalar field (IETF draft-irtf-cfrg-bls-signature, section 4.2.1). */
const CURVE_ORDER = 52435875175126190479447740508185965837690552500527637822603658699938581184513n;

/**
 * The test key of validator `index`: int(LE(sha256(LE32(index)))) mod r, as eth2.0-pm's interop
 * "mocked start" defines it. Anybody can compute it; it must never hold real stake.
 */
export function interopSecretKey(index: number): SecretKey {
  const preimage = new Uint8Array(32);
  new DataView(preimage.buffer).setUint32(0, index, true);
  const digest = createHash("sha256").update(preimage).digest().reverse();
  const scalar = BigInt(`0x${digest.toString("hex")}`) % CURVE_ORDER;
  return SecretKey.fromBytes(Buffer.from(scalar.toString(16).padStart(64, "0"), "hex"));
}
