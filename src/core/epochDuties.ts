/**
 * Knows one kind of duties an epoch at a time. A reorg that changes what they hang on resolves
 * the epoch anew; a beacon node that is away is asked again until it answers (FLOW-2).
 */
import type { DutyDefinitions } from "../domain/data.ts";
import type { Duty } from "../domain/duty.ts";
import { dutyId } from "../domain/duty.ts";
import { Cancelled, FaultError } from "../domain/errors.ts";
import type { Epoch, Millis, Slot } from "../domain/units.ts";
import type { Chain } from "../eth2/chain.ts";
import type { HeadEvent } from "../ports/beaconNode.ts";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import type { Background } from "./background.ts";
import type { DutyResolver, ResolvedDuties } from "./dutyResolver.ts";

/** Pause before duties that could not be resolved are asked for again. */
const RESOLVE_RETRY_MS: Millis = 1_000;

type EpochDutiesParts = {
  readonly chain: Chain;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly background: Background;
  readonly resolver: DutyResolver;
  readonly signal: AbortSignal;
  readonly onResolved: (epoch: Epoch) => void;
};

export class EpochDuties {
  readonly #parts: EpochDutiesParts;
  readonly #epochs = new Map<Epoch, ResolvedDuties>();
  readonly #resolving = new Set<Epoch>();

  constructor(parts: EpochDutiesParts) {
    this.#parts = parts;
  }

  definitions(duty: Duty): DutyDefinitions {
    const epoch = this.#parts.chain.epochOf(duty.slot);
    return this.#epochs.get(epoch)?.definitions.get(dutyId(duty)) ?? [];
  }

  /** Asks for the epoch's duties unless they are known. */
  resolve(epoch: Epoch): void {
    if (!this.#epochs.has(epoch)) this.#resolveAnew(epoch);
  }

  /**
   * What a beacon node in trouble said half an epoch ago need not stand for all of it: a look in
   * the slot before the epoch, in which its first randao reveal is due, one when the epoch begins,
   * and one per slot while the answer leaves a validator out.
   */
  enterSlot(slot: Slot): void {
    const epoch = this.#parts.chain.epochOf(slot);
    if (slot + 1 === this.#parts.chain.firstSlot(epoch + 1)) this.#resolveAnew(epoch + 1);
    const isDoubtful = this.#epochs.get(epoch)?.isComplete === false;
    const isFirst = slot === this.#parts.chain.firstSlot(epoch);
    if (isFirst || isDoubtful) this.#resolveAnew(epoch);
    else this.resolve(epoch);
  }

  onHead(event: HeadEvent): void {
    const { chain, resolver, logger } = this.#parts;
    const headEpoch = chain.epochOf(event.slot);
    for (const { epoch, dependentRoot } of resolver.dependencies(event, headEpoch)) {
      const known = this.#epochs.get(epoch);
      if (known === undefined || known.dependentRoot === dependentRoot) continue;
      const { types } = resolver;
      logger.debug("What duties hang on has changed: they are resolved again.", { epoch, types });
      this.#resolveAnew(epoch);
    }
  }

  /** Drops what no deadline reaches any more. */
  forget(current: Epoch): void {
    for (const epoch of this.#epochs.keys()) if (epoch + 2 < current) this.#epochs.delete(epoch);
  }

  #resolveAnew(epoch: Epoch): void {
    if (this.#resolving.has(epoch)) return;
    this.#resolving.add(epoch);
    this.#parts.background.run(
      async () => {
        try {
          await this.#resolveUntilAnswered(epoch);
        } finally {
          this.#resolving.delete(epoch);
        }
      },
      (fault) =>
        this.#parts.logger.error("Duties cannot be resolved.", { epoch, reason: fault.message }),
    );
  }

  async #resolveUntilAnswered(epoch: Epoch): Promise<void> {
    const { clock, chain, resolver, signal, logger, onResolved } = this.#parts;
    // Duties of the epoch before are still of use: blocks and attestations of its last slots.
    for (let attempt = 1; chain.epochOf(chain.slotAt(clock.now())) <= epoch + 1; attempt++) {
      try {
        this.#epochs.set(epoch, await resolver.resolve(epoch, signal));
        onResolved(epoch);
        return;
      } catch (error) {
        if (!(error instanceof FaultError && error.retryable)) throw error;
        if (attempt === 1) {
          logger.warn("Duties cannot be resolved yet; asking again.", {
            epoch,
            types: resolver.types,
            reason: error.message,
          });
        }
        await clock.sleep(RESOLVE_RETRY_MS, signal);
      }
    }
    throw new Cancelled("the epoch is over");
  }
}
