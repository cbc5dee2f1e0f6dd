/**
 * The set of visited states, in typed arrays: three local states and the way that led here, 16
 * bytes, and an open-addressing index of 4 to 8 bytes beside them.
 */
const CHUNK = 1 << 20;
const EMPTY = -1;
const COLUMNS = 4;

export class StateTable {
  readonly #chunks: Int32Array[] = [];
  #index = new Int32Array(1 << 16).fill(EMPTY);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Adds the state and where it came from; false when it is known. */
  add(state: readonly [number, number, number], parent: number): boolean {
    if (this.#size * 2 > this.#index.length) this.#grow();
    const [a, b, c] = state;
    const mask = this.#index.length - 1;
    for (let slot = hash(a, b, c) & mask; ; slot = (slot + 1) & mask) {
      const known = this.#index[slot] ?? EMPTY;
      if (known === EMPTY) {
        this.#index[slot] = this.#size;
        break;
      }
      if (this.#at(known, 0) === a && this.#at(known, 1) === b && this.#at(known, 2) === c)
        return false;
    }
    const chunk = this.#chunkFor(this.#size);
    const offset = (this.#size % CHUNK) * COLUMNS;
    chunk[offset] = a;
    chunk[offset + 1] = b;
    chunk[offset + 2] = c;
    chunk[offset + 3] = parent;
    this.#size++;
    return true;
  }

  state(index: number): [number, number, number] {
    return [this.#at(index, 0), this.#at(index, 1), this.#at(index, 2)];
  }

  parentOf(index: number): number {
    return this.#at(index, 3);
  }

  #at(index: number, column: number): number {
    const chunk = this.#chunks[Math.floor(index / CHUNK)];
    return chunk?.[(index % CHUNK) * COLUMNS + column] ?? EMPTY;
  }

  #chunkFor(index: number): Int32Array {
    const position = Math.floor(index / CHUNK);
    const chunk = this.#chunks[position] ?? new Int32Array(CHUNK * COLUMNS);
    this.#chunks[position] = chunk;
    return chunk;
  }

  #grow(): void {
    const index = new Int32Array(this.#index.length * 2).fill(EMPTY);
    const mask = index.length - 1;
    for (let each = 0; each < this.#size; each++) {
      let slot = hash(this.#at(each, 0), this.#at(each, 1), this.#at(each, 2)) & mask;
      while (index[slot] !== EMPTY) slot = (slot + 1) & mask;
      index[slot] = each;
    }
    this.#index = index;
  }
}

function hash(a: number, b: number, c: number): number {
  let mixed = Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b) ^ Math.imul(c, 0xc2b2ae35);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d);
  mixed = Math.imul(mixed ^ (mixed >>> 12), 0x297a2d39);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}
