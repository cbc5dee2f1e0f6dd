/**
 * A hash as words to read aloud over the phone (DEF-4): six of BIP-39's English list are 66 bits,
 * which nobody hits by trying definitions.
 */
import { wordlist } from "@scure/bip39/wordlists/english.js";
import { bytesOf, type Root } from "../domain/keys.ts";

const WORDS = 6;
/** 2,048 words. */
const BITS_PER_WORD = 11n;

/** The first 66 bits of a root, e.g. `otter-piano-lemon-useful-arrow-city`. */
export function fingerprintOf(root: Root): string {
  const bits = BigInt(`0x${Buffer.from(bytesOf(root)).toString("hex")}`);
  const shift = 256n - BITS_PER_WORD;
  return Array.from({ length: WORDS }, (_, i) => {
    const index = (bits >> (shift - BITS_PER_WORD * BigInt(i))) & ((1n << BITS_PER_WORD) - 1n);
    return wordlist[Number(index)] ?? "";
  }).join("-");
}

/** Whether an operator typed these words, whatever stands between them. */
export function isFingerprint(typed: string, root: Root): boolean {
  return (
    typed
      .toLowerCase()
      .split(/[\s,-]+/)
      .filter(Boolean)
      .join("-") === fingerprintOf(root)
  );
}
