/**
 * A beacon node behind the port, for tests in virtual time: one block per slot, duties spread over
 * the epoch, and the wrong answers that a test asks for. What it is handed is kept for the verdict.
 */

import { type BlockChange, virtualBlock } from "../../sim/virtualBlocks.ts";
import type { AttesterDefinition } from "../../src/domain/data.ts";
import { FaultError } from "../../src/domain/errors.ts";
import { bytesOf, type PubKey, type Root, type Signature } from "../../src/domain/keys.ts";
import type { Epoch, Slot, ValidatorIndex } from "../../src/domain/units.ts";
import type { ProducedBlock, SignedBlock } from "../../src/eth2/blocks.ts";
import type { AttestationData, SignedAttestation } from "../../src/eth2/types.ts";
import type {
  AttesterDuties,
  BeaconNode,
  HeadEvent,
  ProposerDuties,
  ProposerPreparation,
  ValidatorState,
} from "../../src/ports/beaconNode.ts";
import { FakeSightings } from "./fakeSightings.ts";
import { GENESIS_TIME, GENESIS_VALIDATORS_ROOT, RAW_SPEC, SLOTS_PER_EPOCH } from "./testChain.ts";

export type BeaconFaults = {
  /** Every call fails. */
  isOffline: boolean;
  /** Attests this head instead of the canonical one; other nodes do not know it. */
  head: Root | null;
  /** Changes each block that is produced. */
  block: BlockChange;
  /** Publishing a block is refused. */
  refusesBlocks: boolean;
};

export const FIRST_INDEX: ValidatorIndex = 100;

export function blockRoot(slot: Slot): Root {
  return `0x${slot.toString(16).padStart(64, "0")}` as Root;
}

export class FakeBeacon extends FakeSightings implements BeaconNode {
  /** By the validator's position in the cluster; `active_ongoing` where none is set. */
  readonly statuses = new Map<number, string>();
  readonly faults: BeaconFaults = { isOffline: false, head: null, block: {}, refusesBlocks: false };
  readonly submitted: SignedAttestation[] = [];
  /** Which validator of the cluster proposes in a slot, by its position; nobody by default. */
  readonly proposers = new Map<Slot, number>();
  readonly produced: Slot[] = [];
  readonly published: SignedBlock[] = [];
  readonly prepared: ProposerPreparation[] = [];
  /** Blocks besides the canonical ones that this node knows. */
  readonly known = new Map<Root, Slot>();
  readonly #pubKeys: readonly PubKey[];
  readonly #heads = new Set<(event: HeadEvent) => void>();

  constructor(pubKeys: readonly PubKey[]) {
    super();
    this.committee = Array.from({ length: 8 }, (_, position) => FIRST_INDEX + position);
    this.#pubKeys = pubKeys;
  }

  /** Which slot of an epoch validator `position` of the cluster attests in. */
  static slotOf(epoch: Epoch, position: number): Slot {
    return epoch * SLOTS_PER_EPOCH + ((position + epoch) % SLOTS_PER_EPOCH);
  }

  async genesis() {
    this.#answer();
    return { genesisTime: GENESIS_TIME, genesisValidatorsRoot: GENESIS_VALIDATORS_ROOT };
  }

  async spec() {
    this.#answer();
    return RAW_SPEC;
  }

  async syncStatus() {
    this.#answer();
    return { headSlot: 0, isSyncing: false, isElOffline: false };
  }

  async validators(pubKeys: readonly PubKey[]): Promise<readonly ValidatorState[]> {
    this.#answer();
    return this.#pubKeys.flatMap((pubKey, position) =>
      pubKeys.includes(pubKey)
        ? [
            {
              pubKey,
              index: FIRST_INDEX + position,
              status: this.statuses.get(position) ?? "active_ongoing",
            },
          ]
        : [],
    );
  }

  async attesterDuties(epoch: Epoch, indices: readonly ValidatorIndex[]): Promise<AttesterDuties> {
    this.#answer();
    const duties = indices.map(
      (
        validatorIndex,
      ): Omit<AttesterDefinition, "validator"> & {
        slot: Slot;
      } => {
        const position = validatorIndex - FIRST_INDEX;
        return {
          slot: FakeBeacon.slotOf(epoch, position),
          pubKey: this.#pubKeys[position] as PubKey,
          validatorIndex,
          committeeIndex: 0,
          committeeLength: 8,
          committeesAtSlot: 1,
          validatorCommitteeIndex: position % 8,
        };
      },
    );
    return { dependentRoot: blockRoot(0), duties };
  }

  async attestationData(slot: Slot): Promise<AttestationData> {
    this.#answer();
    const epoch = Math.floor(slot / SLOTS_PER_EPOCH);
    const source = Math.max(0, epoch - 1);
    return {
      slot,
      index: 0,
      beaconBlockRoot: this.faults.head ?? blockRoot(slot),
      source: { epoch: source, root: blockRoot(source * SLOTS_PER_EPOCH) },
      target: { epoch, root: blockRoot(epoch * SLOTS_PER_EPOCH) },
    };
  }

  async blockSlot(root: Root): Promise<Slot | null> {
    this.#answer();
    const published = this.known.get(root);
    if (published !== undefined) return published;
    const slot = Number(root);
    return slot < 2 ** 32 ? slot : null;
  }

  async submitAttestations(attestations: readonly SignedAttestation[]) {
    this.#answer();
    this.submitted.push(...attestations);
    return [];
  }

  async proposerDuties(epoch: Epoch): Promise<ProposerDuties> {
    this.#answer();
    const duties = [...this.proposers]
      .filter(([slot]) => Math.floor(slot / SLOTS_PER_EPOCH) === epoch)
      .map(([slot, position]) => {
        const pubKey = this.#pubKeys[position] as PubKey;
        return { slot, pubKey, validatorIndex: FIRST_INDEX + position };
      });
    return { dependentRoot: blockRoot(0), duties };
  }

  async produceBlock(
    slot: Slot,
    { randaoReveal }: { readonly randaoReveal: Signature },
  ): Promise<ProducedBlock> {
    this.#answer();
    this.produced.push(slot);
    const proposerIndex = FIRST_INDEX + (this.proposers.get(slot) ?? 0);
    const parentRoot = bytesOf(blockRoot(slot - 1));
    return virtualBlock({ slot, proposerIndex, parentRoot, randaoReveal, ...this.faults.block });
  }

  async publishBlock(block: SignedBlock): Promise<void> {
    this.#answer();
    if (this.faults.refusesBlocks) throw new FaultError("beacon_rejected", "in this test");
    this.published.push(block);
  }

  async prepareProposers(preparations: readonly ProposerPreparation[]): Promise<void> {
    this.#answer();
    this.prepared.push(...preparations);
  }

  onHead(handler: (event: HeadEvent) => void, signal: AbortSignal): void {
    this.#heads.add(handler);
    signal.addEventListener("abort", () => this.#heads.delete(handler), { once: true });
  }

  emitHead(slot: Slot, changes: Partial<HeadEvent> = {}): void {
    if (this.faults.isOffline) return;
    const dependentRoot = blockRoot(0);
    for (const handler of this.#heads) {
      handler({
        slot,
        block: blockRoot(slot),
        previousDutyDependentRoot: dependentRoot,
        currentDutyDependentRoot: dependentRoot,
        ...changes,
      });
    }
  }

  #answer(): void {
    if (this.faults.isOffline) throw new FaultError("beacon_unreachable", "offline in this test");
  }
}
