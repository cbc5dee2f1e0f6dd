import { createHash, hash } from "node:crypto";
import type { Root } from "../domain/keys.ts";
import { concatBytes } from "../util/bytes.ts";

/** Up to here the copy of the parts costs less than a hash object of their own. */
const COPIED_BYTES = 4_096;

/** SHA-256 of the parts' concatenation, 32 bytes, computed at once on this thread. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  let bytes = 0;
  for (const part of parts) bytes += part.length;
  if (bytes <= COPIED_BYTES) return new Uint8Array(hash("sha256", concatBytes(...parts), "buffer"));
  const stream = createHash("sha256");
  for (const part of parts) stream.update(part);
  return new Uint8Array(stream.digest());
}

/** The same of few bytes as `0x` hex, with no array in between: for lines by the thousand. */
export function sha256Root(bytes: Uint8Array): Root {
  return `0x${hash("sha256", bytes, "hex")}` as Root;
}
