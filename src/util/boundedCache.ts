/**
 * A cache of values that can be computed again: at its bound the oldest entry makes room, so that
 * no caller and no peer can grow it.
 */
import { assert } from "./assert.ts";

export class BoundedCache<K, V> {
  private readonly entries = new Map<K, V>();
  private readonly max: number;

  constructor(max: number) {
    assert(max > 0, `a cache holds at least one entry, got ${max}`);
    this.max = max;
  }

  get size(): number {
    return this.entries.size;
  }

  get(key: K): V | undefined {
    return this.entries.get(key);
  }

  /** Oldest first. */
  values(): readonly V[] {
    return [...this.entries.values()];
  }

  set(key: K, value: V): void {
    if (this.entries.size >= this.max && !this.entries.has(key)) {
      for (const oldest of this.entries.keys()) {
        this.entries.delete(oldest);
        break;
      }
    }
    this.entries.set(key, value);
  }
}
