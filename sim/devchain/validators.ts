/**
 * The plain validators: keys held in this process, signing straight on the chain object. They keep
 * the chain alive and aggregate what the distributed validators attest. They hold no key of a
 * distributed validator, so a slot whose proposer is one stays empty unless its cluster proposes.
 */
import type { SecretKey } from "@chainsafe/blst";
import * as params from "@lodestar/params";
import {
  isAggregatorFromCommitteeLength,
  isSyncCommitteeAggregator,
} from "@lodestar/state-transition";
import { type gloas, type phase0, ssz } from "@lodestar/types";
import type { DevChain } from "./chain.ts";
import type { SignedChainAggregate, SignedChainBlock } from "./chainTypes.ts";
import type { ChainRejection } from "./rejection.ts";
import { epochAtSlot } from "./signatures.ts";

const BASIS_POINTS = 10_000;

interface AttesterSeat {
  readonly validatorIndex: number;
  readonly committeeIndex: number;
  readonly committeeLength: number;
}

export class PlainValidators {
  /** Why any of their own messages was refused; empty in a healthy run. */
  readonly failures: string[] = [];
  readonly #chain: DevChain;
  readonly #keys: ReadonlyMap<number, SecretKey>;
  /** What they attested in the current slot, for the aggregates. */
  #attested: { readonly slot: number; readonly data: phase0.AttestationData } | null = null;

  constructor(chain: DevChain, keys: ReadonlyMap<number, SecretKey>) {
    this.#chain = chain;
    this.#keys = keys;
  }

