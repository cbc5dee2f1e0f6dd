/**
 * Hashing to BLS12-381 by RFC 9380, with the domain separation tag always given: the curve library
 * has its own default, which is not Ethereum's. Signing goes through blst, which hashes inside;
 * these functions let the external vectors judge the same maps on their own.
 */
import { expand_message_xmd } from "@noble/curves/abstract/hash-to-curve.js";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { sha256 } from "@noble/hashes/sha2.js";

/** The tag of Ethereum's BLS signatures (consensus specs, phase 0: proof of possession). */
export const ETHEREUM_DST = "BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";

/** Affine coordinates in Fp. */
export type G1Coordinates = { readonly x: bigint; readonly y: bigint };
/** Affine coordinates in Fp2, each as [c0, c1]. */
export type G2Coordinates = {
  readonly x: readonly [bigint, bigint];
  readonly y: readonly [bigint, bigint];
};

/** BLS12381G1_XMD:SHA-256_SSWU_RO_ */
export function hashToG1(message: Uint8Array, dst: string): G1Coordinates {
  const { x, y } = bls12_381.G1.hashToCurve(message, { DST: dst }).toAffine();
  return { x, y };
}

/** BLS12381G2_XMD:SHA-256_SSWU_RO_ */
export function hashToG2(message: Uint8Array, dst: string): G2Coordinates {
  const { x, y } = bls12_381.G2.hashToCurve(message, { DST: dst }).toAffine();
  return { x: [x.c0, x.c1], y: [y.c0, y.c1] };
}

/** expand_message_xmd with SHA-256 (RFC 9380 §5.3.1), `length` bytes. */
export function expandMessage(message: Uint8Array, dst: string, length: number): Uint8Array {
  return expand_message_xmd(message, Buffer.from(dst), length, sha256);
}
