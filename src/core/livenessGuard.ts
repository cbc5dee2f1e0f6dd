/**
 * The beacon node's word on who was active, where content says nothing (FOREIGN-6): before the
 * cluster has signed under a lock, whatever a validator was seen to do was done by somebody else.
 * Also tells validator clients whose activity is whose.
 */
import type { Cluster } from "../cluster/cluster.ts";
import type { RefusalReason } from "../domain/errors.ts";
import { FaultError } from "../domain/errors.ts";
import type { LockIndex } from "../domain/keys.ts";
import type { Epoch, Slot, ValidatorIndex } from "../domain/units.ts";
import type { Chain } from "../eth2/chain.ts";
import type { BeaconNode } from "../ports/beaconNode.ts";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import type { GateGuard, GuardSubject } from "../safety/guards.ts";
import type { Precursors } from "../safety/precursors.ts";
import type { SlashingStore } from "../safety/slashingStore.ts";
import type { Background } from "./background.ts";
import type { ForeignSigners } from "./foreignSigners.ts";

type GuardParts = {
  readonly cluster: Cluster;
  readonly chain: Chain;
  readonly clock: Clock;
  readonly beacon: Pick<BeaconNode, "validators" | "liveValidators">;
  readonly slashing: Pick<SlashingStore, "snapshot">;
  readonly foreign: Pick<ForeignSigners, "since" | "isSuspect">;
  readonly precursors: Pick<Precursors, "count">;
  readonly logger: Logger;
};

export class LivenessGuard implements GateGuard {
  readonly #parts: GuardParts;
  readonly #since: Slot;
  /** Active in the last whole epoch, while the cluster has signed nothing. */
  #live: ReadonlySet<LockIndex> = new Set();
  #hasSigned = false;

  constructor(parts: GuardParts) {
    this.#parts = parts;
    this.#since = parts.foreign.since;
  }

  start(background: Background, signal: AbortSignal): void {
    const { logger } = this.#parts;
    background.run(
      () => this.#watch(signal),
      ({ message }) => logger.error("Nobody looks for other signers.", { reason: message }),
    );
  }

  refusalOf({ validator, pubKey }: GuardSubject): RefusalReason | null {
    if (!this.#live.has(validator) || this.hasSigned) return null;
    return { code: "foreign_signer", detail: `${pubKey} is active already. ${STOP_IT}` };
  }

  /** In words for readiness; null while nobody else is active. */
  get problem(): string | null {
    const [first] = this.#live;
    if (first === undefined || this.hasSigned) return null;
    return `for ${this.#live.size} validators (first: ${first}), which somebody else signs for`;
  }

  /** Whether the cluster has signed anything since this node's first start under the lock. */
  get hasSigned(): boolean {
    this.#hasSigned ||= this.#parts.slashing.snapshot().some(([, { attestations, blocks }]) => {
      const epoch = this.#parts.chain.epochOf(this.#since);
      return (
        attestations.some(({ origin, target }) => MADE.has(origin) && target > epoch) ||
        blocks.some(({ origin, slot }) => MADE.has(origin) && slot > this.#since)
      );
    });
    return this.#hasSigned;
  }

  /**
   * FOREIGN-7: those of the validators whose activity is the cluster's own. Whoever looks for a
   * second signer before it starts would find the cluster otherwise, and never start.
   */
  async ownActivity(
    indices: readonly ValidatorIndex[],
    signal: AbortSignal,
  ): Promise<readonly ValidatorIndex[]> {
    if (!this.hasSigned) return [];
    const ours = await this.#indices(signal);
    return indices.filter((index) => {
      const validator = ours.get(index);
      return validator !== undefined && !this.#parts.foreign.isSuspect(validator);
    });
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { chain, clock } = this.#parts;
    while (!this.hasSigned) {
      const epoch = chain.epochOf(chain.slotAt(clock.now()));
      // Only a whole epoch after the first start is nobody's else.
      if (epoch - 1 > chain.epochOf(this.#since)) await this.#look(epoch - 1, signal);
      const next = chain.slotStart(chain.firstSlot(Math.max(0, epoch + 1)));
      await clock.sleep(Math.max(next - clock.now(), chain.spec.slotDurationMs), signal);
    }
    this.#live = new Set();
  }

  async #look(epoch: Epoch, signal: AbortSignal): Promise<void> {
    const { beacon, logger } = this.#parts;
    try {
      const ours = await this.#indices(signal);
      const live = await beacon.liveValidators(epoch, [...ours.keys()], signal);
      const found = live.flatMap((index) => ours.get(index) ?? []);
      this.#tell(
        epoch,
        found.filter((validator) => !this.#live.has(validator)),
      );
      this.#live = new Set(found);
    } catch (error) {
      if (!(error instanceof FaultError)) throw error;
      logger.warn("The beacon node does not say which validators were active.", {
        reason: error.message,
      });
    }
  }

  #tell(epoch: Epoch, found: readonly LockIndex[]): void {
    if (found.length === 0 || this.hasSigned) return;
    const { logger, precursors } = this.#parts;
    for (const _ of found) precursors.count("foreign_signer");
    logger.error("Validators are active although the cluster has not signed anything yet.", {
      epoch,
      validators: found,
      remedy: STOP_IT,
    });
  }

  /** Of the cluster's validators that the chain knows. */
  async #indices(signal: AbortSignal): Promise<ReadonlyMap<ValidatorIndex, LockIndex>> {
    const { beacon, cluster } = this.#parts;
    const keys = cluster.validators.map(({ pubKey }) => pubKey);
    const states = await beacon.validators(keys, signal);
    return new Map(
      states.flatMap(({ index, pubKey }) => {
        const validator = cluster.validator(pubKey);
        return validator === undefined ? [] : [[index, validator.lockIndex] as const];
      }),
    );
  }
}

/** Origins of what this cluster signed itself. */
const MADE: ReadonlySet<string> = new Set(["own", "combined"]);
const STOP_IT =
  "Stop whoever signs with the whole key or with t of its shares; the cluster begins by itself " +
  "once the validator was silent for a whole epoch";
