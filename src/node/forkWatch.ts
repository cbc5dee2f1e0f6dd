/**
 * Looks whether the beacon node has heard of forks since this node started (ETH-8): nodes run for
 * longer than it takes to schedule one, and what is signed for the fork before is worth nothing.
 */
import type { Background } from "../core/background.ts";
import { FaultError } from "../domain/errors.ts";
import type { Millis } from "../domain/units.ts";
import type { Chain } from "../eth2/chain.ts";
import { parseChainSpec } from "../eth2/chainSpec.ts";
import type { BeaconNode } from "../ports/beaconNode.ts";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";

/** Forks are scheduled weeks ahead; a beacon node may be updated in the last days before one. */
const INTERVAL_MS: Millis = 60 * 60 * 1_000;

type ForkWatchParts = {
  readonly beacon: Pick<BeaconNode, "spec">;
  readonly chain: Chain;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly background: Background;
  readonly signal: AbortSignal;
};

export class ForkWatch {
  readonly #parts: ForkWatchParts;
  #problem: string | null = null;

  constructor(parts: ForkWatchParts) {
    this.#parts = parts;
  }

  /** Why the node should be restarted; null while it need not be. */
  get problem(): string | null {
    return this.#problem;
  }

  start(): void {
    this.#parts.background.run(() => this.#watch());
  }

  async #watch(): Promise<never> {
    const { clock, logger, signal } = this.#parts;
    for (;;) {
      await clock.sleep(INTERVAL_MS, signal);
      try {
        await this.#look();
      } catch (error) {
        if (!(error instanceof FaultError)) throw error;
        logger.debug("The fork schedule is not known now.", { reason: error.message });
      }
    }
  }

  async #look(): Promise<void> {
    const { beacon, chain, clock, logger, signal } = this.#parts;
    const told = parseChainSpec(await beacon.spec(signal));
    const epoch = chain.epochOf(Math.max(0, chain.slotAt(clock.now())));
    // What this epoch's last duties and the next one's first sign may be under way already.
    const learnt = chain.learn(told, epoch + 1);
    const before = this.#problem;
    this.#problem = learnt.ok
      ? null
      : `the beacon node says that ${learnt.error}, which this node did not hear at its start: ` +
        "see that every beacon node is up to date, and restart this node";
    if (learnt.ok && learnt.value.length > 0) {
      logger.info("The beacon node has scheduled forks.", { forks: learnt.value });
    }
    if (this.#problem !== null && this.#problem !== before) {
      logger.error("The fork schedule is another one.", { reason: this.#problem });
    }
  }
}
