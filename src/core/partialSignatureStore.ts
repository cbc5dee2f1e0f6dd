/**
 * Partial signatures by duty, validator and share, until the duty's deadline. A share speaks once
 * per duty and validator: a second, different root is kept as evidence and not counted (FLOW-5).
 */
import type { Admitted, PartialSignature, PartialSignatureSet, Received } from "../domain/data.ts";
import type { Duty, DutyId } from "../domain/duty.ts";
import { dutyId } from "../domain/duty.ts";
import type { RejectionCode } from "../domain/errors.ts";
import type { LockIndex, Root, ShareIndex } from "../domain/keys.ts";
import { Listeners } from "../util/listeners.ts";
import type { Deadlines } from "./deadlines.ts";
import type { Evidence } from "./evidence.ts";
import type { PartialSignatureStore, ThresholdGroup } from "./interfaces.ts";

type StoreParts = {
  readonly threshold: number;
  readonly deadlines: Deadlines;
  readonly evidence: Evidence;
  readonly reject: (share: ShareIndex, code: RejectionCode) => void;
};
type ValidatorShares = {
  readonly shares: Map<ShareIndex, PartialSignature>;
  isSettled: boolean;
};

export class MemoryPartialSignatureStore implements PartialSignatureStore {
  readonly #parts: StoreParts;
  readonly #duties = new Map<DutyId, Map<LockIndex, ValidatorShares>>();
  readonly #threshold = new Listeners<[Duty, readonly ThresholdGroup[]]>();

  constructor(parts: StoreParts) {
    this.#parts = parts;
    parts.deadlines.onExpired((duty) => this.#duties.delete(dutyId(duty)));
  }

  onThreshold(handler: (duty: Duty, groups: readonly ThresholdGroup[]) => void): void {
    this.#threshold.add(handler);
  }

  storeOwn(set: Admitted<PartialSignatureSet>): void {
    this.#store(set);
  }

  storeReceived(set: Received<PartialSignatureSet>): void {
    this.#store(set);
  }

  settle(duty: Duty, validator: LockIndex): void {
    const known = this.#duties.get(dutyId(duty))?.get(validator);
    if (known !== undefined) known.isSettled = true;
  }

  drop(duty: Duty, validator: LockIndex, shares: readonly ShareIndex[]): void {
    const known = this.#duties.get(dutyId(duty))?.get(validator);
    if (known === undefined) return;
    for (const share of shares) known.shares.delete(share);
    // Whatever is left is reported, not only what the shares were part of: a run that ends with
    // nothing but shares dropped before it may have kept out the run with all the good ones.
    const roots = new Set([...known.shares.values()].map(({ messageRoot }) => messageRoot));
    const groups = [...roots].flatMap((root) => this.#groupOf(validator, known, root) ?? []);
    if (groups.length > 0) this.#threshold.emit(duty, groups);
  }

  #store(set: PartialSignatureSet): void {
    if (this.#parts.deadlines.signalOf(set.duty).aborted) return;
    const id = dutyId(set.duty);
    const validators = this.#duties.get(id) ?? new Map<LockIndex, ValidatorShares>();
    this.#duties.set(id, validators);
    const groups: ThresholdGroup[] = [];
    for (const partial of set.signatures) {
      const known = validators.get(partial.validator) ?? { shares: new Map(), isSettled: false };
      validators.set(partial.validator, known);
      if (!this.#add(set, partial, known)) continue;
      const group = this.#groupOf(partial.validator, known, partial.messageRoot);
      if (group !== null) groups.push(group);
    }
    if (groups.length > 0) this.#threshold.emit(set.duty, groups);
  }

  /** Whether the partial signature is new and counts. */
  #add(set: PartialSignatureSet, partial: PartialSignature, known: ValidatorShares): boolean {
    const before = known.shares.get(set.shareIndex);
    if (before === undefined) {
      known.shares.set(set.shareIndex, partial);
      return true;
    }
    if (before.messageRoot !== partial.messageRoot) {
      const { validator } = partial;
      const conflict = { share: set.shareIndex, validator, first: before, second: partial };
      this.#parts.evidence.keepPartials(set.duty, conflict);
      this.#parts.reject(set.shareIndex, "conflicting_root");
    }
    return false;
  }

  #groupOf(validator: LockIndex, known: ValidatorShares, root: Root): ThresholdGroup | null {
    if (known.isSettled) return null;
    const shares = [...known.shares]
      .filter(([, { messageRoot }]) => messageRoot === root)
      .map(([index, { signature }]) => ({ index, signature }));
    if (shares.length < this.#parts.threshold) return null;
    return { validator, messageRoot: root, shares };
  }
}
