/**
 * Pseudo-random numbers from a seed: xoshiro128** (Blackman and Vigna, 2021), seeded by SHA-256 of
 * the seed and the stream's name. Each use has a stream of its own, so that one more draw in one
 * place shifts no other (SIM-2).
 */
import { sha256 } from "../src/crypto/sha256.ts";
import type { Random } from "../src/ports/random.ts";
import { assert } from "../src/util/assert.ts";

export class SeededRandom implements Random {
  readonly #name: string;
  readonly #state: Uint32Array;

  constructor(seed: string | number) {
    this.#name = String(seed);
    const digest = sha256(new TextEncoder().encode(this.#name));
    const view = new DataView(digest.buffer, digest.byteOffset);
    this.#state = Uint32Array.from([0, 4, 8, 12], (offset) => view.getUint32(offset));
    assert(
      this.#state.some((word) => word !== 0),
      "a digest is not zero",
    );
  }

  /** A stream of its own, named below this one; forking draws nothing. */
  fork(name: string | number): SeededRandom {
    return new SeededRandom(`${this.#name}/${name}`);
  }

  /** 0 … 2³² − 1. */
  next(): number {
    const s = this.#state as unknown as [number, number, number, number];
    const result = Math.imul(rotate(Math.imul(s[1], 5), 7), 9) >>> 0;
    const shifted = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate(s[3], 11);
    return result;
  }

  /** Uniform in [0, 1). */
  fraction(): number {
    return this.next() / 2 ** 32;
  }

  /** Uniform integer, both ends included. */
  integer(from: number, to: number): number {
    assert(to >= from, `${from} is at most ${to}`);
    return from + Math.floor(this.fraction() * (to - from + 1));
  }

  /** Uniform real number in [from, to). */
  between(from: number, to: number): number {
    return from + this.fraction() * (to - from);
  }

  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.integer(0, items.length - 1)];
    assert(item !== undefined, "one of some items is picked");
    return item;
  }

  /** Some `count` of the items, in their order. */
  sample<T>(items: readonly T[], count: number): readonly T[] {
    const left = [...items.keys()];
    const chosen = new Set<number>();
    while (chosen.size < Math.min(count, items.length)) {
      const [index] = left.splice(this.integer(0, left.length - 1), 1);
      if (index !== undefined) chosen.add(index);
    }
    return items.filter((_, index) => chosen.has(index));
  }

  /** Standard normal, by Box and Muller. */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.fraction()));
    return radius * Math.cos(2 * Math.PI * this.fraction());
  }

  /** Log-normal: network delays have long tails. `sigma` is the spread of the logarithm. */
  logNormal(median: number, sigma: number): number {
    return median * Math.exp(sigma * this.normal());
  }

  bytes(length: number): Uint8Array {
    const out = new Uint8Array(length);
    for (let i = 0; i < length; i += 4) {
      const word = this.next();
      for (let j = i; j < Math.min(i + 4, length); j++) out[j] = word >>> (8 * (j - i));
    }
    return out;
  }
}

function rotate(word: number, by: number): number {
  return (word << by) | (word >>> (32 - by));
}
