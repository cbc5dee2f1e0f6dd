/**
 * The safety gate: the only way from a verified partial signature to the network, and the only file
 * that mints `Admitted`. Fails closed: whatever throws in here, nothing is admitted.
 *
 * The order of its checks is DESIGN §7's: frozen, instance lock, the guards (migration wait,
 * foreign signer), the duty's limit, what was decided, EIP-3076, the synced write, and the instance
 * lock and the freezes again.
 */
import type {
  Admitted,
  PartialSignature,
  PartialSignatureSet,
  SigningTask,
  Verified,
} from "../domain/data.ts";
import type { Duty } from "../domain/duty.ts";
import { FaultError, type RefusalCode, type RefusalReason } from "../domain/errors.ts";
import type { LockIndex, PubKey, PubShare, ShareIndex } from "../domain/keys.ts";
import { MAX_AUDIT_LINES_PENDING } from "../domain/limits.ts";
import type { InstanceLock } from "../ports/instanceLock.ts";
import type { AuditLog, SigningDecision } from "./auditLog.ts";
import type { DutySafety, GateGuard, GuardSubject } from "./guards.ts";
import type { PrecursorKind, Precursors } from "./precursors.ts";
import { SigningLimits } from "./signingLimits.ts";
import type { SlashingStore, SlashingTransaction } from "./slashingStore.ts";

export type AdmitRequest = {
  /** What the cluster decided that this node's validators sign for the duty. */
  readonly tasks: readonly SigningTask[];
  readonly set: Verified<PartialSignatureSet>;
  /** Who made the signatures, for the audit log. */
  readonly caller: string;
};
export type Refused = { readonly validator: LockIndex; readonly reason: RefusalReason };
export type AdmitResult = {
  /** The signatures that may leave, all of their records durable; null when there are none. */
  readonly admitted: Admitted<PartialSignatureSet> | null;
  readonly refused: readonly Refused[];
};

/** Slashing protection for everything that is signed, checked three times (GATE-7). */
export interface SafetyGate {
  /** Which of a proposed value's tasks could be signed now; null where nothing is against it. */
  checkValue(tasks: readonly SigningTask[]): readonly (RefusalReason | null)[];
  /** Own partial signatures; a refused validator never holds up its siblings (GATE-3). */
  admit(request: AdmitRequest): Promise<AdmitResult>;
  /** Group signatures before they are submitted, recorded too; null where one may go. */
  checkAggregate(tasks: readonly SigningTask[]): Promise<readonly (RefusalReason | null)[]>;
  /**
   * What of an admitted set may leave at this moment: nothing once the heartbeat is too old, and no
   * signature of a validator that a freeze or a guard has stopped since. Null when nothing may.
   */
  stillAdmitted(set: Admitted<PartialSignatureSet>): Admitted<PartialSignatureSet> | null;
  /** Whether this very message was signed before: by a share of ours, or by the cluster. */
  isRecorded(task: SigningTask): boolean;
}

/** Freezes as the gate asks for them: of a validator, for a part of its work. */
export interface FreezeView {
  refusalOf(pubKey: PubKey, scope: DutySafety["scope"]): RefusalReason | null;
}

export type GateParts = {
  readonly slashing: SlashingStore;
  readonly lock: InstanceLock;
  readonly freezes: FreezeView;
  /** Asked in this order: the migration wait, then foreign signers. */
  readonly guards: readonly GateGuard[];
  readonly safetyOf: (duty: Duty) => DutySafety;
  /** Of the cluster lock. */
  readonly pubKeyOf: (validator: LockIndex) => PubKey;
  readonly pubShareOf: (validator: LockIndex, share: ShareIndex) => PubShare;
  readonly audit: Pick<AuditLog, "append" | "isFull">;
  readonly precursors: Pick<Precursors, "count">;
};

type Verdict = RefusalReason | null;
/** A signature with everything that the cluster decided for its validator and duty. */
type Asked = { readonly signature: PartialSignature; readonly tasks: readonly SigningTask[] };
type Context = {
  readonly request: AdmitRequest;
  readonly transaction: SlashingTransaction;
  readonly lockRefusal: Verdict;
};

export function createSafetyGate(parts: GateParts): SafetyGate {
  return new Gate(parts);
}

class Gate implements SafetyGate {
  readonly #parts: GateParts;
  readonly #limits: SigningLimits;

  constructor(parts: GateParts) {
    this.#parts = parts;
    this.#limits = new SigningLimits((duty) => parts.safetyOf(duty).messagesPerValidator);
  }

