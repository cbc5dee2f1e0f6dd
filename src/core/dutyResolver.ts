/**
 * Asks the beacon node who has which duty in an epoch, a row per answer that it gives: the
 * committees' seats, and the proposers, whose randao reveals come with them (FLOW-2).
 */
import type { DistributedValidator } from "../cluster/cluster.ts";
import type {
  AttesterDefinition,
  DutyDefinition,
  DutyDefinitions,
  ProposerDefinition,
} from "../domain/data.ts";
import type { DutyId, DutyType } from "../domain/duty.ts";
import { dutyId } from "../domain/duty.ts";
import type { PubKey, Root } from "../domain/keys.ts";
import type { Epoch, Slot, ValidatorIndex } from "../domain/units.ts";
import type { BeaconNode, HeadEvent } from "../ports/beaconNode.ts";

export type ResolvedDuties = {
  readonly dependentRoot: Root;
  /** False when the answer left somebody out who should be in it. */
  readonly isComplete: boolean;
  readonly definitions: ReadonlyMap<DutyId, DutyDefinitions>;
};
/** What a head event says an epoch's duties hang on. */
export type Dependency = { readonly epoch: Epoch; readonly dependentRoot: Root };

export interface DutyResolver {
  readonly types: readonly DutyType[];
  resolve(epoch: Epoch, signal: AbortSignal): Promise<ResolvedDuties>;
  dependencies(event: HeadEvent, headEpoch: Epoch): readonly Dependency[];
}

export type ResolverParts = {
  readonly beacon: BeaconNode;
  /** The cluster's, in lock order. */
  readonly validators: readonly DistributedValidator[];
};

export function createDutyResolvers(parts: ResolverParts): readonly DutyResolver[] {
  return [attesterResolver(parts), proposerResolver(parts)];
}

function attesterResolver({ beacon, validators }: ResolverParts): DutyResolver {
  return {
    types: ["attester"],
    async resolve(epoch, signal) {
      const active = await activeValidators({ beacon, validators }, signal);
      const indices = [...active.keys()].sort((a, b) => a - b);
      const { dependentRoot, duties } = await beacon.attesterDuties(epoch, indices, signal);
      const bySlot = new Map<Slot, AttesterDefinition[]>();
      const seated = new Set<ValidatorIndex>();
      for (const { slot, ...duty } of duties) {
        const validator = active.get(duty.validatorIndex);
        if (validator === undefined || validator.pubKey !== duty.pubKey) continue;
        // A validator signs once per epoch, and stands once in a set of signatures (WIRE-11).
        if (seated.has(duty.validatorIndex)) continue;
        seated.add(duty.validatorIndex);
        const list = bySlot.get(slot) ?? [];
        bySlot.set(slot, list);
        list.push({ validator: validator.lockIndex, ...duty });
      }
      // Every node lists the definitions in the same order, whatever its beacon node's order is.
      for (const list of bySlot.values()) list.sort((a, b) => a.validator - b.validator);
      // Every active validator attests once per epoch; only one that is exiting may have no duty.
      const isComplete = seated.size >= indices.length;
      return { dependentRoot, isComplete, definitions: byDuty(bySlot, "attester") };
    },
    dependencies: (event, headEpoch) => [
      { epoch: headEpoch, dependentRoot: event.previousDutyDependentRoot },
      { epoch: headEpoch + 1, dependentRoot: event.currentDutyDependentRoot },
    ],
  };
}

function proposerResolver({ beacon, validators }: ResolverParts): DutyResolver {
  const byPubKey = new Map(validators.map((validator) => [validator.pubKey, validator]));
  return {
    types: ["proposer", "randao"],
    async resolve(epoch, signal) {
      const { dependentRoot, duties } = await beacon.proposerDuties(epoch, signal);
      const bySlot = new Map<Slot, ProposerDefinition[]>();
      for (const { slot, pubKey, validatorIndex } of duties) {
        const validator = byPubKey.get(pubKey);
        // Slot 0 is genesis: it has a proposer on paper and a block already.
        if (validator === undefined || slot === 0) continue;
        const { lockIndex, feeRecipient, targetGasLimit } = validator;
        const definition = { validator: lockIndex, pubKey, validatorIndex };
        bySlot.set(slot, [{ ...definition, feeRecipient, targetGasLimit }]);
      }
      const definitions = [...byDuty(bySlot, "proposer"), ...byDuty(bySlot, "randao")];
      return { dependentRoot, isComplete: true, definitions: new Map(definitions) };
    },
    // The root that version 1 of the route names is final only once the epoch has begun.
    dependencies: (event, headEpoch) => [
      { epoch: headEpoch, dependentRoot: event.currentDutyDependentRoot },
    ],
  };
}

async function activeValidators(
  { beacon, validators }: ResolverParts,
  signal: AbortSignal,
): Promise<ReadonlyMap<ValidatorIndex, DistributedValidator>> {
  const byPubKey = new Map<PubKey, DistributedValidator>(
    validators.map((validator) => [validator.pubKey, validator]),
  );
  const active = new Map<ValidatorIndex, DistributedValidator>();
  for (const { index, pubKey, status } of await beacon.validators([...byPubKey.keys()], signal)) {
    const validator = byPubKey.get(pubKey);
    if (validator !== undefined && status.startsWith("active")) active.set(index, validator);
  }
  return active;
}

function byDuty(
  bySlot: ReadonlyMap<Slot, readonly DutyDefinition[]>,
  type: DutyType,
): ReadonlyMap<DutyId, DutyDefinitions> {
  return new Map([...bySlot].map(([slot, list]) => [dutyId({ slot, type }), list]));
}
