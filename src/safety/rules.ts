/**
 * The slashing rules of EIP-3076, complete strategy with low watermarks, as a pure decision. What
 * is not provably safe against everything remembered of the validator is refused.
 *
 * https://eips.ethereum.org/EIPS/eip-3076#conditions
 */
import type { SlashingInput } from "../domain/data.ts";
import type { RefusalCode, RefusalReason } from "../domain/errors.ts";
import type { Root } from "../domain/keys.ts";
import type { AttestationRecord, BlockRecord, HistoryView, SignedMessage } from "./history.ts";

export type Verdict =
  /** `isRepeat`: this very message is already recorded, so nothing new has to be. */
  | { readonly isApproved: true; readonly isRepeat: boolean }
  | { readonly isApproved: false; readonly reason: RefusalReason };

export type Candidate = { readonly slashing: SlashingInput; readonly signingRoot: Root };

type Attestation = Extract<SlashingInput, { kind: "attestation" }>;
type Block = Extract<SlashingInput, { kind: "block" }>;

/** Whether the candidate may be signed, given all records of its validator. */
export function checkSlashing(history: HistoryView, candidate: Candidate): Verdict {
  const { slashing, signingRoot } = candidate;
  return slashing.kind === "block"
    ? checkBlock(history, slashing, signingRoot)
    : checkAttestation(history, slashing, signingRoot);
}

function checkAttestation(history: HistoryView, message: Attestation, root: Root): Verdict {
  const { source, target } = message;
  if (!isRecordable(source) || !isRecordable(target)) return refuseUnrecordable(message);
  // SLASH-5: never an honest message, and one that surrounds nothing may still convict later.
  if (source > target) {
    return refuse(
      "slashable_source_after_target",
      `${describe(message)} has its source after its target; no record is concerned. ` +
        "Check the beacon node that proposed it.",
    );
  }

  // Records whose source and target both lie below our source can contradict nothing.
  const reaching = history.attestationsReaching(source);
  // SLASH-1: the same message again adds no evidence against anybody.
  if (reaching.some((record) => isRepeatOf(record, message, root))) return REPEAT;
  for (const record of reaching) {
    const code = conflictOf(message, record);
    if (code !== null) return refuseConflict(code, { message, root, record });
  }

  // SLASH-6: what is forgotten under the watermark might contradict.
  const watermark = history.attestationWatermark;
  if (watermark !== null && (source < watermark.source || target <= watermark.target)) {
    return refuse(
      "below_watermark",
      `${describe(message)} needs a source of at least ${watermark.source} and a target above ` +
        `${watermark.target}, where this validator's remembered history begins. ${WAIT}`,
    );
  }
  return NEW;
}

function checkBlock(history: HistoryView, message: Block, root: Root): Verdict {
  if (!isRecordable(message.slot)) return refuseUnrecordable(message);
  const recorded = history.blocksAt(message.slot);
  if (recorded.some((record) => isRepeatOf(record, message, root))) return REPEAT;
  // SLASH-4: one block per slot.
  const other = recorded[0];
  if (other !== undefined) {
    return refuseConflict("slashable_double_proposal", { message, root, record: other });
  }

  const watermark = history.blockWatermark;
  if (watermark !== null && message.slot <= watermark.slot) {
    return refuse(
      "below_watermark",
      `${describe(message)} needs a slot above ${watermark.slot}, where this validator's ` +
        `remembered history begins. ${WAIT}`,
    );
  }
  return NEW;
}

function conflictOf(message: Attestation, record: AttestationRecord): RefusalCode | null {
  // SLASH-2: one attestation per target epoch.
  if (record.target === message.target) return "slashable_double_vote";
  // SLASH-3: neither of two votes surrounds the other.
  if (message.source < record.source && record.target < message.target) {
    return "slashable_surrounding";
  }
  if (record.source < message.source && message.target < record.target) {
    return "slashable_surrounded";
  }
  return null;
}

function isRepeatOf(record: SignedMessage, message: SlashingInput, root: Root): boolean {
  if (!record.isRepeatable || record.signingRoot !== root) return false;
  if (record.kind === "block") return message.kind === "block" && record.slot === message.slot;
  return (
    message.kind === "attestation" &&
    record.source === message.source &&
    record.target === message.target
  );
}

const NEW: Verdict = { isApproved: true, isRepeat: false };
const REPEAT: Verdict = { isApproved: true, isRepeat: true };

const WAIT =
  "Nothing has to be done if this follows an import or a restart; " +
  "if it goes on for more than two epochs, check this machine's clock and the beacon node's head.";
const ANOTHER_SIGNER =
  "The node did right to refuse; this one message is lost. " +
  "If it happens again, look for a second signer with this validator's keys and stop it.";

type Conflict = {
  readonly message: SlashingInput;
  readonly root: Root;
  readonly record: AttestationRecord | BlockRecord;
};

function refuseConflict(code: RefusalCode, { message, root, record }: Conflict): Verdict {
  const signedAs = record.signingRoot ?? "unknown";
  return refuse(
    code,
    `${describe(message)} with root ${root} contradicts the recorded ${describe(record)} with ` +
      `root ${signedAs} (${describeOrigin(record)}). ${ANOTHER_SIGNER}`,
  );
}

function refuseUnrecordable(message: SlashingInput): Verdict {
  return refuse(
    "slashing_unrecordable",
    `${describe(message)} is not a pair of epochs or a slot below 2^53; no chain reaches it. ` +
      "Check the beacon node that proposed it.",
  );
}

function refuse(code: RefusalCode, detail: string): Verdict {
  return { isApproved: false, reason: { code, detail } };
}

function describe(message: SlashingInput): string {
  return message.kind === "block"
    ? `block at slot ${message.slot}`
    : `attestation ${message.source} → ${message.target}`;
}

function describeOrigin({ origin, shareIndex }: SignedMessage): string {
  if (origin === "own") return `signed by this node's share ${shareIndex}`;
  if (origin === "seen") return "by a signature of the whole key that was seen elsewhere";
  return origin === "imported" ? "from an imported history" : "signed by the cluster";
}

function isRecordable(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
