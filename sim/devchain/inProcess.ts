/**
 * A dev chain inside another program's time: no listener, no clock and no timer of its own. What
 * crosses the border is numbers, hex, bytes and the Beacon API's JSON, so that neither side needs
 * the other's types. LODESTAR_PRESET is read when this module loads.
 */
import "./hasher.ts";
import { routes } from "@lodestar/api";
import { SLOTS_PER_EPOCH } from "@lodestar/params";
import { type fulu, ssz } from "@lodestar/types";
import { fromHex, toHex } from "../../src/util/bytes.ts";
import { listValidators } from "./api/beaconRoutes.ts";
import { specOf } from "./api/nodeRoutes.ts";
import { listProposers } from "./api/validatorRoutes.ts";
import { DevChain } from "./chain.ts";
import { createDevConfig } from "./chainConfig.ts";
import type { ChainAttestation } from "./chainTypes.ts";
import { plainKeys } from "./interopKeys.ts";
import { ChainRejection } from "./rejection.ts";
import { PlainValidators } from "./validators.ts";

export interface InProcessOptions {
  /** Whole seconds, as the state machine counts them. */
  readonly slotMs: number;
  /** Unix seconds. */
  readonly genesisTime: number;
  /** Validators 0 to plainCount − 1, with interop keys. */
  readonly plainCount: number;
  /** Compressed group keys of distributed validators: the indices from plainCount on. */
  readonly distributedPubkeys: readonly Uint8Array[];
  readonly nowMs: () => number;
}

/** A block that the state transition took, with the attesters whose votes are in it. */
export interface ImportedBlock {
  readonly slot: number;
  readonly root: string;
  readonly proposerIndex: number;
  readonly previousDutyDependentRoot: string;
  readonly currentDutyDependentRoot: string;
  readonly votes: readonly { readonly slot: number; readonly attesters: readonly number[] }[];
}

export function openInProcess(options: InProcessOptions): InProcessChain {
  return new InProcessChain(options);
}

export class InProcessChain {
  readonly #chain: DevChain;
  readonly #plain: PlainValidators;

