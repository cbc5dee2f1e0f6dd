/**
 * The node's secp256k1 identity as libp2p knows it. Such a peer id contains the public key itself,
 * so it is computed from the cluster lock and needs no lookup.
 */
import { privateKeyFromRaw, publicKeyFromRaw } from "@libp2p/crypto/keys";
import type { PeerId, PrivateKey } from "@libp2p/interface";
import { peerIdFromPublicKey } from "@libp2p/peer-id";
import { assert } from "../../util/assert.ts";

/** From the 32-byte scalar of the identity key file. */
export function libp2pKeyOf(secretKey: Uint8Array): PrivateKey {
  const key = privateKeyFromRaw(secretKey);
  assert(key.type === "secp256k1", "an identity key is a 32-byte secp256k1 scalar");
  return key;
}

/** From the 33-byte compressed public key of an operator's ENR. */
export function peerIdOf(publicKey: Uint8Array): PeerId {
  const key = publicKeyFromRaw(publicKey);
  assert(key.type === "secp256k1", "an operator's key is a 33-byte compressed secp256k1 point");
  return peerIdFromPublicKey(key);
}
