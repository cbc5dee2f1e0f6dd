import type { PeerIndex } from "../domain/keys.ts";

/** A 65-byte recoverable secp256k1 signature: R ‖ S ‖ V with V of 0 or 1. */
export type IdentitySignature = Uint8Array;

/**
 * This node's secp256k1 identity (its ENR key) and the identities of its cluster's operators.
 * Digests are 32 bytes and signed as they are.
 */
export interface Identity {
  readonly self: PeerIndex;
  readonly nodes: number;
  sign(digest: Uint8Array): IdentitySignature;
  /** Whether operator `author` signed `digest`; false for any malformed input. */
  verify(author: PeerIndex, digest: Uint8Array, signature: IdentitySignature): boolean;
}
