/**
 * Liveness: from the time on at which the last fault has healed, with at most f faulty operators,
 * every duty of the cluster is on the chain before its deadline (CHECK-4).
 */
import type { PartialSignatureSet } from "../../src/domain/data.ts";
import type { LockIndex, PeerIndex } from "../../src/domain/keys.ts";
import type { Slot } from "../../src/domain/units.ts";
import { endOf, type Fault, type Scenario } from "../scenario.ts";
import type { CheckContext, Checker } from "./checker.ts";

/**
 * Slots after the last fault until every duty counts: a restarted node is silent in the slot of its
 * start (VOTE-2), connections are made again, and duties are resolved again.
 */
const GRACE_SLOTS = 2;
/** An attestation is late from the second slot after its own, where the tracker reports it too. */
const ATTESTATION_SLOTS = 2;
/** A block that comes after its slot is not a block. */
const PROPOSAL_SLOTS = 1;
const BRANCHING: ReadonlySet<Fault["kind"]> = new Set(["reorg", "beacon-fork"]);

export function createLiveness(context: CheckContext): Checker {
  const { scenario } = context;
  const from = healedFrom(scenario);
  // Whom a stranger signs for is frozen, and stays so.
  const foreign = new Set(
    scenario.faults.flatMap((fault) => (fault.kind === "foreign-signer" ? [fault.validator] : [])),
  );
  const moved = new MovedSeats(context);
  let checked = 0;
  const expect = (type: "attester" | "proposer", slot: Slot, validator: LockIndex): void => {
    if (foreign.has(validator)) return;
    if (type === "attester" && moved.forbid(validator, slot)) return;
    checked++;
    const { ledger, facts, report } = context;
    const at = ledger.includedAt(`${slot}/${type}`, validator);
    const slots = type === "attester" ? ATTESTATION_SLOTS : PROPOSAL_SLOTS;
    const deadline = facts.slotStart(slot + slots);
    if (at === null) report(`${slot}/${type} of validator ${validator} was not done`);
    else if (at > deadline) report(`${slot}/${type} of validator ${validator} was late`);
  };
  return {
    checked: () => checked,
    released: (node, set) => moved.released(node, set),
    enterSlot(now) {
      moved.forget(now);
      const slot = now - ATTESTATION_SLOTS;
      if (slot < from || slot >= scenario.slots || slot < 1) return;
      for (const validator of context.ground.seatedIn(slot)) expect("attester", slot, validator);
      const proposer = context.ground.proposerIn(slot);
      if (proposer !== null) expect("proposer", slot, proposer);
    },
  };
}

/**
 * A reorganisation that goes back beyond the epoch deals its seats anew. A share that voted in a
 * former seat does not vote again for the same target, and without t others the validator cannot.
 */
class MovedSeats {
  readonly #context: CheckContext;
  readonly #isPossible: boolean;
  /** Honest operators that voted, by slot and validator. */
  readonly #voters = new Map<Slot, Map<LockIndex, Set<PeerIndex>>>();

  constructor(context: CheckContext) {
    this.#context = context;
    this.#isPossible = context.scenario.faults.some(({ kind }) => BRANCHING.has(kind));
  }

  released(node: PeerIndex, { duty, signatures }: PartialSignatureSet): void {
    if (!this.#isPossible || duty.type !== "attester") return;
    if (this.#context.byzantine.has(node)) return;
    const inSlot = this.#voters.get(duty.slot) ?? new Map<LockIndex, Set<PeerIndex>>();
    this.#voters.set(duty.slot, inSlot);
    for (const { validator } of signatures) {
      inSlot.set(validator, (inSlot.get(validator) ?? new Set()).add(node));
    }
  }

  /** Whether too many have voted in other seats of the epoch for `validator` to vote in `slot`. */
  forbid(validator: LockIndex, slot: Slot): boolean {
    const { facts, scenario, byzantine } = this.#context;
    const epoch = facts.epochOf(slot);
    const spent = new Set<PeerIndex>();
    for (const [other, inSlot] of this.#voters) {
      if (other === slot || facts.epochOf(other) !== epoch) continue;
      for (const node of inSlot.get(validator) ?? []) spent.add(node);
    }
    const free = scenario.nodes - byzantine.size - spent.size;
    return spent.size > 0 && free < scenario.threshold;
  }

  forget(now: Slot): void {
    const oldest = now - 2 * this.#context.facts.spec.slotsPerEpoch;
    for (const slot of this.#voters.keys()) if (slot < oldest) this.#voters.delete(slot);
  }
}

/**
 * The first slot from which every duty counts. Faults that never end are there to be tolerated: a
 * scenario with more of them than a cluster can bear fails, as it should.
 */
function healedFrom(scenario: Scenario): Slot {
  const ends = scenario.faults.map(endOf).filter((end) => end !== Infinity);
  return Math.max(0, ...ends.map((end) => Math.ceil(end) + GRACE_SLOTS));
}
