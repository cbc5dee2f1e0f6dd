/** The BeaconNode port over the dev chain, for one life of the node that asks. */
import { FaultError } from "../src/domain/errors.ts";
import { type PubKey, pubKeyOf, type Root, type Signature } from "../src/domain/keys.ts";
import type { Epoch, Slot, ValidatorIndex } from "../src/domain/units.ts";
import { decodeAttestationData } from "../src/eth2/attestationData.ts";
import type { ProducedBlock, SignedBlock } from "../src/eth2/blocks.ts";
import type { AttestationData, SignedAttestation } from "../src/eth2/types.ts";
import type {
  AttesterDuties,
  HeadEvent,
  ProposerDuties,
  ProposerPreparation,
  ValidatorState,
} from "../src/ports/beaconNode.ts";
import type { BlockEvent, SeenAttestation, SignedHeader } from "../src/ports/chainSightings.ts";
import { assert } from "../src/util/assert.ts";
import { fromHex } from "../src/util/bytes.ts";
import { BeaconLife } from "./beaconLife.ts";
import type { BeaconPortOptions, MachineBeacon } from "./ground.ts";
import type { RealBeaconNode } from "./realBeaconNode.ts";
import { type InProcessChain, parseRoot, type ShownAttestation } from "./realChain.ts";
import { SubmissionDesk } from "./submissionDesk.ts";

type Options = BeaconPortOptions & {
  readonly view: RealBeaconNode;
  readonly real: InProcessChain;
  readonly judge: { offer(block: SignedBlock): void };
};

const WEI_PER_GWEI = 1_000_000_000n;

export class RealBeaconPort implements MachineBeacon {
  readonly #options: Options;
  readonly #life: BeaconLife;
  readonly #desk: SubmissionDesk;

