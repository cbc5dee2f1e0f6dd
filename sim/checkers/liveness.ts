/**
 * Liveness: from the time on at which the last fault has healed, with at most f faulty operators,
 * every duty of the cluster is on the chain before its deadline (CHECK-4).
 */
import type { LockIndex } from "../../src/domain/keys.ts";
import type { Slot } from "../../src/domain/units.ts";
import { endOf, type Scenario } from "../scenario.ts";
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

export function createLiveness(context: CheckContext): Checker {
  const { scenario } = context;
  const from = healedFrom(scenario);
  // Whom a stranger signs for is frozen, and stays so.
  const foreign = new Set(
    scenario.faults.flatMap((fault) => (fault.kind === "foreign-signer" ? [fault.validator] : [])),
  );
  let checked = 0;
  const expect = (type: "attester" | "proposer", slot: Slot, validator: LockIndex): void => {
    if (foreign.has(validator)) return;
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
    enterSlot(now) {
      const slot = now - ATTESTATION_SLOTS;
      if (slot < from || slot >= scenario.slots || slot < 1) return;
      for (const validator of context.ground.seatedIn(slot)) expect("attester", slot, validator);
      const proposer = context.ground.proposerIn(slot);
      if (proposer !== null) expect("proposer", slot, proposer);
    },
  };
}

/**
 * The first slot from which every duty counts. Faults that never end are there to be tolerated: a
 * scenario with more of them than a cluster can bear fails, as it should.
 */
function healedFrom(scenario: Scenario): Slot {
  const ends = scenario.faults.map(endOf).filter((end) => end !== Infinity);
  return Math.max(0, ...ends.map((end) => Math.ceil(end) + GRACE_SLOTS));
}
