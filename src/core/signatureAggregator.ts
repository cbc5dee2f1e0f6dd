/**
 * Combines partial signatures into group signatures: t shares at a time, verified in one batch
 * under the group keys. Only when that fails are the shares looked at one by one; who sent a bad
 * one is dropped from the group, scored, and verified before use for a while (FLOW-6).
 */
import type {
  AggregatedSet,
  AggregatedSignature,
  SigningTask,
  UnsignedData,
  Verified,
} from "../domain/data.ts";
import type { Duty } from "../domain/duty.ts";
import { dutyId } from "../domain/duty.ts";
import type { RejectionCode } from "../domain/errors.ts";
import type { LockIndex, ShareIndex } from "../domain/keys.ts";
import { SUSPECT_SLOTS } from "../domain/limits.ts";
import type { Slot } from "../domain/units.ts";
import type { DutyKind } from "../duties/kind.ts";
import type { Chain } from "../eth2/chain.ts";
import type { Bls, SignatureShare } from "../ports/bls.ts";
import type { SafetyGate } from "../safety/gate.ts";
import { Listeners } from "../util/listeners.ts";
import type { Background } from "./background.ts";
import type { Deadlines } from "./deadlines.ts";
import type {
  DutyStore,
  PartialSignatureStore,
  Scheduler,
  SignatureAggregator,
  ThresholdGroup,
  Tracker,
} from "./interfaces.ts";
import type { SignatureVerifier } from "./signatureVerifier.ts";
import { tasksByValidator } from "./tasks.ts";

type AggregatorParts = {
  readonly threshold: number;
  readonly chain: Chain;
  readonly bls: Bls;
  readonly gate: SafetyGate;
  readonly verifier: SignatureVerifier;
  readonly dutyStore: DutyStore;
  readonly partialSignatures: PartialSignatureStore;
  readonly scheduler: Scheduler;
  readonly deadlines: Deadlines;
  readonly background: Background;
  readonly kindOf: (duty: Duty) => DutyKind;
  readonly reject: (share: ShareIndex, code: RejectionCode) => void;
  readonly tracker: Tracker;
};
/** Shares of one validator that were proved invalid. */
type Liar = { readonly validator: LockIndex; readonly shares: readonly ShareIndex[] };
type Candidate = { readonly group: ThresholdGroup; readonly task: SigningTask };

export class ThresholdAggregator implements SignatureAggregator {
  readonly #parts: AggregatorParts;
  readonly #aggregated = new Listeners<[Verified<AggregatedSet>]>();
  /** Validators whose shares are being combined, as `duty/validator`. */
  readonly #busy = new Set<string>();
  /** Shares that were caught lying, and the slot from which they are trusted again. */
  readonly #suspects = new Map<ShareIndex, Slot>();

  constructor(parts: AggregatorParts) {
    this.#parts = parts;
  }

  onAggregated(handler: (set: Verified<AggregatedSet>) => void): void {
    this.#aggregated.add(handler);
  }

  aggregate(duty: Duty, groups: readonly ThresholdGroup[]): void {
    const { background, tracker } = this.#parts;
    background.run(
      () => this.#aggregateOnce(duty, groups),
      (fault) => tracker.noted(duty, fault.code),
    );
  }

  /** A group that is being combined already is left to that run: it settles or drops shares. */
  async #aggregateOnce(duty: Duty, groups: readonly ThresholdGroup[]): Promise<void> {
    const { dutyStore, deadlines } = this.#parts;
    const data = await dutyStore.awaitData(duty, deadlines.signalOf(duty));
    const keyOf = ({ validator }: ThresholdGroup): string => `${dutyId(duty)}/${validator}`;
    const fresh = groups.filter((group) => !this.#busy.has(keyOf(group)));
    for (const group of fresh) this.#busy.add(keyOf(group));
    let liars: readonly Liar[] = [];
    try {
      liars = await this.#combine(data, fresh);
    } finally {
      for (const group of fresh) this.#busy.delete(keyOf(group));
    }
    for (const liar of liars) this.#drop(duty, liar);
  }

