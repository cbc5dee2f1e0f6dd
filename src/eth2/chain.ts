/** One beacon chain: its genesis, its constants, and where a slot lies in time and among forks. */
import type { Root } from "../domain/keys.ts";
import {
  BASIS_POINTS,
  type BasisPoints,
  type Epoch,
  type Millis,
  type Slot,
} from "../domain/units.ts";
import { assert } from "../util/assert.ts";
import { ok, type Result } from "../util/result.ts";
import { type ChainSpec, laterSchedule, type ScheduledFork } from "./chainSpec.ts";

export class Chain {
  readonly genesisTimeMs: Millis;
  readonly genesisValidatorsRoot: Root;
  #spec: ChainSpec;

  constructor(
    spec: ChainSpec,
    /** As the Beacon API answers it; the time is Unix seconds. */
    genesis: { readonly genesisTime: number; readonly genesisValidatorsRoot: Root },
  ) {
    this.#spec = spec;
    this.genesisTimeMs = 1000 * genesis.genesisTime;
    this.genesisValidatorsRoot = genesis.genesisValidatorsRoot;
  }

  get spec(): ChainSpec {
    return this.#spec;
  }

  /** ETH-8: takes over which forks `told` schedules after `epoch`; their names, or why not. */
  learn(told: ChainSpec, epoch: Epoch): Result<readonly string[], string> {
    const later = laterSchedule(this.#spec, told, epoch);
    if (!later.ok) return later;
    this.#spec = later.value.spec;
    return ok(later.value.names);
  }

  /** The slot that `now` lies in; negative before genesis. */
  slotAt(now: Millis): Slot {
    return Math.floor((now - this.genesisTimeMs) / this.spec.slotDurationMs);
  }

  slotStart(slot: Slot): Millis {
    return this.genesisTimeMs + slot * this.spec.slotDurationMs;
  }

  epochOf(slot: Slot): Epoch {
    return Math.floor(slot / this.spec.slotsPerEpoch);
  }

  firstSlot(epoch: Epoch): Slot {
    return epoch * this.spec.slotsPerEpoch;
  }

  /** `bps` of the slot after its start, rounded down as the specs do; above 10,000 lies later. */
  dueAt(slot: Slot, bps: BasisPoints): Millis {
    return this.slotStart(slot) + Math.floor((this.spec.slotDurationMs * bps) / BASIS_POINTS);
  }

  forkAt(epoch: Epoch): ScheduledFork {
    assert(epoch >= 0, "no fork is active before genesis");
    return this.spec.forks.findLast((fork) => fork.epoch <= epoch) ?? this.spec.forks[0];
  }

  /** ETH-6: whether this release has a row for the fork of `epoch`; nothing is signed without. */
  isForkKnown(epoch: Epoch): boolean {
    return epoch < this.spec.unknownForkEpoch;
  }
}
