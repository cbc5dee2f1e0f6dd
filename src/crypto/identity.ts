/**
 * The node's identity: one secp256k1 key that is its ENR, its libp2p peer id and the signer of its
 * protocol messages and cluster files.
 */
import type { Identity } from "../ports/identity.ts";
import { equalBytes, fromHex, toHex } from "../util/bytes.ts";
import { isK1SecretKey, k1PublicKey, k1Sign, k1Verify } from "./k1.ts";

/**
 * The Identity port of the operator that owns `secretKey`, among the operators' compressed public
 * keys in lock order. Null when the key is none of theirs: a key of another cluster.
 */
export function createIdentity(input: {
  readonly secretKey: Uint8Array;
  readonly operators: readonly Uint8Array[];
}): Identity | null {
  const { secretKey, operators } = input;
  const own = k1PublicKey(secretKey);
  const self = operators.findIndex((key) => equalBytes(key, own));
  if (self < 0) return null;
  return {
    self,
    nodes: operators.length,
    sign: (digest) => k1Sign(digest, secretKey),
    verify: (author, digest, signature) => {
      const publicKey = operators[author];
      return publicKey !== undefined && k1Verify({ publicKey, digest, signature });
    },
  };
}

/**
 * The secret key in the text of an identity key file: 64 hex digits, as Charon's
 * `charon-enr-private-key` has them, white space around allowed. Null for anything else (ID-4).
 */
export function parseIdentityKey(text: string): Uint8Array | null {
  const bytes = fromHex(`0x${text.trim()}`);
  return bytes !== null && isK1SecretKey(bytes) ? bytes : null;
}

/** The text of an identity key file: 64 lower-case hex digits, no line break. */
export function formatIdentityKey(secretKey: Uint8Array): string {
  return toHex(secretKey).slice(2);
}
