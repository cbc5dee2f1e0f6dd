/**
 * Resolves who of the cluster has which duty, an epoch at a time, and fires each duty once: when
 * its slot's head arrives or when it is due, whichever comes first. A reorg that changes the
 * shuffling resolves the epoch anew; a beacon node that is away is asked again until it answers
 * (FLOW-2, FLOW-3).
 */
import type { AttesterDefinition, DutyDefinitions } from "../domain/data.ts";
import type { Duty } from "../domain/duty.ts";
import { DUTY_TYPES, dutyId } from "../domain/duty.ts";
import { Cancelled, FaultError } from "../domain/errors.ts";
import type { LockIndex, PubKey, Root } from "../domain/keys.ts";
import type { Epoch, Millis, Slot, ValidatorIndex } from "../domain/units.ts";
import type { DutyKind } from "../duties/kind.ts";
import type { Chain } from "../eth2/chain.ts";
import type { BeaconNode, HeadEvent } from "../ports/beaconNode.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import { Listeners } from "../util/listeners.ts";
import type { Background } from "./background.ts";
import type { HeadFeed } from "./headFeed.ts";
import type { Scheduler } from "./interfaces.ts";

/** Pause before duties that could not be resolved are asked for again. */
const RESOLVE_RETRY_MS: Millis = 1_000;
/** Part of an epoch after which the next one's duties are asked for: half. */
const LOOK_AHEAD_FRACTION = 0.5;

type SchedulerParts = {
  readonly chain: Chain;
  readonly beacon: BeaconNode;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly background: Background;
  readonly kindOf: (duty: Duty) => DutyKind;
  /** The cluster's validators, by group public key. */
  readonly validators: ReadonlyMap<PubKey, LockIndex>;
  readonly heads: HeadFeed;
  readonly signal: AbortSignal;
};
type ResolvedEpoch = {
  readonly dependentRoot: Root;
  readonly bySlot: ReadonlyMap<Slot, DutyDefinitions>;
};

export class DutyScheduler implements Scheduler {
  readonly #parts: SchedulerParts;
  readonly #duty = new Listeners<[Duty, DutyDefinitions]>();
  readonly #epochs = new Map<Epoch, ResolvedEpoch>();
  readonly #resolving = new Set<Epoch>();
  readonly #fired = new Map<string, Slot>();
  #timers: readonly Timer[] = [];

  constructor(parts: SchedulerParts) {
    this.#parts = parts;
  }

  onDuty(handler: (duty: Duty, definitions: DutyDefinitions) => void): void {
    this.#duty.add(handler);
  }

  definitions(duty: Duty): DutyDefinitions {
    const epoch = this.#parts.chain.epochOf(duty.slot);
    return this.#epochs.get(epoch)?.bySlot.get(duty.slot) ?? [];
  }

  start(): void {
    const { chain, clock, heads, signal } = this.#parts;
    heads.onHead((event) => this.#onHead(event));
    signal.addEventListener("abort", () => this.#cancelTimers(), { once: true });
    const first = Math.max(0, chain.slotAt(clock.now()));
    this.#resolve(chain.epochOf(first));
    this.#enterSlot(first);
  }

  /** Arms the due times of `slot` and the start of the next one. */
  #enterSlot(slot: Slot): void {
    const { chain, clock, signal } = this.#parts;
    if (signal.aborted) return;
    const epoch = chain.epochOf(slot);
    this.#resolve(epoch);
    const progress = (slot - chain.firstSlot(epoch) + 1) / chain.spec.slotsPerEpoch;
    if (progress >= LOOK_AHEAD_FRACTION) this.#resolve(epoch + 1);
    this.#forget(epoch);
    this.#cancelTimers();
    const dues = DUTY_TYPES.map((type) => {
      const duty = { slot, type };
      return clock.at(this.#parts.kindOf(duty).dueAt(chain, slot), () => this.#fire(duty));
    });
    // A clock that jumped ahead skips slots: their duties are past and must not run.
    const next = clock.at(chain.slotStart(slot + 1), () =>
      this.#enterSlot(Math.max(slot + 1, chain.slotAt(clock.now()))),
    );
    this.#timers = [...dues, next];
  }

  #cancelTimers(): void {
    for (const timer of this.#timers) timer.cancel();
  }

  #fire(duty: Duty): void {
    const definitions = this.definitions(duty);
    if (definitions.length === 0 || this.#fired.has(dutyId(duty))) return;
    this.#fired.set(dutyId(duty), duty.slot);
    this.#duty.emit(duty, definitions);
  }

  #onHead(event: HeadEvent): void {
    const { chain, clock } = this.#parts;
    const now = chain.slotAt(clock.now());
    if (event.slot === now) for (const type of DUTY_TYPES) this.#fire({ slot: event.slot, type });
    const epoch = chain.epochOf(event.slot);
    this.#recheck(epoch, event.previousDutyDependentRoot);
    this.#recheck(epoch + 1, event.currentDutyDependentRoot);
  }

  /** A reorg that changed the root an epoch's shuffling hangs on makes its duties stale. */
  #recheck(epoch: Epoch, dependentRoot: Root): void {
    const known = this.#epochs.get(epoch);
    if (known === undefined || known.dependentRoot === dependentRoot) return;
    this.#parts.logger.info("Duties changed by a reorg and are resolved again.", { epoch });
    this.#resolveAnew(epoch);
  }

