import { createHash } from "node:crypto";
import { type Root, rootOf } from "../domain/keys.ts";

/** SHA-256 of the parts' concatenation, 32 bytes, computed at once on this thread. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
}

/** The root under which consensus names an agreed value: SHA-256 of its exact bytes. */
export function valueRoot(value: Uint8Array): Root {
  return rootOf(sha256(value));
}
