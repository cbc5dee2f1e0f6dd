/** Malformed points that tests feed to the curve code. */
import { PublicKey, Signature } from "@chainsafe/blst";

/** The point at infinity of G2, compressed. */
export const INFINITY_SIGNATURE = compressed(96, 0xc0, 0);
/** The point at infinity of G1, compressed. */
export const INFINITY_PUBLIC_KEY = compressed(48, 0xc0, 0);

/** A point on the curve over Fp2 that is not in the subgroup G2. */
export function signatureOutsideG2(): Uint8Array {
  return firstOnCurve(96, (bytes) => Signature.fromBytes(bytes));
}

/** A point on the curve over Fp that is not in the subgroup G1. */
export function publicKeyOutsideG1(): Uint8Array {
  return firstOnCurve(48, (bytes) => PublicKey.fromBytes(bytes));
}

/** The cofactors are large, so a point with a small x-coordinate lies outside of the subgroup. */
function firstOnCurve(length: number, decode: (bytes: Uint8Array) => unknown): Uint8Array {
  for (let x = 1; x < 100; x++) {
    const bytes = compressed(length, 0x80, x);
    try {
      decode(bytes);
      return bytes;
    } catch (error) {
      if (!(error instanceof Error)) throw error;
    }
  }
  throw new Error("one of a hundred x-coordinates is on the curve");
}

function compressed(length: number, flags: number, x: number): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes[0] = flags;
  bytes[length - 1] = x;
  return bytes;
}
