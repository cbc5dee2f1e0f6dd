/**
 * Checks BLS signatures and is the only place that calls a set `Verified`: own partial signatures
 * under our PubShares, combined signatures under the validators' public keys.
 */
import type {
  AggregatedSet,
  AggregatedSignature,
  PartialSignature,
  PartialSignatureSet,
  SigningTask,
  Verified,
} from "../domain/data.ts";
import type { Duty } from "../domain/duty.ts";
import type { LockIndex, PubShare, ShareIndex, Signature } from "../domain/keys.ts";
import type { Bls, SignatureCheck, SignatureShare } from "../ports/bls.ts";

/** Share `index` of validator `validator` in the cluster lock. */
export type PubShareOf = (validator: LockIndex, share: ShareIndex) => PubShare;
type TaskOf = (validator: LockIndex) => SigningTask;

export class SignatureVerifier {
  readonly #bls: Bls;
  readonly #pubShareOf: PubShareOf;
  readonly #shares: number;

  /** `shares` is how many each validator's key has. */
  constructor(bls: Bls, pubShareOf: PubShareOf, shares: number) {
    this.#bls = bls;
    this.#pubShareOf = pubShareOf;
    this.#shares = shares;
  }

  /** The part of an own set whose signatures verify under this node's PubShares. */
  async verifyOwn(
    set: PartialSignatureSet,
    taskOf: TaskOf,
  ): Promise<Verified<PartialSignatureSet>> {
    const valid = await this.#valid(set.signatures, (partial) => ({
      publicKey: this.#pubShareOf(partial.validator, set.shareIndex),
      signingRoot: taskOf(partial.validator).signingRoot,
      signature: partial.signature,
    }));
    return { ...set, signatures: valid } as Verified<PartialSignatureSet>;
  }

  /** The part of combined signatures that verify under the validators' group keys. */
  async verifyAggregates(
    duty: Duty,
    signatures: readonly AggregatedSignature[],
    taskOf: TaskOf,
  ): Promise<Verified<AggregatedSet>> {
    const valid = await this.#valid(signatures, ({ validator, signature }) => ({
      publicKey: taskOf(validator).pubKey,
      signingRoot: taskOf(validator).signingRoot,
      signature,
    }));
    return { duty, signatures: valid } as Verified<AggregatedSet>;
  }

  /**
   * Partial signatures of peers that verify under their PubShares: evidence of what those signed,
   * never a set for the exchange.
   */
  validWitnesses(
    partials: readonly (PartialSignature & { readonly share: ShareIndex })[],
    taskOf: TaskOf,
  ): Promise<readonly (PartialSignature & { readonly share: ShareIndex })[]> {
    return this.#valid(partials, ({ share, validator, signature }) => ({
      publicKey: this.#pubShareOf(validator, share),
      signingRoot: taskOf(validator).signingRoot,
      signature,
    }));
  }

  /** Those of one validator's shares that do not verify. */
  async invalidShares(
    task: SigningTask,
    shares: readonly SignatureShare[],
  ): Promise<readonly ShareIndex[]> {
    const valid = await this.#valid(shares, ({ index, signature }) => ({
      publicKey: this.#pubShareOf(task.validator, index),
      signingRoot: task.signingRoot,
      signature,
    }));
    const validIndices = new Set(valid.map(({ index }) => index));
    return shares.map(({ index }) => index).filter((index) => !validIndices.has(index));
  }

  /**
   * Whose key made a signature that is not this node's share's: the validator's whole key, another
   * operator's share, or nobody's.
   */
  async signerOf(
    { validator, pubKey, signingRoot }: Pick<SigningTask, "validator" | "pubKey" | "signingRoot">,
    signature: Signature,
  ): Promise<"group" | ShareIndex | null> {
    if (await this.#bls.verify({ publicKey: pubKey, signingRoot, signature })) return "group";
    for (let share = 1; share <= this.#shares; share++) {
      const publicKey = this.#pubShareOf(validator, share);
      if (await this.#bls.verify({ publicKey, signingRoot, signature })) return share;
    }
    return null;
  }

  /** One batch in the good case; singly only when the batch fails, to find who is at fault. */
  async #valid<T extends PartialSignature | AggregatedSignature | SignatureShare>(
    items: readonly T[],
    checkOf: (item: T) => SignatureCheck,
  ): Promise<readonly T[]> {
    if (await this.#bls.verifyBatch(items.map(checkOf))) return items;
    const valid: T[] = [];
    for (const item of items) if (await this.#bls.verify(checkOf(item))) valid.push(item);
    return valid;
  }
}