  constructor({ slotMs, genesisTime, plainCount, distributedPubkeys, nowMs }: InProcessOptions) {
    const keys = plainKeys(plainCount);
    const plainPubkeys = [...keys.values()].map((key) => key.toPublicKey().toBytes());
    this.#chain = new DevChain({
      config: createDevConfig({ fork: "fulu", forkEpochs: {}, slotMs }),
      pubkeys: [...plainPubkeys, ...distributedPubkeys],
      genesisTime,
      slotMs,
      // A committee that is all the cluster's has nobody else to aggregate for it.
      packFrom: "all",
      clock: { nowMs, sleepUntil: () => Promise.resolve() },
    });
    this.#plain = new PlainValidators(this.#chain, keys);
  }

  get genesisValidatorsRoot(): string {
    return toHex(this.#chain.config.genesisValidatorsRoot);
  }

  get headSlot(): number {
    return this.#chain.head.slot;
  }

  /** Why messages of the plain validators were refused; empty in a healthy run. */
  get failures(): readonly string[] {
    return this.#plain.failures;
  }

  spec(): Readonly<Record<string, unknown>> {
    return specOf(this.#chain);
  }

  onImport(listener: (block: ImportedBlock) => void): void {
    this.#chain.subscribe((event) => {
      if (event.type !== routes.events.EventType.head) return;
      const { slot, block, ...dependentRoots } = event.message;
      const { signed, header } = this.#chain.head;
      const state = this.#chain.headState;
      const seq = this.#chain.config.getForkSeq(slot);
      const votes = (signed?.message.body.attestations ?? []).map((attestation) => ({
        slot: attestation.data.slot,
        attesters: [...state.epochCtx.getAttestingIndices(seq, attestation)],
      }));
      listener({
        slot,
        root: block,
        proposerIndex: header.proposerIndex,
        votes,
        ...dependentRoots,
      });
    });
  }

  /** The plain validators' part of the slot, each when its time has come. */
  propose(slot: number): void {
    this.#plain.guarded(slot, () => this.#plain.propose(slot));
  }

  attest(slot: number): void {
    this.#plain.guarded(slot, () => this.#plain.attest(slot));
  }

  aggregate(slot: number): void {
    this.#plain.guarded(slot, () => this.#plain.aggregate(slot));
  }

  validators(pubkeys: readonly string[]) {
    const state = this.#chain.stateAt(this.#chain.currentSlot());
    return listValidators(state, { validatorIds: [...pubkeys] }).map(
      ({ index, status, validator }) => ({ index, status, pubkey: toHex(validator.pubkey) }),
    );
  }

  attesterDuties(epoch: number, indices: readonly number[]) {
    const { epochCtx, validators } = this.#chain.dutyState(epoch);
    const assignments = epochCtx.getCommitteeAssignments(epoch, [...indices]);
    const duties = [...assignments.values()].map((duty) => ({
      ...duty,
      pubkey: toHex(validators.getReadonly(duty.validatorIndex).pubkey),
    }));
    return { dependentRoot: this.#chain.dependentRoot(epoch - 1), duties };
  }

  proposerDuties(epoch: number) {
    const duties = listProposers(this.#chain, epoch).map(({ pubkey, ...duty }) => {
      return { ...duty, pubkey: toHex(pubkey) };
    });
    return { dependentRoot: this.#chain.dependentRoot(epoch), duties };
  }

  /** AttestationData as SSZ. */
  attestationData(slot: number): Uint8Array {
    return ssz.phase0.AttestationData.serialize(this.#chain.attestationData(slot));
  }

  /** The slot of a known block, or null. */
  slotOf(root: string): number | null {
    const bytes = fromHex(root);
    return bytes === null ? null : (this.#chain.findBlock(bytes)?.slot ?? null);
  }

  /** A block's header as SSZ, with its signature; null when it is not known. */
  signedHeader(root: string) {
    const bytes = fromHex(root);
    const block = bytes === null ? null : this.#chain.findBlock(bytes);
    if (block === null || block === undefined) return null;
    const signature = block.signed?.signature ?? new Uint8Array(96);
    return { header: ssz.phase0.BeaconBlockHeader.serialize(block.header), signature };
  }

  attestationsIn(root: string) {
    const bytes = fromHex(root);
    const block = bytes === null ? null : this.#chain.findBlock(bytes);
    return (block?.signed?.message.body.attestations ?? []).map(shown);
  }

  attestationsOf(slot: number) {
    return this.#chain.attestations.held(slot).map(shown);
  }

  /** Members of the slot's committees. */
  committees(slot: number): number[][] {
    const epoch = Math.floor(slot / SLOTS_PER_EPOCH);
    const { epochCtx } = this.#chain.dutyState(epoch);
    const count = epochCtx.getCommitteeCountPerSlot(epoch);
    return Array.from({ length: count }, (_, index) => [
      ...epochCtx.getBeaconCommittee(slot, index),
    ]);
  }

  isLive(epoch: number, index: number): boolean {
    return this.#chain.isLive(epoch, index);
  }

  /** Takes a SingleAttestation as the Beacon API's JSON; what it has against it, or null. */
  addAttestation(json: unknown): string | null {
    const attestation = ssz.electra.SingleAttestation.fromJson(json);
    return this.#chain.attestations.add([attestation])[0]?.message ?? null;
  }

  prepareProposer(validatorIndex: number, feeRecipient: Uint8Array): void {
    this.#chain.feeRecipients.set(validatorIndex, feeRecipient);
  }

  /** BlockContents as SSZ, and what the block earns, in gwei. */
  produce(slot: number, randaoReveal: Uint8Array) {
    const graffiti = new Uint8Array(32);
    const { block, rewardGwei } = this.#chain.produce({ slot, randaoReveal, graffiti });
    const contents = { block: block as fulu.BeaconBlock, kzgProofs: [], blobs: [] };
    return { ssz: ssz.fulu.BlockContents.serialize(contents), rewardGwei };
  }

  /** Takes SignedBlockContents as SSZ; throws what the state transition has against the block. */
  publish(bytes: Uint8Array): void {
    this.#chain.importBlock(ssz.fulu.SignedBlockContents.deserialize(bytes).signedBlock);
  }

  /** What the chain has against a request, when that is what was thrown. */
  refusalIn(error: unknown): string | null {
    return error instanceof ChainRejection ? error.message : null;
  }
}

function shown({ data, aggregationBits, committeeBits, signature }: ChainAttestation) {
  return {
    data: ssz.phase0.AttestationData.serialize(data),
    committees: committeeBits.getTrueBitIndexes(),
    positions: aggregationBits.getTrueBitIndexes(),
    length: aggregationBits.bitLen,
    signature,
  };
}
