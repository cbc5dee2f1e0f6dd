/** One subscription to the beacon node's head events, shared by all who follow the head. */
import type { BeaconNode, HeadEvent } from "../ports/beaconNode.ts";
import { Listeners } from "../util/listeners.ts";

export class HeadFeed {
  readonly #beacon: BeaconNode;
  readonly #head = new Listeners<[HeadEvent]>();
  readonly #waiting = new Set<() => void>();

  constructor(beacon: BeaconNode) {
    this.#beacon = beacon;
  }

  start(signal: AbortSignal): void {
    this.#beacon.onHead((event) => {
      this.#head.emit(event);
      for (const wake of [...this.#waiting]) wake();
    }, signal);
  }

  onHead(handler: (event: HeadEvent) => void): void {
    this.#head.add(handler);
  }

  /** Resolves at the next head event, or when the signal aborts. */
  next(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#waiting.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal.addEventListener("abort", wake, { once: true });
    });
  }
}