  checkValue(tasks: readonly SigningTask[]): readonly Verdict[] {
    return tasks.map((task) => checkTask(this.#parts.slashing, task));
  }

  async admit(request: AdmitRequest): Promise<AdmitResult> {
    const { tasks, set } = request;
    const decided = Map.groupBy(tasks, (task) => task.validator);
    const asked = set.signatures.map((signature): Asked => {
      return { signature, tasks: decided.get(signature.validator) ?? [] };
    });
    const decisions = await this.#inOneBatch(
      (transaction, lockRefusal) =>
        asked.map((one) => this.#decide(one, { request, transaction, lockRefusal })),
      // A freeze that came during the write holds too.
      (index) => this.#frozen(set.duty, set.signatures[index]?.validator ?? 0),
    );
    for (const [index, { withheld }] of decisions.entries()) {
      const one = asked[index];
      if (withheld !== null && one) this.#tell(request, one, { verdict: "withheld", ...withheld });
    }
    const reasons = decisions.map(({ refusal, withheld }) => refusal ?? withheld);
    const approved = set.signatures.filter((_, index) => reasons[index] === null);
    const rest: PartialSignatureSet = { ...set, signatures: approved };
    return {
      // GATE-1: minted here alone, after the records of all these signatures are on disk.
      admitted: approved.length === 0 ? null : (rest as Admitted<PartialSignatureSet>),
      refused: set.signatures.flatMap(({ validator }, index) => {
        const reason = reasons[index] ?? null;
        return reason === null ? [] : [{ validator, reason }];
      }),
    };
  }

  async checkAggregate(tasks: readonly SigningTask[]): Promise<readonly Verdict[]> {
    const decisions = await this.#inOneBatch(
      (transaction, lockRefusal) =>
        tasks.map((task) => lockRefusal ?? recordAggregate(transaction, task)),
      () => null,
    );
    return decisions.map(({ refusal, withheld }) => refusal ?? withheld);
  }

  stillAdmitted(set: Admitted<PartialSignatureSet>): Admitted<PartialSignatureSet> | null {
    // GATE-9: no file is read here, for a sender asks at every frame.
    if (!this.#parts.lock.isFresh()) return null;
    const { duty, signatures } = set;
    const left = signatures.filter(
      ({ validator }) =>
        this.#frozen(duty, validator) === null && this.#guarded(duty, validator) === null,
    );
    if (left.length === signatures.length) return set;
    const rest: PartialSignatureSet = { ...set, signatures: left };
    return left.length === 0 ? null : (rest as Admitted<PartialSignatureSet>);
  }

  isRecorded({ pubKey, slashing: message, signingRoot }: SigningTask): boolean {
    if (message === null) return false;
    const verdict = this.#parts.slashing.check(pubKey, { slashing: message, signingRoot });
    return verdict.isApproved && verdict.isRepeat;
  }

  /**
   * Decides and records in one synced batch. What was approved counts only if the write succeeded
   * and nothing has come up meanwhile: `withheld` says what did.
   */
  async #inOneBatch(
    decide: (transaction: SlashingTransaction, lockRefusal: Verdict) => readonly Verdict[],
    cameUp: (index: number) => Verdict,
  ): Promise<readonly { readonly refusal: Verdict; readonly withheld: Verdict }[]> {
    let refusals: readonly Verdict[] = [];
    let failed: Verdict = null;
    try {
      await this.#parts.slashing.transact((transaction) => {
        refusals = decide(transaction, this.#lockRefusal());
      });
    } catch (error) {
      // GATE-4: a bug is no refusal, it goes on to the process's edge; nothing is admitted either.
      if (!(error instanceof FaultError)) throw error;
      failed = { code: "store_failed", detail: `${error.message}. ${FREE_THE_DISK}` };
    }
    // GATE-6: a process that was stopped during the write may have been replaced meanwhile.
    const stopped = failed ?? this.#lockRefusal();
    return refusals.map((refusal, index) => {
      return { refusal, withheld: refusal === null ? (stopped ?? cameUp(index)) : null };
    });
  }

  /** One signature's way, in the order of DESIGN §7; audited whatever comes out. */
  #decide(asked: Asked, { request, transaction, lockRefusal }: Context): Verdict {
    const { duty, shareIndex } = request.set;
    const { validator } = asked.signature;
    const task = decidedTask(asked);
    const early =
      this.#frozen(duty, validator) ??
      lockRefusal ??
      (this.#parts.audit.isFull ? AUDIT_FULL : null) ??
      this.#guarded(duty, validator) ??
      this.#limits.refusalOf(duty, asked.signature) ??
      (task === undefined ? notDecided(asked) : null);
    if (early !== null || task === undefined) {
      if (early !== null) this.#refused(request, asked, early);
      return early;
    }
    const isRepeat = this.#limits.isApproved(duty, asked.signature);
    const pubShare = this.#parts.pubShareOf(validator, shareIndex);
    const refusal = recordOwn(transaction, task, { shareIndex, pubShare });
    if (refusal !== null) {
      this.#refused(request, asked, refusal);
      return refusal;
    }
    this.#limits.approve(duty, asked.signature);
    this.#tell(request, asked, { verdict: isRepeat ? "repeated" : "admitted" });
    return null;
  }

