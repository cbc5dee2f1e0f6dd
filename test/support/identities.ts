/** Identity keys of test operators: the same on every run, different per operator. */
import assert from "node:assert/strict";
import { createIdentity } from "../../src/crypto/identity.ts";
import { k1PublicKey } from "../../src/crypto/k1.ts";
import { sha256 } from "../../src/crypto/sha256.ts";
import type { PeerIndex } from "../../src/domain/keys.ts";
import type { Identity } from "../../src/ports/identity.ts";

export function secretKeyOf(operator: PeerIndex): Uint8Array {
  return sha256(new TextEncoder().encode(`test operator ${operator}`));
}

export function publicKeyOf(operator: PeerIndex): Uint8Array {
  return k1PublicKey(secretKeyOf(operator));
}

/** The identity of operator `self` in a cluster of `nodes`. */
export function testIdentity(self: PeerIndex, nodes: number): Identity {
  const operators = Array.from({ length: nodes }, (_, operator) => publicKeyOf(operator));
  const identity = createIdentity({ secretKey: secretKeyOf(self), operators });
  assert(identity !== null, "the operator is one of the cluster");
  return identity;
}
