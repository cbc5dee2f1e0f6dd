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

/** Fewer would leave committees without a plain aggregator. */
const MIN_PLAIN_VALIDATORS = 64;

/** Keys of the validators that keep a chain alive, by index; throws when they are too few. */
export function plainKeys(count: number): ReadonlyMap<number, SecretKey> {
  if (count < MIN_PLAIN_VALIDATORS) {
    throw new RangeError(`at least ${MIN_PLAIN_VALIDATORS} plain validators are needed`);
  }
  return new Map(Array.from({ length: count }, (_, index) => [index, interopSecretKey(index)]));
}
