/**
 * What the virtual chain has been handed: which duties of the cluster's validators are done, and
 * every message that a group key signed, for whoever looks for slashable ones. Signatures are
 * checked first, as a beacon node does: what does not verify is nobody's.
 */
import type { DistributedValidator } from "../src/cluster/cluster.ts";
import { type DutyId, dutyId } from "../src/domain/duty.ts";
import type { LockIndex, Root, Signature } from "../src/domain/keys.ts";
import type { Millis, Slot, ValidatorIndex } from "../src/domain/units.ts";
import { attestationDataRoot } from "../src/eth2/attestationData.ts";
import type { Proposal, SubmittedBlock } from "../src/eth2/blocks.ts";
import { attesterDomain, computeSigningRoot, proposerDomain } from "../src/eth2/signing.ts";
import type { AttestationData, SignedAttestation } from "../src/eth2/types.ts";
import type { Bls } from "../src/ports/bls.ts";
import { Listeners } from "../src/util/listeners.ts";
import type { VirtualChain } from "./virtualChain.ts";

/** First index of the cluster's validators in the registry. */
export const FIRST_INDEX: ValidatorIndex = 100;

/** A message that a validator's group key signed. */
export type GroupSigned =
  | {
      readonly kind: "attestation";
      readonly validator: LockIndex;
      readonly root: Root;
      readonly data: AttestationData;
    }
  | {
      readonly kind: "block";
      readonly validator: LockIndex;
      readonly root: Root;
      readonly slot: Slot;
    };

type LedgerOptions = {
  readonly chain: VirtualChain;
  readonly validators: readonly DistributedValidator[];
  readonly bls: Bls;
  readonly now: () => Millis;
  readonly onIncluded: (duty: DutyId, validator: LockIndex) => void;
};

export class Ledger {
  readonly #options: LedgerOptions;
  /** When a validator's duty was first done, by slot. */
  readonly #included = new Map<Slot, Map<string, Millis>>();
  /** What blocks that were built, and perhaps never published, stand on. */
  readonly #parents = new Map<Slot, Map<Root, Root>>();
  /** Verified signatures, so that n copies of one cost one check. */
  readonly #verified = new Map<Slot, Set<string>>();
  readonly #signed = new Listeners<[GroupSigned]>();

  constructor(options: LedgerOptions) {
    this.#options = options;
  }

  /** Each message that a group key signed, once. */
  onSigned(handler: (message: GroupSigned) => void): void {
    this.#signed.add(handler);
  }

  /** When the duty of a validator was done; null when it was not. */
  includedAt(duty: DutyId, validator: LockIndex): Millis | null {
    const slot = Number(duty.slice(0, duty.indexOf("/")));
    return this.#included.get(slot)?.get(`${duty}/${validator}`) ?? null;
  }

  /** What keeps the attestation from the chain; null when it is taken. */
  async attest(attestation: SignedAttestation, isOnChain: boolean): Promise<string | null> {
    const { chain, validators } = this.#options;
    const { data, validatorIndex, signature } = attestation;
    const validator = validators[validatorIndex - FIRST_INDEX];
    if (validator === undefined) return "unknown validator";
    const root = attestationDataRoot(data);
    const domain = attesterDomain(chain.chain, data.target.epoch);
    const claim = { slot: data.slot, validator, root: computeSigningRoot(root, domain), signature };
    const { lockIndex } = validator;
    const isNew = await this.#verify(claim);
    if (isNew === null) return "the signature does not verify";
    if (isNew) this.#signed.emit({ kind: "attestation", validator: lockIndex, root, data });
    const epoch = chain.chain.epochOf(data.slot);
    if (chain.seatsOf(epoch, chain.head).slots[lockIndex] !== data.slot) {
      return "the validator has no seat in this slot";
    }
    if (!isOnChain) return null;
    if (data.source.epoch !== chain.justified(epoch, chain.head)) return "another source";
    this.#include(dutyId({ slot: data.slot, type: "attester" }), data.slot, lockIndex);
    return null;
  }

  /** A beacon node built the block: what it stands on is remembered until it is published. */
  produced({ slot, root, parentRoot }: Proposal): void {
    this.#parents.set(slot, (this.#parents.get(slot) ?? new Map()).set(root, parentRoot));
  }

  /** What keeps the block from the chain; null when it is on it. */
  async propose(block: SubmittedBlock, isOnChain: boolean): Promise<string | null> {
    const { chain, validators } = this.#options;
    const { slot, proposerIndex, root, signature } = block;
    const validator = validators[proposerIndex - FIRST_INDEX];
    if (validator === undefined) return "unknown validator";
    const domain = proposerDomain(chain.chain, chain.chain.epochOf(slot));
    const claim = { slot, validator, root: computeSigningRoot(root, domain), signature };
    const isNew = await this.#verify(claim);
    if (isNew === null) return "the signature does not verify";
    const { lockIndex } = validator;
    if (isNew) this.#signed.emit({ kind: "block", validator: lockIndex, root, slot });
    const parent = this.#parents.get(slot)?.get(root);
    if (parent === undefined) return "no beacon node built this block";
    if (!isOnChain) return null;
    const added = chain.publish({ slot, root, parent });
    if (added === null) return "the parent or the proposer is wrong";
    this.#include(dutyId({ slot, type: "proposer" }), slot, lockIndex);
    return null;
  }

  enterSlot(slot: Slot): void {
    const oldest = slot - 4 * this.#options.chain.chain.spec.slotsPerEpoch;
    for (const map of [this.#included, this.#verified, this.#parents]) {
      for (const old of map.keys()) if (old < oldest) map.delete(old);
    }
  }

  #include(duty: DutyId, slot: Slot, validator: LockIndex): void {
    const included = this.#included.get(slot) ?? new Map<string, Millis>();
    const key = `${duty}/${validator}`;
    if (included.has(key)) return;
    this.#included.set(slot, included.set(key, this.#options.now()));
    this.#options.onIncluded(duty, validator);
  }

  /** Whether the signature was not seen before; null when it does not verify. */
  async #verify(claim: {
    readonly slot: Slot;
    readonly validator: DistributedValidator;
    readonly root: Root;
    readonly signature: Signature;
  }): Promise<boolean | null> {
    const { slot, validator, root: signingRoot, signature } = claim;
    const seen = this.#verified.get(slot) ?? new Set();
    const key = `${validator.lockIndex}/${signingRoot}`;
    const check = { publicKey: validator.pubKey, signingRoot, signature };
    if (seen.has(key)) return false;
    if (!(await this.#options.bls.verify(check))) return null;
    this.#verified.set(slot, seen.add(key));
    return true;
  }
}