  #resolve(epoch: Epoch): void {
    if (!this.#epochs.has(epoch)) this.#resolveAnew(epoch);
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
    const { clock, chain, signal, logger } = this.#parts;
    for (let attempt = 1; chain.epochOf(chain.slotAt(clock.now())) <= epoch; attempt++) {
      try {
        const resolved = await this.#resolveOnce(epoch);
        this.#epochs.set(epoch, resolved);
        this.#fireOverdue(epoch);
        return;
      } catch (error) {
        if (!(error instanceof FaultError && error.retryable)) throw error;
        if (attempt === 1) {
          logger.warn("Duties cannot be resolved yet; asking again.", {
            epoch,
            reason: error.message,
          });
        }
        await clock.sleep(RESOLVE_RETRY_MS, signal);
      }
    }
    throw new Cancelled("the epoch is over");
  }

  async #resolveOnce(epoch: Epoch): Promise<ResolvedEpoch> {
    const { beacon, validators, signal } = this.#parts;
    const states = await beacon.validators([...validators.keys()], signal);
    const lockIndexOf = new Map<ValidatorIndex, LockIndex>();
    for (const { index, pubKey, status } of states) {
      const lockIndex = validators.get(pubKey);
      if (lockIndex !== undefined && status.startsWith("active")) lockIndexOf.set(index, lockIndex);
    }
    const indices = [...lockIndexOf.keys()].sort((a, b) => a - b);
    const { dependentRoot, duties } = await beacon.attesterDuties(epoch, indices, signal);
    const bySlot = new Map<Slot, AttesterDefinition[]>();
    for (const { slot, ...duty } of duties) {
      const validator = lockIndexOf.get(duty.validatorIndex);
      if (validator === undefined || validators.get(duty.pubKey) !== validator) continue;
      const list = bySlot.get(slot) ?? [];
      list.push({ validator, ...duty });
      bySlot.set(slot, list);
    }
    // Every node lists the definitions in the same order, whatever its beacon node's order is.
    for (const list of bySlot.values()) list.sort((a, b) => a.validator - b.validator);
    return { dependentRoot, bySlot };
  }

  /** Duties of the present slot that fell due while their epoch was being resolved. */
  #fireOverdue(epoch: Epoch): void {
    const { chain, clock, kindOf } = this.#parts;
    const slot = chain.slotAt(clock.now());
    if (slot < 0 || chain.epochOf(slot) !== epoch) return;
    for (const type of DUTY_TYPES) {
      const duty = { slot, type };
      if (clock.now() >= kindOf(duty).dueAt(chain, slot)) this.#fire(duty);
    }
  }

  #forget(current: Epoch): void {
    for (const epoch of this.#epochs.keys()) if (epoch + 2 < current) this.#epochs.delete(epoch);
    const oldest = this.#parts.chain.firstSlot(Math.max(0, current - 2));
    for (const [id, slot] of this.#fired) if (slot < oldest) this.#fired.delete(id);
  }
}
