/**
 * The safety gate: the only way from a verified partial signature to the network, and the only file
 * that mints `Admitted`. Fails closed: whatever throws in here, nothing is admitted.
 */
import type {
  Admitted,
  PartialSignature,
  PartialSignatureSet,
  SigningTask,
  Verified,
} from "../domain/data.ts";
import { FaultError, type RefusalReason } from "../domain/errors.ts";
import type { LockIndex, ShareIndex } from "../domain/keys.ts";
import type { InstanceLock } from "../ports/instanceLock.ts";
import type { Freezes } from "./freezes.ts";
import type { SlashingStore, SlashingTransaction } from "./slashingStore.ts";

export type AdmitRequest = {
  /** What the cluster decided that this node's validators sign for the duty. */
  readonly tasks: readonly SigningTask[];
  readonly set: Verified<PartialSignatureSet>;
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
  /** Whether this very message was signed before: by a share of ours, or by the cluster. */
  isRecorded(task: SigningTask): boolean;
}

type GateParts = {
  readonly slashing: SlashingStore;
  readonly lock: InstanceLock;
  readonly freezes: Pick<Freezes, "refusalOf">;
};

export function createSafetyGate({ slashing, lock, freezes }: GateParts): SafetyGate {
  /** Decides and records in one synced batch; what was approved counts only if this resolves. */
  async function recordAll(
    size: number,
    decide: (transaction: SlashingTransaction) => readonly (RefusalReason | null)[],
  ): Promise<readonly (RefusalReason | null)[]> {
    const refuseAll = (reason: RefusalReason) => Array.from({ length: size }, () => reason);
    try {
      const verdicts = await slashing.transact((transaction) =>
        lock.isHeld() ? decide(transaction) : refuseAll(LOCK_LOST),
      );
      // GATE-6: a process that was stopped during the write may have been replaced meanwhile.
      return lock.isHeld() ? verdicts : refuseAll(LOCK_LOST);
    } catch (error) {
      // GATE-4: a bug is no refusal, it goes on to the process's edge; nothing is admitted either.
      if (!(error instanceof FaultError)) throw error;
      return refuseAll({ code: "store_failed", detail: `${error.message}. ${FREE_THE_DISK}` });
    }
  }

  return {
    checkValue: (tasks) => tasks.map((task) => checkTask(slashing, task)),

    async admit({ tasks, set }) {
      const { signatures, shareIndex } = set;
      const decided = Map.groupBy(tasks, (task) => task.validator);
      const reasons = await recordAll(signatures.length, (transaction) =>
        signatures.map((signature) => {
          const task = decidedTask(decided.get(signature.validator) ?? [], signature);
          if (task === undefined) return notDecided(signature);
          // FREEZE-2: before the rules, so that a frozen share leaves no record either.
          const frozen = freezes.refusalOf(task.pubKey);
          if (frozen !== null) return frozen;
          return recordTask(transaction, task, shareIndex);
        }),
      );
      const approved = signatures.filter((_, index) => reasons[index] === null);
      const rest: PartialSignatureSet = { ...set, signatures: approved };
      return {
        // GATE-1: minted here alone, after the records of all these signatures are on disk.
        admitted: approved.length === 0 ? null : (rest as Admitted<PartialSignatureSet>),
        refused: signatures.flatMap(({ validator }, index) => {
          const reason = reasons[index];
          return reason === null || reason === undefined ? [] : [{ validator, reason }];
        }),
      };
    },

    checkAggregate: (tasks) =>
      recordAll(tasks.length, (transaction) =>
        tasks.map((task) => recordTask(transaction, task, null)),
      ),

    isRecorded({ pubKey, slashing: message, signingRoot }) {
      if (message === null) return false;
      const verdict = slashing.check(pubKey, { slashing: message, signingRoot });
      return verdict.isApproved && verdict.isRepeat;
    },
  };
}

const LOCK_LOST: RefusalReason = {
  code: "lock_lost",
  detail:
    "instance.lock no longer holds this process's token, or cannot be read: another process took " +
    "over the data directory. This process must stop; make sure that only one uses the directory.",
};
const FREE_THE_DISK =
  "Check free space and health of the data directory's disk; signing resumes by itself";

function checkTask(slashing: SlashingStore, task: SigningTask): RefusalReason | null {
  if (task.slashing === null) return null;
  const { pubKey, signingRoot } = task;
  const verdict = slashing.check(pubKey, { slashing: task.slashing, signingRoot });
  return verdict.isApproved ? null : verdict.reason;
}

/** Records for a share of ours, or for the group where `shareIndex` is null. */
function recordTask(
  transaction: SlashingTransaction,
  task: SigningTask,
  shareIndex: ShareIndex | null,
): RefusalReason | null {
  if (task.slashing === null) return null;
  const { pubKey, signingRoot, slashing } = task;
  const origin = shareIndex === null ? "combined" : "own";
  const verdict = transaction.record({ pubKey, slashing, signingRoot, origin, shareIndex });
  return verdict.isApproved ? null : verdict.reason;
}

/** GATE-2: the decided task of this signature among its validator's; a duty may have several. */
function decidedTask(
  tasks: readonly SigningTask[],
  { messageRoot }: PartialSignature,
): SigningTask | undefined {
  return tasks.find((task) => task.messageRoot === messageRoot);
}

function notDecided({ validator, messageRoot }: PartialSignature): RefusalReason {
  return {
    code: "not_decided",
    detail:
      `message root ${messageRoot} of validator ${validator} is not what the cluster decided. ` +
      "Check that the validator client asks this node alone for what it signs.",
  };
}
