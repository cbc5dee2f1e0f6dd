/**
 * Virtual time: a queue of callbacks ordered by instant, then by the order of their arrival. After
 * each one every promise chain that it started settles before the next begins (SIM-1).
 *
 * Node drains its microtasks between two immediates of one turn, so a turn of many immediates costs
 * one pass of its event loop: a drain is as sound as a turn of its own, and several times cheaper.
 */
import type { Millis } from "../src/domain/units.ts";
import type { Timer } from "../src/ports/clock.ts";
import { assert } from "../src/util/assert.ts";

type Entry = { readonly at: Millis; readonly order: number; callback: (() => void) | null };

/** Immediates armed at once: enough to share the pass, few enough to end soon after the last. */
const DRAINS_PER_TURN = 32;

export class EventLoop {
  #now: Millis;
  #order = 0;
  #pending = 0;
  #executed = 0;
  /** A binary heap: the children of entry i are 2i + 1 and 2i + 2. */
  readonly #heap: Entry[] = [];

  constructor(now: Millis = 0) {
    this.#now = now;
  }

  get now(): Millis {
    return this.#now;
  }

  /** Callbacks that wait for their instant. */
  get pending(): number {
    return this.#pending;
  }

  /** The earliest instant that something waits for; Infinity for none. */
  get next(): Millis {
    for (let first = this.#heap[0]; first !== undefined; first = this.#heap[0]) {
      if (first.callback !== null) return first.at;
      this.#pop();
    }
    return Infinity;
  }

  /** Callbacks that have run. */
  get executed(): number {
    return this.#executed;
  }

  /** Runs `callback` at the instant `at`, or next when that has passed. */
  at(at: Millis, callback: () => void): Timer {
    const entry: Entry = { at: Math.max(at, this.#now), order: this.#order++, callback };
    this.#push(entry);
    this.#pending++;
    return {
      cancel: (): void => {
        if (entry.callback === null) return;
        entry.callback = null;
        this.#pending--;
      },
    };
  }

  /** Runs everything that is due up to and including `until`; an error of a callback ends it. */
  run(until: Millis): Promise<void> {
    return new Promise((resolve, reject) => {
      let armed = 0;
      let isDone = false;
      const finish = (settle: () => void): void => {
        isDone = true;
        settle();
      };
      const drained = (): void => {
        armed--;
        if (isDone) return;
        const entry = this.#popUntil(until);
        if (entry === null) {
          this.#now = Math.max(this.#now, until);
          finish(resolve);
          return;
        }
        try {
          this.#execute(entry);
        } catch (error) {
          finish(() => reject(error));
        }
        if (armed === 0 && !isDone) arm();
      };
      const arm = (): void => {
        armed = DRAINS_PER_TURN;
        for (let i = 0; i < DRAINS_PER_TURN; i++) setImmediate(drained);
      };
      arm();
    });
  }

  #execute({ at, callback }: Entry): void {
    assert(at >= this.#now, "time never runs backwards");
    assert(callback !== null, "a cancelled callback is never popped");
    this.#now = at;
    this.#pending--;
    this.#executed++;
    callback();
  }

  /** The earliest callback that was not cancelled, if it is due by `until`. */
  #popUntil(until: Millis): Entry | null {
    if (this.next > until) return null;
    const first = this.#heap[0];
    if (first === undefined) return null;
    this.#pop();
    const { callback } = first;
    // Cancelling a timer that fired is harmless: it finds no callback.
    first.callback = null;
    return { ...first, callback };
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push(entry);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const above = heap[parent] as Entry;
      if (!isBefore(entry, above)) break;
      heap[i] = above;
      i = parent;
    }
    heap[i] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let i = 0;
    for (;;) {
      const left = 2 * i + 1;
      if (left >= heap.length) break;
      const right = left + 1;
      const isRight = right < heap.length && isBefore(heap[right] as Entry, heap[left] as Entry);
      const child = isRight ? right : left;
      if (!isBefore(heap[child] as Entry, last)) break;
      heap[i] = heap[child] as Entry;
      i = child;
    }
    heap[i] = last;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
