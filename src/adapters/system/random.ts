import { randomBytes } from "node:crypto";
import type { Random } from "../../ports/random.ts";

/** Bytes of the operating system's generator. */
export const systemRandom: Random = {
  bytes: (length) => new Uint8Array(randomBytes(length)),
};