  /** Follows the chain's clock slot by slot until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    for (let slot = this.#chain.currentSlot(); !signal.aborted; slot++) {
      for (const { dueBps, run } of this.#phases(slot)) {
        const offsetMs = (this.#chain.slotMs * dueBps) / BASIS_POINTS;
        await this.#chain.clock.sleepUntil(this.#chain.slotStartMs(slot) + offsetMs, signal);
        if (signal.aborted) return;
        this.guarded(slot, run);
      }
    }
  }

  /** All duties of a slot at once, for a virtual clock that stands in that slot. */
  runSlot(slot: number): void {
    for (const { run } of this.#phases(slot)) this.guarded(slot, run);
  }

  /** The block proposal of `slot`, when its proposer is a plain validator. */
  propose(slot: number): void {
    if (slot <= this.#chain.head.slot) return;
    const proposer = this.#chain.stateAt(slot).epochCtx.getBeaconProposer(slot);
    if (!this.#keys.has(proposer)) return;
    const { roots } = this.#chain.signatures;
    const { block } = this.#chain.produce({
      slot,
      randaoReveal: this.#sign(proposer, roots.randao(slot)),
      graffiti: new Uint8Array(32),
    });
    const signature = this.#sign(proposer, roots.block(block));
    this.#chain.importBlock({ message: block, signature } as SignedChainBlock);
    const envelope = this.#chain.payloads.findEnvelope(this.#chain.head.root);
    if (!envelope) return;
    const signed = { message: envelope, signature: this.#sign(proposer, roots.envelope(envelope)) };
    this.#chain.payloads.importEnvelope(signed);
  }

  /** Attestations and sync committee messages. */
  attest(slot: number): void {
    const { signatures, attestations, syncCommittee, head } = this.#chain;
    const data = this.#chain.attestationData(slot);
    this.#attested = { slot, data };
    const root = signatures.roots.attestation(data);
    const singles = this.#attesterSeats(slot).map(({ validatorIndex, committeeIndex }) => ({
      committeeIndex,
      attesterIndex: validatorIndex,
      data,
      signature: this.#sign(validatorIndex, root),
    }));
    this.#note("attestation", attestations.add(singles));
    const syncRoot = signatures.roots.syncMessage(slot, head.root);
    const messages = [...this.#syncSeats(slot).keys()].map((validatorIndex) => ({
      slot,
      beaconBlockRoot: head.root,
      validatorIndex,
      signature: this.#sign(validatorIndex, syncRoot),
    }));
    this.#note("sync message", syncCommittee.add(messages));
  }

  /** One aggregate per committee and one contribution per subcommittee with a plain aggregator. */
  aggregate(slot: number): void {
    this.#aggregateAttestations(slot);
    this.#aggregateSyncMessages(slot);
  }

  /** Gloas: votes on whether the payload of the slot's block was revealed in time. */
  attestPayload(slot: number): void {
    const data = this.#chain.payloads.attestationData(slot);
    if (!data) return;
    const { epochCtx } = this.#chain.stateAt(slot);
    const members = new Set(epochCtx.getPayloadTimelinessCommittee(slot));
    const root = this.#chain.signatures.roots.payloadAttestation(data);
    const messages: gloas.PayloadAttestationMessage[] = [...members]
      .filter((validatorIndex) => this.#keys.has(validatorIndex))
      .map((validatorIndex) => ({
        validatorIndex,
        data,
        signature: this.#sign(validatorIndex, root),
      }));
    this.#note("payload attestation", this.#chain.payloads.addVotes(messages));
  }

  #phases(slot: number): { readonly dueBps: number; readonly run: () => void }[] {
    const { config } = this.#chain;
    const isGloas = config.getForkSeq(slot) >= params.ForkSeq.gloas;
    const attest = isGloas ? config.ATTESTATION_DUE_BPS_GLOAS : config.ATTESTATION_DUE_BPS;
    const aggregate = isGloas ? config.AGGREGATE_DUE_BPS_GLOAS : config.AGGREGATE_DUE_BPS;
    const phases = [
      { dueBps: 0, run: () => this.propose(slot) },
      { dueBps: attest, run: () => this.attest(slot) },
      { dueBps: aggregate, run: () => this.aggregate(slot) },
    ];
    if (!isGloas) return phases;
    const dueBps = config.PAYLOAD_ATTESTATION_DUE_BPS;
    return [...phases, { dueBps, run: () => this.attestPayload(slot) }];
  }

  /** One failing duty must not stop the chain, and must not go unseen either. */
  guarded(slot: number, run: () => void): void {
    try {
      run();
    } catch (error) {
      this.failures.push(`slot ${slot}: ${error instanceof Error ? error.stack : String(error)}`);
    }
  }

  #note(what: string, results: readonly (ChainRejection | null)[]): void {
    for (const rejection of results) {
      if (rejection) this.failures.push(`${what}: ${rejection.message}`);
    }
  }

  #aggregateAttestations(slot: number): void {
    if (this.#attested?.slot !== slot) return;
    const { signatures, attestations } = this.#chain;
    const dataRoot = ssz.phase0.AttestationData.hashTreeRoot(this.#attested.data);
    const selectionRoot = signatures.roots.selectionProof(slot);
    const done = new Set<number>();
    for (const { validatorIndex, committeeIndex, committeeLength } of this.#attesterSeats(slot)) {
      if (done.has(committeeIndex)) continue;
      const selectionProof = this.#sign(validatorIndex, selectionRoot);
      if (!isAggregatorFromCommitteeLength(committeeLength, selectionProof)) continue;
      done.add(committeeIndex);
      const aggregate = attestations.aggregate(dataRoot, committeeIndex);
      const message = { aggregatorIndex: validatorIndex, aggregate, selectionProof };
      const root = signatures.roots.aggregateAndProof(message);
      const signature = this.#sign(validatorIndex, root);
      attestations.addAggregate({ message, signature } as SignedChainAggregate);
    }
  }

  #aggregateSyncMessages(slot: number): void {
    const { signatures, syncCommittee, head } = this.#chain;
    const done = new Set<number>();
    for (const [validatorIndex, seats] of this.#syncSeats(slot)) {
      const subcommittees = seats.map((s) => Math.floor(s / params.SYNC_COMMITTEE_SUBNET_SIZE));
      for (const index of new Set(subcommittees)) {
        if (done.has(index)) continue;
        const proofRoot = signatures.roots.syncSelectionProof(slot, index);
        const selectionProof = this.#sign(validatorIndex, proofRoot);
        if (!isSyncCommitteeAggregator(selectionProof)) continue;
        done.add(index);
        const contribution = syncCommittee.contribution(slot, index, head.root);
        const message = { aggregatorIndex: validatorIndex, contribution, selectionProof };
        const signature = this.#sign(
          validatorIndex,
          signatures.roots.contributionAndProof(message),
        );
        syncCommittee.addContribution({ message, signature });
      }
    }
  }

  #attesterSeats(slot: number): AttesterSeat[] {
    const { epochCtx } = this.#chain.stateAt(slot);
    const count = epochCtx.getCommitteeCountPerSlot(epochAtSlot(slot));
    return Array.from({ length: count }, (_, committeeIndex) => {
      const committee = epochCtx.getBeaconCommittee(slot, committeeIndex);
      const committeeLength = committee.length;
      return [...committee]
        .filter((validatorIndex) => this.#keys.has(validatorIndex))
        .map((validatorIndex) => ({ validatorIndex, committeeIndex, committeeLength }));
    }).flat();
  }

  /** Own seats in the sync committee that signs in `slot`. */
  #syncSeats(slot: number): Map<number, readonly number[]> {
    const committee = this.#chain.stateAt(slot).epochCtx.getIndexedSyncCommittee(slot);
    const own = [...committee.validatorIndexMap].filter(([index]) => this.#keys.has(index));
    return new Map(own);
  }

  #sign(validatorIndex: number, root: Uint8Array): Uint8Array {
    const key = this.#keys.get(validatorIndex);
    if (!key) throw new Error(`validator ${validatorIndex} is not a plain one`);
    return key.sign(root).toBytes();
  }
}
