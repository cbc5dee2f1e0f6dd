/**
 * Fires each of the cluster's duties once: when its slot's head arrives or when it is due,
 * whichever comes first (FLOW-3). Who has which duty is `epochDuties.ts`'s to know.
 */
import type { DistributedValidator } from "../cluster/cluster.ts";
import type { DutyDefinitions } from "../domain/data.ts";
import type { Duty, DutyType } from "../domain/duty.ts";
import { DUTY_TYPES, dutyId } from "../domain/duty.ts";
import type { Epoch, Slot } from "../domain/units.ts";
import type { DutyKind } from "../duties/kind.ts";
import type { Chain } from "../eth2/chain.ts";
import type { BeaconNode, HeadEvent } from "../ports/beaconNode.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import { assert } from "../util/assert.ts";
import { Listeners } from "../util/listeners.ts";
import type { Background } from "./background.ts";
import type { Deadlines } from "./deadlines.ts";
import { createDutyResolvers } from "./dutyResolver.ts";
import { EpochDuties } from "./epochDuties.ts";
import type { HeadFeed } from "./headFeed.ts";
import type { Scheduler } from "./interfaces.ts";

/** Part of an epoch after which the next one's duties are asked for: half. */
const LOOK_AHEAD_FRACTION = 0.5;

type SchedulerParts = {
  readonly chain: Chain;
  readonly beacon: BeaconNode;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly background: Background;
  readonly deadlines: Deadlines;
  readonly kindOf: (duty: Duty) => DutyKind;
  /** The cluster's, in lock order. */
  readonly validators: readonly DistributedValidator[];
  /** Duties of the node's former life that go on where they stopped (FLOW-10). */
  readonly resumed: readonly Duty[];
  readonly heads: HeadFeed;
  readonly signal: AbortSignal;
  /** Hears which slot it is where the clock says that it was ahead. */
  readonly onSetBack?: (slot: Slot) => void;
};

export class DutyScheduler implements Scheduler {
  readonly #parts: SchedulerParts;
  readonly #duty = new Listeners<[Duty, DutyDefinitions]>();
  readonly #epochDuties: readonly EpochDuties[];
  readonly #byType = new Map<DutyType, EpochDuties>();
  readonly #fired = new Map<string, Slot>();
  #timers: readonly Timer[] = [];
  /** The slot whose duties are armed. */
  #slot: Slot = 0;

  constructor(parts: SchedulerParts) {
    this.#parts = parts;
    const onResolved = (epoch: Epoch): void => this.#fireOverdue(epoch);
    this.#epochDuties = createDutyResolvers(parts).map((resolver) => {
      const duties = new EpochDuties({ ...parts, resolver, onResolved });
      for (const type of resolver.types) this.#byType.set(type, duties);
      return duties;
    });
  }

  onDuty(handler: (duty: Duty, definitions: DutyDefinitions) => void): void {
    this.#duty.add(handler);
  }

  definitions(duty: Duty): DutyDefinitions {
    const duties = this.#byType.get(duty.type);
    assert(duties !== undefined, `${duty.type} duties have a resolver`);
    return duties.definitions(duty);
  }

  start(): void {
    const { chain, clock, heads, resumed, signal } = this.#parts;
    heads.onHead((event) => this.#onHead(event));
    signal.addEventListener("abort", () => this.#cancelTimers(), { once: true });
    for (const { slot } of resumed) this.#resolve(chain.epochOf(slot));
    this.#enterSlot(Math.max(0, chain.slotAt(clock.now())));
    this.#parts.background.run(() => this.#watchClock());
  }

  /**
   * FLOW-11: a clock that was ahead and is set back leaves the scheduler waiting in a later slot,
   * and every slot until then without duties. Only the monotonic clock notices.
   */
  async #watchClock(): Promise<never> {
    const { chain, clock, signal, logger, onSetBack = () => undefined } = this.#parts;
    for (;;) {
      await clock.sleep(chain.spec.slotDurationMs, signal);
      const slot = Math.max(0, chain.slotAt(clock.now()));
      if (slot >= this.#slot) continue;
      logger.warn("The clock was set back: duties go on from the slot that it says.", { slot });
      onSetBack(slot);
      this.#enterSlot(slot);
    }
  }

  /** Arms what is due in `slot`, some of it for the next one, and the start of the next one. */
  #enterSlot(slot: Slot): void {
    const { chain, clock, kindOf, signal } = this.#parts;
    if (signal.aborted) return;
    this.#slot = slot;
    const epoch = chain.epochOf(slot);
    for (const duties of this.#epochDuties) duties.enterSlot(slot);
    const progress = (slot - chain.firstSlot(epoch) + 1) / chain.spec.slotsPerEpoch;
    if (progress >= LOOK_AHEAD_FRACTION) this.#resolve(epoch + 1);
    this.#forget(epoch);
    this.#cancelTimers();
    const nextStart = chain.slotStart(slot + 1);
    const dues = dutiesOf(slot, slot + 1)
      .map((duty) => ({ duty, at: kindOf(duty).dueAt(chain, duty.slot) }))
      .filter(({ duty, at }) => duty.slot === slot || at < nextStart)
      .map(({ duty, at }) => clock.at(at, () => this.#fire(duty)));
    // A clock that jumped ahead skips slots: their duties are past and must not run.
    const next = clock.at(nextStart, () =>
      this.#enterSlot(Math.max(slot + 1, chain.slotAt(clock.now()))),
    );
    this.#timers = [...dues, next];
  }

  #cancelTimers(): void {
    for (const timer of this.#timers) timer.cancel();
  }

  #resolve(epoch: Epoch): void {
    for (const duties of this.#epochDuties) duties.resolve(epoch);
  }

  #fire(duty: Duty): void {
    const definitions = this.definitions(duty);
    if (definitions.length === 0 || this.#fired.has(dutyId(duty))) return;
    this.#fired.set(dutyId(duty), duty.slot);
    this.#duty.emit(duty, definitions);
  }

  #onHead(event: HeadEvent): void {
    const { chain, clock } = this.#parts;
    if (event.slot === chain.slotAt(clock.now())) {
      for (const duty of dutiesOf(event.slot)) this.#fire(duty);
    }
    for (const duties of this.#epochDuties) duties.onHead(event);
  }

  /** Duties that fell due while their epoch was being resolved, and those of a former life. */
  #fireOverdue(epoch: Epoch): void {
    const { chain, clock, deadlines, kindOf, resumed } = this.#parts;
    const slot = chain.slotAt(clock.now());
    const overdue = dutiesOf(slot, slot + 1).filter(
      (duty) => duty.slot >= 0 && clock.now() >= kindOf(duty).dueAt(chain, duty.slot),
    );
    for (const duty of [...overdue, ...resumed.filter((one) => !deadlines.isExpired(one))]) {
      if (chain.epochOf(duty.slot) === epoch) this.#fire(duty);
    }
  }

  #forget(current: Epoch): void {
    for (const duties of this.#epochDuties) duties.forget(current);
    const oldest = this.#parts.chain.firstSlot(Math.max(0, current - 2));
    for (const [id, slot] of this.#fired) if (slot < oldest) this.#fired.delete(id);
  }
}

function dutiesOf(...slots: readonly Slot[]): readonly Duty[] {
  return slots.flatMap((slot) => DUTY_TYPES.map((type) => ({ slot, type })));
}