  /** FREEZE-2: before everything else, so that a frozen share leaves no record either. */
  #frozen(duty: Duty, validator: LockIndex): Verdict {
    const { safetyOf, freezes, pubKeyOf } = this.#parts;
    return freezes.refusalOf(pubKeyOf(validator), safetyOf(duty).scope);
  }

  /** GATE-6: token and age; the file is read each time. */
  #lockRefusal(): Verdict {
    if (!this.#parts.lock.isHeld()) return LOCK_LOST;
    return this.#parts.lock.isFresh() ? null : LOCK_STALE;
  }

  /** GATE-8: in their order. */
  #guarded(duty: Duty, validator: LockIndex): Verdict {
    const subject: GuardSubject = { validator, pubKey: this.#parts.pubKeyOf(validator), duty };
    for (const guard of this.#parts.guards) {
      const refusal = guard.refusalOf(subject);
      if (refusal !== null) return refusal;
    }
    return null;
  }

  #refused(request: AdmitRequest, asked: Asked, { code }: RefusalReason): void {
    for (const precursor of PRECURSORS_OF[code] ?? []) this.#parts.precursors.count(precursor);
    this.#tell(request, asked, { verdict: "refused", code });
  }

  #tell(
    { set, caller }: AdmitRequest,
    { signature }: Asked,
    outcome: { readonly verdict: SigningDecision["verdict"]; readonly code?: RefusalCode },
  ): void {
    const { validator, messageRoot } = signature;
    this.#parts.audit.append({
      kind: "signing",
      duty: set.duty,
      validator,
      pubKey: this.#parts.pubKeyOf(validator),
      messageRoot,
      caller,
      verdict: outcome.verdict,
      reason: outcome.code ?? null,
    });
  }
}

/** PRECURSOR-1: refusals that say that somebody tried to have a share sign twice. */
const PRECURSORS_OF: Partial<Record<RefusalCode, readonly PrecursorKind[]>> = {
  rate_limited: ["rate_limit", "conflicting_digest"],
  slashable_double_vote: ["conflicting_digest"],
  slashable_double_proposal: ["conflicting_digest"],
  slashable_surrounding: ["conflicting_digest"],
  slashable_surrounded: ["conflicting_digest"],
};
const LOCK_STALE: RefusalReason = {
  code: "lock_stale",
  detail:
    "this process stood still for longer than another one waits before it takes the data " +
    "directory over (a suspended machine, or its clock was set). Nothing has to be done: it " +
    "signs again a few seconds later if its token still stands in instance.lock.",
};
const LOCK_LOST: RefusalReason = {
  code: "lock_lost",
  detail:
    "instance.lock no longer holds this process's token, or cannot be read: another process took " +
    "over the data directory. This process must stop; make sure that only one uses the directory.",
};
const AUDIT_FULL: RefusalReason = {
  code: "audit_full",
  detail:
    `${MAX_AUDIT_LINES_PENDING} entries of the audit log wait for the data directory's disk, and ` +
    "nothing is signed that cannot be put on record. Check free space and health of that disk; " +
    "signing resumes by itself once it takes them.",
};
const FREE_THE_DISK =
  "Check free space and health of the data directory's disk; signing resumes by itself";

function checkTask(slashing: SlashingStore, task: SigningTask): RefusalReason | null {
  if (task.slashing === null) return null;
  const { pubKey, signingRoot } = task;
  const verdict = slashing.check(pubKey, { slashing: task.slashing, signingRoot });
  return verdict.isApproved ? null : verdict.reason;
}

/** No cluster has shared its keys anew yet. */
const SHARE_EPOCH = 0;

function recordOwn(
  transaction: SlashingTransaction,
  task: SigningTask,
  { shareIndex, pubShare }: { readonly shareIndex: ShareIndex; readonly pubShare: PubShare },
): RefusalReason | null {
  if (task.slashing === null) return null;
  const { pubKey, signingRoot, slashing, messageRoot } = task;
  const signed = { shareEpoch: SHARE_EPOCH, pubShare, messageRoot };
  const message = { pubKey, slashing, signingRoot };
  const verdict = transaction.record({ ...message, origin: "own", shareIndex, signed });
  return verdict.isApproved ? null : verdict.reason;
}

/** GATE-7: the signature exists, so it binds also where this node will not submit it. */
function recordAggregate(transaction: SlashingTransaction, task: SigningTask): Verdict {
  if (task.slashing === null) return null;
  const { pubKey, signingRoot, slashing } = task;
  const message = { pubKey, slashing, signingRoot };
  const verdict = transaction.record({ ...message, origin: "combined", shareIndex: null });
  if (verdict.isApproved) return null;
  transaction.witness(pubKey, { ...slashing, signingRoot }, "combined");
  return verdict.reason;
}

/** GATE-2: the decided task of this signature among its validator's; a duty may have several. */
function decidedTask({ tasks, signature: { messageRoot } }: Asked): SigningTask | undefined {
  return tasks.find((task) => task.messageRoot === messageRoot);
}

function notDecided({ tasks, signature: { validator, messageRoot } }: Asked): RefusalReason {
  const roots = tasks.map((task) => task.messageRoot).join(", ");
  const decided = roots === "" ? "nothing that it signs" : roots;
  return {
    code: "not_decided",
    detail:
      `message root ${messageRoot} of validator ${validator} is not what the cluster decided ` +
      `(${decided}). Check that the validator client asks this node alone for what it signs.`,
  };
}
