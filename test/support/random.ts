/** A Random whose bytes follow from its seed: SHA-256 of seed and counter. Tests only. */
import { createHash } from "node:crypto";
import type { Random } from "../../src/ports/random.ts";

export function seededRandom(seed: string | number): Random {
  let counter = 0;
  return {
    bytes(length) {
      const blocks: Buffer[] = [];
      while (blocks.length * 32 < length) {
        blocks.push(createHash("sha256").update(`${seed}/${counter++}`).digest());
      }
      return new Uint8Array(Buffer.concat(blocks).subarray(0, length));
    },
  };
}
