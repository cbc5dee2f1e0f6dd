/**
 * What the virtual chain has been handed: which duties of the cluster's validators are done, and
 * every message that a group key signed, for whoever looks for slashable ones. Signatures are
 * checked first, as a beacon node does: what does not verify is nobody's.
 */
import type { DistributedValidator } from "../src/cluster/cluster.ts";
import { type DutyId, type DutyType, dutyId } from "../src/domain/duty.ts";
import type { LockIndex, Root, Signature } from "../src/domain/keys.ts";
import type { Millis, Slot, ValidatorIndex } from "../src/domain/units.ts";
import type { SubmittedBlock } from "../src/eth2/blocks.ts";
import type { Chain } from "../src/eth2/chain.ts";
import { attesterDomain, computeSigningRoot, proposerDomain } from "../src/eth2/signing.ts";
import type { AttestationData, SignedAttestation } from "../src/eth2/types.ts";
import type { Bls } from "../src/ports/bls.ts";
import { Listeners } from "../src/util/listeners.ts";
import { voteRoot } from "./voteRoots.ts";

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

/** What the chain says of a message that a group key has signed. */
export type ChainJudge = {
  /** What keeps the attestation from the chain; null when it is taken. */
  attest(attestation: SignedAttestation, claim: Claim): Promise<string | null>;
  /** What keeps the block from the chain; null when it is on it. */
  propose(block: SubmittedBlock, claim: Claim): Promise<string | null>;
  /** Forgets what is older than any duty looks back. */
  enterSlot(oldest: Slot): void;
};
export type Claim = {
  readonly validator: LockIndex;
  /** False for what reaches nobody but the beacon node that it was handed to. */
  readonly isOnChain: boolean;
  /** The chain counts the duty of that slot as done. */
  readonly done: () => void;
};

type LedgerOptions = {
  readonly chain: Chain;
  readonly judge: ChainJudge;
  readonly validators: readonly DistributedValidator[];
  readonly bls: Bls;
  readonly now: () => Millis;
  readonly onIncluded: (duty: DutyId, validator: LockIndex) => void;
};

export class Ledger {
  readonly #options: LedgerOptions;
  /** When a validator's duty was first done, by slot. */
  readonly #included = new Map<Slot, Map<string, Millis>>();
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
    const { chain, judge, validators } = this.#options;
    const { data, validatorIndex, signature } = attestation;
    const validator = validators[validatorIndex - FIRST_INDEX];
    if (validator === undefined) return "unknown validator";
    const root = voteRoot(data);
    const domain = attesterDomain(chain, data.target.epoch);
    const claim = { slot: data.slot, validator, root: computeSigningRoot(root, domain), signature };
    const { lockIndex } = validator;
    const isNew = await this.#verify(claim);
    if (isNew === null) return "the signature does not verify";
    if (isNew) this.#signed.emit({ kind: "attestation", validator: lockIndex, root, data });
    const done = (): void => this.include("attester", data.slot, lockIndex);
    return judge.attest(attestation, { validator: lockIndex, isOnChain, done });
  }

  /** What keeps the block from the chain; null when it is on it. */
  async propose(block: SubmittedBlock, isOnChain: boolean): Promise<string | null> {
    const { chain, judge, validators } = this.#options;
    const { slot, proposerIndex, root, signature } = block;
    const validator = validators[proposerIndex - FIRST_INDEX];
    if (validator === undefined) return "unknown validator";
    const domain = proposerDomain(chain, chain.epochOf(slot));
    const claim = { slot, validator, root: computeSigningRoot(root, domain), signature };
    const isNew = await this.#verify(claim);
    if (isNew === null) return "the signature does not verify";
    const { lockIndex } = validator;
    if (isNew) this.#signed.emit({ kind: "block", validator: lockIndex, root, slot });
    const done = (): void => this.include("proposer", slot, lockIndex);
    return judge.propose(block, { validator: lockIndex, isOnChain, done });
  }

  enterSlot(slot: Slot): void {
    const oldest = slot - 4 * this.#options.chain.spec.slotsPerEpoch;
    for (const map of [this.#included, this.#verified]) {
      for (const old of map.keys()) if (old < oldest) map.delete(old);
    }
    this.#options.judge.enterSlot(oldest);
  }

  /** The chain counts a duty as done: the first time it does, it is told. */
  include(type: DutyType, slot: Slot, validator: LockIndex): void {
    const duty = dutyId({ slot, type });
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
