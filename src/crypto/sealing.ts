/**
 * Sealing for one receiver: a secret between a fresh key of the sender and a fresh key of the
 * receiver (ECDH on secp256k1), HKDF-SHA-256, ChaCha20-Poly1305 (RFC 8439). A pair of fresh keys
 * seals once, so the nonce is constant; the key follows from the shared point, so that showing
 * that point opens this text and no other.
 */
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";

const KEY_BYTES = 32;
const NONCE = new Uint8Array(12);

/** `context`: what the text is for; it goes into the key and is authenticated. */
export type Seal = { readonly sharedPoint: Uint8Array; readonly context: Uint8Array };

/** `plaintext` with 16 more bytes. */
export function sealBytes(seal: Seal, plaintext: Uint8Array): Uint8Array {
  return cipherOf(seal).encrypt(plaintext);
}

/** Null when the text was not sealed so. */
export function openBytes(seal: Seal, sealed: Uint8Array): Uint8Array | null {
  try {
    return cipherOf(seal).decrypt(sealed);
  } catch (error) {
    // The library throws a plain Error for a wrong authenticator and for a text too short for one.
    if (error instanceof Error) return null;
    throw error;
  }
}

function cipherOf({ sharedPoint, context }: Seal) {
  const key = hkdf(sha256, sharedPoint, undefined, context, KEY_BYTES);
  return chacha20poly1305(key, NONCE, context);
}
