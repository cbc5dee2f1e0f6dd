/** Asks the beacon node once per slot whether it follows the chain. */

import type { Background } from "../core/background.ts";
import { FaultError } from "../domain/errors.ts";
import type { Millis } from "../domain/units.ts";
import type { BeaconNode, SyncStatus } from "../ports/beaconNode.ts";
import type { Clock } from "../ports/clock.ts";

const INTERVAL_MS: Millis = 6_000;

export class SyncWatch {
  readonly #beacon: BeaconNode;
  readonly #clock: Clock;
  readonly #background: Background;
  readonly #signal: AbortSignal;
  #latest: SyncStatus | null = null;

  constructor(
    ports: { readonly beacon: BeaconNode; readonly clock: Clock },
    background: Background,
    signal: AbortSignal,
  ) {
    this.#beacon = ports.beacon;
    this.#clock = ports.clock;
    this.#background = background;
    this.#signal = signal;
  }

  /** The last answer; null while the beacon node does not answer. */
  get latest(): SyncStatus | null {
    return this.#latest;
  }

  start(): void {
    this.#background.run(() => this.#watch());
  }

  async #watch(): Promise<void> {
    for (;;) {
      try {
        this.#latest = await this.#beacon.syncStatus(this.#signal);
      } catch (error) {
        if (!(error instanceof FaultError)) throw error;
        this.#latest = null;
      }
      await this.#clock.sleep(INTERVAL_MS, this.#signal);
    }
  }
}
