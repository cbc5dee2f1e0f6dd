/** The decided value of each duty, until its deadline. */
import type { UnsignedData } from "../domain/data.ts";
import type { Duty, DutyId } from "../domain/duty.ts";
import { dutyId } from "../domain/duty.ts";
import { assert } from "../util/assert.ts";
import { Listeners } from "../util/listeners.ts";
import type { Deadlines } from "./deadlines.ts";
import type { DutyStore } from "./interfaces.ts";

export class DecidedDutyStore implements DutyStore {
  readonly #decided = new Map<DutyId, UnsignedData>();
  readonly #waiting = new Map<DutyId, Set<(data: UnsignedData) => void>>();
  readonly #stored = new Listeners<[UnsignedData]>();

  constructor(deadlines: Deadlines) {
    deadlines.onExpired((duty) => {
      this.#decided.delete(dutyId(duty));
      this.#waiting.delete(dutyId(duty));
    });
  }

  onStored(handler: (data: UnsignedData) => void): void {
    this.#stored.add(handler);
  }

  store(data: UnsignedData): void {
    const id = dutyId(data.duty);
    const known = this.#decided.get(id);
    // FLOW-1: consensus decides once; a second value would mean that agreement itself is broken.
    assert(known === undefined || known.root === data.root, "one duty decided two values");
    if (known !== undefined) return;
    this.#decided.set(id, data);
    for (const resolve of this.#waiting.get(id) ?? []) resolve(data);
    this.#waiting.delete(id);
    this.#stored.emit(data);
  }

  awaitData(duty: Duty, signal: AbortSignal): Promise<UnsignedData> {
    const known = this.#decided.get(dutyId(duty));
    if (known !== undefined) return Promise.resolve(known);
    if (signal.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const waiting = this.#waiting.get(dutyId(duty)) ?? new Set();
      const onAbort = (): void => {
        waiting.delete(onData);
        reject(signal.reason);
      };
      const onData = (data: UnsignedData): void => {
        signal.removeEventListener("abort", onAbort);
        resolve(data);
      };
      this.#waiting.set(dutyId(duty), waiting.add(onData));
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }
}
