/**
 * Keys, roots and signatures. What serves as a map key is lower-case `0x` hex text; what only the
 * curve looks at stays bytes.
 */
import { assert } from "../util/assert.ts";
import type { Brand } from "../util/brand.ts";
import { toHex } from "../util/bytes.ts";

/** The distributed validator's group BLS public key: 48 bytes as `0x` hex. */
export type PubKey = Brand<`0x${string}`, "PubKey">;
/** The BLS public key of one key share: 48 bytes as `0x` hex. */
export type PubShare = Brand<`0x${string}`, "PubShare">;
/** A 32-byte root as `0x` hex: SSZ hash tree root, signing root, or SHA-256 of an agreed value. */
export type Root = Brand<`0x${string}`, "Root">;
/** A compressed BLS signature, 96 bytes. */
export type Signature = Uint8Array;
/** 1-based x-coordinate of a key share: the owner's {@link PeerIndex} plus one. */
export type ShareIndex = number;
/** 0-based position of an operator in the cluster lock. */
export type PeerIndex = number;
/** 0-based position of a distributed validator in the cluster lock. */
export type LockIndex = number;

export const PUBLIC_KEY_BYTES = 48;
export const SIGNATURE_BYTES = 96;
export const ROOT_BYTES = 32;

export function rootOf(bytes: Uint8Array): Root {
  assert(bytes.length === ROOT_BYTES, `a root has 32 bytes, got ${bytes.length}`);
  return toHex(bytes) as Root;
}

export function pubKeyOf(bytes: Uint8Array): PubKey {
  assert(bytes.length === PUBLIC_KEY_BYTES, `a public key has 48 bytes, got ${bytes.length}`);
  return toHex(bytes) as PubKey;
}

export function pubShareOf(bytes: Uint8Array): PubShare {
  assert(bytes.length === PUBLIC_KEY_BYTES, `a public share has 48 bytes, got ${bytes.length}`);
  return toHex(bytes) as PubShare;
}

/** Bytes of a root, public key or public share. */
export function bytesOf(text: Root | PubKey | PubShare): Uint8Array {
  // The brand stands for digits alone, so that nobody has to look at each of them again.
  const bytes = Buffer.from(text.slice(2), "hex");
  assert(2 * bytes.length === text.length - 2, "a branded hex text is always well formed");
  return new Uint8Array(bytes);
}

export function shareIndexOf(peer: PeerIndex): ShareIndex {
  return peer + 1;
}

export function peerIndexOf(share: ShareIndex): PeerIndex {
  return share - 1;
}