  constructor(options: Options) {
    const { view, judge, clock, onSubmitted } = options;
    const { weather } = view;
    const { ledger, isRelied } = view.options;
    this.#options = options;
    this.#life = new BeaconLife(weather, clock);
    this.#desk = new SubmissionDesk({
      life: this.#life,
      weather,
      ledger,
      isOnChain: () => isRelied,
      onOffered: (block) => judge.offer(block),
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

  spec(signal: AbortSignal): Promise<Readonly<Record<string, unknown>>> {
    return this.#ask(signal, (real) => real.spec());
  }

  syncStatus(signal: AbortSignal) {
    return this.#ask(signal, ({ headSlot }) => {
      return { headSlot, isSyncing: false, isElOffline: false };
    });
  }

  validators(pubKeys: readonly PubKey[], signal: AbortSignal): Promise<readonly ValidatorState[]> {
    return this.#ask(signal, (real) =>
      real.validators(pubKeys).map(({ pubkey, index, status }) => {
        return { pubKey: parsePubKey(pubkey), index, status };
      }),
    );
  }

  attesterDuties(
    epoch: Epoch,
    indices: readonly ValidatorIndex[],
    signal: AbortSignal,
  ): Promise<AttesterDuties> {
    return this.#ask(signal, (real) => {
      const { dependentRoot, duties } = real.attesterDuties(epoch, indices);
      return {
        dependentRoot: parseRoot(dependentRoot),
        duties: duties.map(({ pubkey, ...duty }) => ({ ...duty, pubKey: parsePubKey(pubkey) })),
      };
    });
  }

  proposerDuties(epoch: Epoch, signal: AbortSignal): Promise<ProposerDuties> {
    return this.#ask(signal, (real) => {
      const { dependentRoot, duties } = real.proposerDuties(epoch);
      return {
        dependentRoot: parseRoot(dependentRoot),
        duties: duties.map(({ pubkey, ...duty }) => ({ ...duty, pubKey: parsePubKey(pubkey) })),
      };
    });
  }

  attestationData(slot: Slot, signal: AbortSignal): Promise<AttestationData> {
    return this.#ask(signal, (real) => {
      const data = decodeAttestationData(real.attestationData(slot));
      assert(data !== null, "the dev chain makes attestation data");
      return data;
    });
  }

  blockSlot(root: Root, signal: AbortSignal): Promise<Slot | null> {
    return this.#ask(signal, (real) => real.slotOf(root));
  }

  produceBlock(
    slot: Slot,
    { randaoReveal }: { readonly randaoReveal: Signature },
    signal: AbortSignal,
  ): Promise<ProducedBlock> {
    return this.#ask(signal, (real) => {
      const { ssz, rewardGwei } = real.produce(slot, randaoReveal);
      const consensusBlockValue = rewardGwei * WEI_PER_GWEI;
      return {
        fork: "fulu",
        isBlinded: false,
        executionPayloadValue: 0n,
        consensusBlockValue,
        ssz,
      };
    });
  }

  submitAttestations(attestations: readonly SignedAttestation[], signal: AbortSignal) {
    return this.#desk.attest(attestations, signal);
  }

  publishBlock(block: SignedBlock, signal: AbortSignal): Promise<void> {
    return this.#desk.publish(block, signal);
  }

  prepareProposers(
    preparations: readonly ProposerPreparation[],
    signal: AbortSignal,
  ): Promise<void> {
    return this.#ask(signal, (real) => {
      for (const { validatorIndex, feeRecipient } of preparations) {
        const bytes = fromHex(feeRecipient);
        assert(bytes !== null, "the lock's fee recipients are hex");
        real.prepareProposer(validatorIndex, bytes);
      }
    });
  }

  signedHeader(block: Root, signal: AbortSignal): Promise<SignedHeader | null> {
    return this.#ask(signal, (real) => real.signedHeader(block), "no duty");
  }

  blockAttestations(block: Root, signal: AbortSignal): Promise<readonly SeenAttestation[]> {
    return this.#ask(signal, (real) => real.attestationsIn(block).map(seenOf), "no duty");
  }

  poolAttestations(slot: Slot, signal: AbortSignal): Promise<readonly SeenAttestation[]> {
    return this.#ask(signal, (real) => real.attestationsOf(slot).map(seenOf), "no duty");
  }

  committees(slot: Slot, signal: AbortSignal) {
    return this.#ask(
      signal,
      (real) => new Map(real.committees(slot).map((members, index) => [index, members])),
      "no duty",
    );
  }

  liveValidators(
    epoch: Epoch,
    indices: readonly ValidatorIndex[],
    signal: AbortSignal,
  ): Promise<readonly ValidatorIndex[]> {
    const live = (real: InProcessChain) => indices.filter((index) => real.isLive(epoch, index));
    return this.#ask(signal, live, "no duty");
  }

  /** Each block is a head here. */
  onBlock(handler: (event: BlockEvent) => void, signal: AbortSignal): void {
    this.#life.keep(this.#options.view.subscribe(handler), signal);
  }

  onSlashing(): void {
    // The dev chain's watcher tells of offences, and packs none of them.
  }

  onHead(handler: (event: HeadEvent) => void, signal: AbortSignal): void {
    this.#life.keep(this.#options.view.subscribe(handler), signal);
  }

  /** Asks the chain when the answer is due; what it refuses is a bad answer. */
  async #ask<T>(
    signal: AbortSignal,
    question: (real: InProcessChain) => T,
    waits: "a duty" | "no duty" = "a duty",
  ): Promise<T> {
    await this.#life.answer(signal, waits);
    const { real } = this.#options;
    try {
      return question(real);
    } catch (error) {
      const refusal = real.refusalIn(error);
      if (refusal === null) throw error;
      throw new FaultError("beacon_bad_response", refusal, { cause: error });
    }
  }
}

function seenOf({ data, positions, ...rest }: ShownAttestation): SeenAttestation {
  const decoded = decodeAttestationData(data);
  assert(decoded !== null, "the dev chain shows attestations");
  const members = new Set(positions);
  const has = (position: number): boolean => members.has(position);
  const { committees, length, signature } = rest;
  return { data: decoded, committees, bits: { length, set: members.size, has }, signature };
}

function parsePubKey(text: string): PubKey {
  const bytes = fromHex(text);
  assert(bytes !== null, "the dev chain names keys in hex");
  return pubKeyOf(bytes);
}
