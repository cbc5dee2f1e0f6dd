/** The BeaconNode port over a virtual beacon node, for one life of the node that asks. */
import { FaultError } from "../src/domain/errors.ts";
import { bytesOf, type PubKey, type Root, type Signature } from "../src/domain/keys.ts";
import type { Epoch, Slot, ValidatorIndex } from "../src/domain/units.ts";
import type { ProducedBlock, SignedBlock } from "../src/eth2/blocks.ts";
import { decodeProposal, encodeProposal } from "../src/eth2/blocks.ts";
import type { SignedAttestation } from "../src/eth2/types.ts";
import type {
  AttesterDuties,
  AttesterDuty,
  HeadEvent,
  ProposerDuties,
  ProposerDuty,
  ProposerPreparation,
  ValidatorState,
} from "../src/ports/beaconNode.ts";
import type { BlockEvent, SignedHeader } from "../src/ports/chainSightings.ts";
import { assert } from "../src/util/assert.ts";
import { BeaconLife } from "./beaconLife.ts";
import type { BlockContents } from "./blockContents.ts";
import { rawSpecOf } from "./facts.ts";
import type { BeaconPortOptions, MachineBeacon } from "./ground.ts";
import { FIRST_INDEX } from "./ledger.ts";
import { SubmissionDesk } from "./submissionDesk.ts";
import type { VirtualBeaconNode } from "./virtualBeaconNode.ts";
import { FEE_RECIPIENT, virtualBlock } from "./virtualBlocks.ts";

type PortOptions = BeaconPortOptions & { readonly view: VirtualBeaconNode };

const EL_VALUE = 7n;
const CL_VALUE = 11n;

export class BeaconPort implements MachineBeacon {
  readonly #options: PortOptions;
  readonly #life: BeaconLife;
  readonly #desk: SubmissionDesk;

