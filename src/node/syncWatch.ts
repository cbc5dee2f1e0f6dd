/** Asks the beacon node, twice a slot, whether it follows the chain, and at times for its forks. */
import type { Background } from "../core/background.ts";
import { FaultError } from "../domain/errors.ts";
import type { Millis } from "../domain/units.ts";
import type { Chain } from "../eth2/chain.ts";
import type { BeaconNode, SyncStatus } from "../ports/beaconNode.ts";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import { ForkWatch } from "./forkWatch.ts";

type SyncWatchParts = {
  readonly beacon: BeaconNode;
  readonly clock: Clock;
  readonly chain: Chain;
  readonly logger: Logger;
  readonly background: Background;
  readonly signal: AbortSignal;
};

export class SyncWatch {
  readonly #parts: SyncWatchParts;
  readonly #forks: ForkWatch;
  #problem: string | null = "the beacon node was not asked yet";

  constructor(parts: SyncWatchParts) {
    this.#parts = parts;
    this.#forks = new ForkWatch(parts);
  }

  /** Why no beacon node can be used now, or not for long; null while one can. */
  get problem(): string | null {
    return this.#problem ?? this.#forks.problem;
  }

  start(): void {
    this.#forks.start();
    this.#parts.background.run(
      () => this.#watch(),
      () => undefined,
    );
  }

  async #watch(): Promise<void> {
    const { beacon, clock, chain, signal } = this.#parts;
    const intervalMs: Millis = chain.spec.slotDurationMs / 2;
    for (;;) {
      try {
        this.#problem = problemOf(await beacon.syncStatus(signal));
      } catch (error) {
        if (!(error instanceof FaultError)) throw error;
        this.#problem = error.message;
      }
      await clock.sleep(intervalMs, signal);
    }
  }
}

function problemOf({ isSyncing, isElOffline }: SyncStatus): string | null {
  if (isSyncing) return "the beacon node is syncing";
  return isElOffline ? "the beacon node's execution client is offline" : null;
}
