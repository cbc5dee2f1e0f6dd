/**
 * Bytes to points and scalars of BLS12-381 (BLS-1). Compressed encodings only: of the two that
 * blst reads, one key or signature must have exactly one form.
 */
import { PublicKey, SecretKey, Signature } from "@chainsafe/blst";
import { PUBLIC_KEY_BYTES, SIGNATURE_BYTES } from "../domain/keys.ts";

export const SECRET_KEY_BYTES = 32;
/** Of a compressed point's first byte (zcash serialization). */
const INFINITY_BIT = 0x40;

/** A secret key that signs; its scalar never leaves the curve library. */
export type SigningKey = {
  /** 48 bytes, compressed. */
  readonly publicKey: Uint8Array;
  /** The 96-byte signature of `message`. */
  sign(message: Uint8Array): Uint8Array;
};

/** A secret key from 32 big-endian bytes; null unless 0 < key < r. */
export function parseSecretKey(bytes: Uint8Array): SigningKey | null {
  if (bytes.length !== SECRET_KEY_BYTES) return null;
  const key = decode(() => SecretKey.fromBytes(bytes));
  if (key === null) return null;
  return {
    publicKey: key.toPublicKey().toBytes(),
    sign: (message) => key.sign(message).toBytes(),
  };
}

/** A public key from its 48 compressed bytes; null for infinity and for points outside G1. */
export function parsePublicKey(bytes: Uint8Array): PublicKey | null {
  if (bytes.length !== PUBLIC_KEY_BYTES) return null;
  return decode(() => PublicKey.fromBytes(bytes, true));
}

/** A signature from its 96 compressed bytes; null for infinity and for points outside G2. */
export function parseSignature(
  bytes: Uint8Array,
  infinity: "infinity refused" | "infinity allowed" = "infinity refused",
): Signature | null {
  if (bytes.length !== SIGNATURE_BYTES) return null;
  return decode(() => Signature.fromBytes(bytes, true, infinity === "infinity refused"));
}

/**
 * A point of G2's curve from 96 compressed bytes, which need not lie in G2: whoever adds points up
 * checks the sum once ({@link isInG2}). Null for infinity and for anything else.
 */
export function parseCurvePoint(bytes: Uint8Array): Signature | null {
  if (bytes.length !== SIGNATURE_BYTES || ((bytes[0] ?? 0) & INFINITY_BIT) !== 0) return null;
  return decode(() => Signature.fromBytes(bytes));
}

/** Whether a point lies in G2 and not at infinity. */
export function isInG2(point: Signature): boolean {
  return (
    decode(() => {
      point.sigValidate(true);
      return true;
    }) ?? false
  );
}

/** Runs a blst call; null when blst says that the input is no valid point or scalar. */
export function decode<T>(call: () => T): T | null {
  try {
    return call();
  } catch (error) {
    if (isBlstError(error)) return null;
    throw error;
  }
}

function isBlstError(error: unknown): boolean {
  if (!(error instanceof Error) || !("code" in error)) return false;
  return typeof error.code === "string" && error.code.startsWith("BLST_");
}