  constructor(options: PortOptions) {
    const { view, clock, onSubmitted } = options;
    const { weather } = view;
    this.#options = options;
    this.#life = new BeaconLife(weather, clock);
    const { ledger, chain } = view.options;
    this.#desk = new SubmissionDesk({
      life: this.#life,
      weather,
      ledger,
      isOnChain: () => view.isOnChain,
      onTaken: ({ root }) => {
        const added = chain.block(root);
        if (added !== undefined) view.import(added);
      },
      onSubmitted,
    });
  }

  kill(): void {
    this.#life.kill();
  }

  async genesis(signal: AbortSignal) {
    await this.#life.answer(signal);
    const { genesisTime, genesisValidatorsRoot } = this.#options.facts;
    return { genesisTime, genesisValidatorsRoot };
  }

  async spec(signal: AbortSignal): Promise<Readonly<Record<string, unknown>>> {
    await this.#life.answer(signal);
    return rawSpecOf(this.#options.facts);
  }

  async syncStatus(signal: AbortSignal) {
    await this.#life.answer(signal);
    const { view } = this.#options;
    const isSyncing = view.tells("syncing");
    return { headSlot: view.head.slot, isSyncing, isElOffline: false };
  }

  async validators(
    pubKeys: readonly PubKey[],
    signal: AbortSignal,
  ): Promise<readonly ValidatorState[]> {
    await this.#life.answer(signal);
    const asked = new Set(pubKeys);
    return this.#options.validators
      .filter(({ pubKey }) => asked.has(pubKey))
      .map(({ pubKey, lockIndex }) => ({
        pubKey,
        index: FIRST_INDEX + lockIndex,
        status: "active_ongoing",
      }));
  }

  async attesterDuties(
    epoch: Epoch,
    indices: readonly ValidatorIndex[],
    signal: AbortSignal,
  ): Promise<AttesterDuties> {
    await this.#life.answer(signal);
    const { view, validators } = this.#options;
    const { chain } = view.options;
    const dependentRoot = chain.attesterDependency(epoch, view.head);
    if (view.tells("no-duties")) return { dependentRoot, duties: [] };
    const { slots } = chain.seatsOf(epoch, view.head);
    const shift = view.tells("wrong-duties") ? 1 : 0;
    const duties = indices.flatMap((validatorIndex): AttesterDuty[] => {
      const position = validatorIndex - FIRST_INDEX;
      const validator = validators[position];
      const slot = slots[position];
      if (validator === undefined || slot === undefined) return [];
      return [
        {
          slot: slot + shift,
          pubKey: validator.pubKey,
          validatorIndex,
          committeeIndex: 0,
          committeeLength: validators.length,
          committeesAtSlot: 1,
          validatorCommitteeIndex: position,
        },
      ];
    });
    return { dependentRoot, duties };
  }

  async attestationData(slot: Slot, signal: AbortSignal) {
    await this.#life.answer(signal);
    const { view } = this.#options;
    if (slot > view.currentSlot + 1) {
      throw new FaultError("beacon_bad_response", `slot ${slot} is in the future`);
    }
    return view.attestationData(slot);
  }

  async blockSlot(root: `0x${string}`, signal: AbortSignal): Promise<Slot | null> {
    await this.#life.answer(signal);
    const { view } = this.#options;
    return view.knows(root as Parameters<typeof view.knows>[0])?.slot ?? null;
  }

  submitAttestations(attestations: readonly SignedAttestation[], signal: AbortSignal) {
    return this.#desk.attest(attestations, signal);
  }

  async proposerDuties(epoch: Epoch, signal: AbortSignal): Promise<ProposerDuties> {
    await this.#life.answer(signal);
    const { view, validators } = this.#options;
    const { chain } = view.options;
    const dependentRoot = chain.proposerDependency(epoch, view.head);
    if (view.tells("no-duties")) return { dependentRoot, duties: [] };
    const shift = view.tells("wrong-duties") ? 1 : 0;
    const first = chain.chain.firstSlot(epoch);
    const duties: ProposerDuty[] = [];
    for (let slot = first; slot < first + chain.chain.spec.slotsPerEpoch; slot++) {
      const validator = validators[chain.proposerOf(slot, view.head) ?? -1];
      if (validator === undefined) continue;
      const { pubKey, lockIndex } = validator;
      duties.push({ slot: slot + shift, pubKey, validatorIndex: FIRST_INDEX + lockIndex });
    }
    return { dependentRoot, duties };
  }

  async produceBlock(
    slot: Slot,
    { randaoReveal }: { readonly randaoReveal: Signature },
    signal: AbortSignal,
  ): Promise<ProducedBlock> {
    await this.#life.answer(signal);
    const { view } = this.#options;
    const { chain, judge } = view.options;
    const parent = chain.ancestor(view.head, slot - 1);
    const proposer = chain.proposerOf(slot, view.head) ?? 0;
    const parentRoot = view.tells("wrong-parent") ? view.inventedRoot("parent") : parent.root;
    const graffiti = new Uint8Array(32).fill(1 + view.options.self);
    const produced = virtualBlock({
      slot,
      proposerIndex: FIRST_INDEX + proposer,
      parentRoot: bytesOf(parentRoot),
      randaoReveal,
      graffiti,
      feeRecipient: view.tells("wrong-fee-recipient") ? `0x${"66".repeat(20)}` : FEE_RECIPIENT,
    });
    const { fork } = chain.chain.forkAt(chain.chain.epochOf(slot));
    const proposal = decodeProposal(fork, encodeProposal(produced));
    assert(proposal !== null, "a virtual block is a block");
    judge.produced(proposal);
    return { ...produced, executionPayloadValue: EL_VALUE, consensusBlockValue: CL_VALUE };
  }

  publishBlock(block: SignedBlock, signal: AbortSignal): Promise<void> {
    return this.#desk.publish(block, signal);
  }

  async prepareProposers(
    _preparations: readonly ProposerPreparation[],
    signal: AbortSignal,
  ): Promise<void> {
    await this.#life.answer(signal);
  }

  async signedHeader(block: Root, signal: AbortSignal): Promise<SignedHeader | null> {
    return (await this.#contents(signal)).headerOf(block);
  }

  async blockAttestations(block: Root, signal: AbortSignal) {
    return (await this.#contents(signal)).attestationsIn(block);
  }

  async poolAttestations(slot: Slot, signal: AbortSignal) {
    return (await this.#contents(signal)).attestationsOf(slot);
  }

  async committees(_slot: Slot, signal: AbortSignal) {
    return new Map([[0, (await this.#contents(signal)).committee]]);
  }

  async liveValidators(epoch: Epoch, indices: readonly ValidatorIndex[], signal: AbortSignal) {
    const contents = await this.#contents(signal);
    return indices.filter((index) => contents.isLive(epoch, index - FIRST_INDEX));
  }

  onBlock(handler: (event: BlockEvent) => void, signal: AbortSignal): void {
    this.#life.keep(this.#options.view.subscribeBlocks(handler), signal);
  }

  onSlashing(): void {
    // Nobody is slashed on the virtual chain.
  }

  async #contents(signal: AbortSignal): Promise<BlockContents> {
    await this.#life.answer(signal, "no duty");
    return this.#options.view.options.contents;
  }

  onHead(handler: (event: HeadEvent) => void, signal: AbortSignal): void {
    this.#life.keep(this.#options.view.subscribe(handler), signal);
  }
}