  async #combine(data: UnsignedData, groups: readonly ThresholdGroup[]): Promise<readonly Liar[]> {
    const { duty } = data;
    const candidates = this.#candidates(data, groups);
    const { clean, liars } = await this.#withoutSuspectShares(duty, candidates);
    const combined = await this.#combineEach(clean);
    const taskOf = tasksByValidator(candidates.map(({ task }) => task));
    const verified = await this.#parts.verifier.verifyAggregates(duty, combined, taskOf);
    const done = new Set(verified.signatures.map(({ validator }) => validator));
    if (done.size > 0) await this.#emit(verified, candidates);
    const failed = clean.filter(({ group }) => !done.has(group.validator));
    return [...liars, ...(await this.#findLiars(failed))];
  }

  /** Groups that agree on what the cluster decided; others can never become a group signature. */
  #candidates(data: UnsignedData, groups: readonly ThresholdGroup[]): readonly Candidate[] {
    const { kindOf, scheduler, chain, tracker } = this.#parts;
    const { duty } = data;
    const tasks = kindOf(duty).tasks(data, scheduler.definitions(duty), chain);
    const byValidator = new Map(tasks.map((task) => [task.validator, task]));
    return groups.flatMap((group) => {
      const task = byValidator.get(group.validator);
      if (task?.messageRoot === group.messageRoot) return [{ group, task }];
      tracker.noted(duty, "shares agree on a root that was not decided");
      return [];
    });
  }

  async #withoutSuspectShares(
    duty: Duty,
    candidates: readonly Candidate[],
  ): Promise<{ readonly clean: readonly Candidate[]; readonly liars: readonly Liar[] }> {
    for (const [share, until] of this.#suspects) {
      if (duty.slot >= until) this.#suspects.delete(share);
    }
    const isSuspect = ({ index }: SignatureShare): boolean => this.#suspects.has(index);
    const tainted = candidates.filter(({ group }) => group.shares.some(isSuspect));
    const liars = await this.#findLiars(tainted, isSuspect);
    const lying = new Set(liars.map(({ validator }) => validator));
    return { clean: candidates.filter(({ group }) => !lying.has(group.validator)), liars };
  }

  async #combineEach(candidates: readonly Candidate[]): Promise<readonly AggregatedSignature[]> {
    const combined: AggregatedSignature[] = [];
    for (const { group } of candidates) {
      const shares = group.shares.slice(0, this.#parts.threshold);
      const signature = await this.#parts.bls.combine(shares);
      if (signature === null) continue;
      combined.push({ validator: group.validator, messageRoot: group.messageRoot, signature });
    }
    return combined;
  }

  /** GATE: the aggregate is checked before it is submitted, the third time in its life. */
  async #emit(verified: Verified<AggregatedSet>, candidates: readonly Candidate[]): Promise<void> {
    const { gate, partialSignatures, tracker } = this.#parts;
    const { duty } = verified;
    const done = new Set(verified.signatures.map(({ validator }) => validator));
    const tasks = candidates.map(({ task }) => task).filter(({ validator }) => done.has(validator));
    const refusals = await gate.checkAggregate(tasks);
    const refused = new Set<LockIndex>();
    tasks.forEach((task, i) => {
      const reason = refusals[i] ?? null;
      if (reason === null) return;
      refused.add(task.validator);
      tracker.noted(duty, reason.code);
    });
    for (const validator of done) partialSignatures.settle(duty, validator);
    const signatures = verified.signatures.filter(({ validator }) => !refused.has(validator));
    if (signatures.length > 0) this.#aggregated.emit({ ...verified, signatures });
  }

  async #findLiars(
    candidates: readonly Candidate[],
    among: (share: SignatureShare) => boolean = () => true,
  ): Promise<readonly Liar[]> {
    const liars: Liar[] = [];
    for (const { group, task } of candidates) {
      const shares = group.shares.filter(among);
      const invalid = await this.#parts.verifier.invalidShares(task, shares);
      if (invalid.length > 0) liars.push({ validator: group.validator, shares: invalid });
    }
    return liars;
  }

  #drop(duty: Duty, { validator, shares }: Liar): void {
    for (const share of shares) {
      this.#suspects.set(share, duty.slot + SUSPECT_SLOTS);
      this.#parts.reject(share, "bad_signature");
    }
    this.#parts.partialSignatures.drop(duty, validator, shares);
  }
}
