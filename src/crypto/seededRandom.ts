/**
 * Unpredictable bytes that can be had again: everything secret of a ceremony follows from one seed,
 * so that a node which restarts says the same as before, to the byte.
 */
import { createHmac } from "node:crypto";
import type { Random } from "../ports/random.ts";
import { concatBytes, uint64be } from "../util/bytes.ts";

/** HMAC-SHA-384 in counter mode (NIST SP 800-108); streams of different labels are independent. */
export function seededRandom(seed: Uint8Array, label: Uint8Array): Random {
  let counter = 0;
  return {
    bytes(length) {
      const blocks: Uint8Array[] = [];
      for (let made = 0; made < length; made += blocks.at(-1)?.length ?? 0) {
        const mac = createHmac("sha384", seed).update(uint64be(counter)).update(label);
        blocks.push(mac.digest());
        counter++;
      }
      return concatBytes(...blocks).slice(0, length);
    },
  };
}
