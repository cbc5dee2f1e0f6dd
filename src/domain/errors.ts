/**
 * The error taxonomy (DESIGN §9): one table, code → what it is and what follows. Metric labels,
 * HTTP answers, peer penalties and the operators' error page are all read from it.
 */

/** `reject`: penalise the sender. `ignore`: drop quietly, the sender may be honest. */
export type PeerPenalty = "ignore" | "reject";

type Rejection = {
  readonly kind: "rejection";
  readonly penalty: PeerPenalty;
  /** What a validator client is answered; 400 where absent. */
  readonly httpStatus?: 403 | 409 | 503;
};
type Refusal = {
  readonly kind: "refusal";
  readonly httpStatus: 412;
  /** Of SPEC.md: what refuses, for whoever wants to know it exactly. */
  readonly rule: string;
};
type Fault = { readonly kind: "fault"; readonly retryable: boolean };
type ErrorRow = (Rejection | Refusal | Fault) & { readonly message: string };

export const ERRORS = {
  // What a peer sent.
  frame_too_large: {
    kind: "rejection",
    penalty: "reject",
    message: "a frame exceeds its size limit",
  },
  malformed: { kind: "rejection", penalty: "reject", message: "the bytes do not decode" },
  wrong_cluster: {
    kind: "rejection",
    penalty: "reject",
    message: "the message belongs to another cluster, chain or profile",
  },
  wrong_profile: {
    kind: "rejection",
    penalty: "ignore",
    message: "the peer speaks another consensus profile; compare the versions of the nodes",
  },
  wrong_author: { kind: "rejection", penalty: "reject", message: "the sender is not the author" },
  bad_signature: { kind: "rejection", penalty: "reject", message: "a signature does not verify" },
  unexpected_duty: {
    kind: "rejection",
    penalty: "ignore",
    // Duties that are not resolved yet look the same: the client should ask again.
    httpStatus: 503,
    message: "no validator of this cluster has this duty, as far as this node knows",
  },
  too_early: { kind: "rejection", penalty: "ignore", message: "the duty lies too far ahead" },
  too_late: { kind: "rejection", penalty: "ignore", message: "the duty's deadline has passed" },
  duplicate: { kind: "rejection", penalty: "ignore", message: "the message was seen before" },
  over_limit: { kind: "rejection", penalty: "ignore", message: "a queue or count is at its limit" },
  equivocation: {
    kind: "rejection",
    penalty: "reject",
    message: "the author signed two different messages for one step; both are kept as evidence",
  },
  unjustified: {
    kind: "rejection",
    penalty: "reject",
    message: "the consensus message lacks a valid justification",
  },
  wrong_leader: { kind: "rejection", penalty: "reject", message: "the proposer is not the leader" },
  value_mismatch: {
    kind: "rejection",
    penalty: "reject",
    message: "the value does not hash to the announced root",
  },
  unknown_validator: {
    kind: "rejection",
    penalty: "reject",
    message: "the validator is not in the cluster lock",
  },
  conflicting_root: {
    kind: "rejection",
    penalty: "reject",
    message: "the share signed a second root for one duty; both are kept as evidence",
  },
  bad_witness: {
    kind: "rejection",
    penalty: "reject",
    message: "a statement about what this node signed is not proved by its own signature",
  },
  bad_certificate: {
    kind: "rejection",
    penalty: "reject",
    message: "a certificate does not hold a quorum's signatures over the decision",
  },
  // What a validator client sent.
  undecided: {
    kind: "rejection",
    penalty: "ignore",
    httpStatus: 503,
    message: "the cluster has not decided this duty yet",
  },
  foreign_share: {
    kind: "rejection",
    penalty: "ignore",
    message: "the key share belongs to another operator",
  },
  whole_key: {
    kind: "rejection",
    penalty: "ignore",
    httpStatus: 403,
    message: "the signature is of the validator's whole key, which nobody may hold",
  },
  node_signs: {
    kind: "rejection",
    penalty: "ignore",
    httpStatus: 409,
    message: "this node signs with the key share itself, and a share has one signer only",
  },
  // Safety said no.
  slashable_double_vote: {
    kind: "refusal",
    httpStatus: 412,
    rule: "SLASH-2",
    message: "a different attestation for this target epoch is already signed",
  },
  slashable_surrounding: {
    kind: "refusal",
    httpStatus: 412,
    rule: "SLASH-3",
    message: "the attestation surrounds one that is already signed",
  },
  slashable_surrounded: {
    kind: "refusal",
    httpStatus: 412,
    rule: "SLASH-3",
    message: "the attestation is surrounded by one that is already signed",
  },
  slashable_source_after_target: {
    kind: "refusal",
    httpStatus: 412,
    rule: "SLASH-5",
    message: "the attestation's source epoch lies after its target epoch",
  },
  slashable_double_proposal: {
    kind: "refusal",
    httpStatus: 412,
    rule: "SLASH-4",
    message: "a different block for this slot is already signed",
  },
  slashing_unrecordable: {
    kind: "refusal",
    httpStatus: 412,
    rule: "SLASH-5",
    message: "the message's epoch or slot is out of range, so no record of it can be kept",
  },
  below_watermark: {
    kind: "refusal",
    httpStatus: 412,
    rule: "SLASH-6",
    message: "the message lies at or below the low watermark of pruned or imported history",
  },
  not_decided: {
    kind: "refusal",
    httpStatus: 412,
    rule: "GATE-2",
    message: "the message differs from what the cluster decided for this duty",
  },
  frozen: {
    kind: "refusal",
    httpStatus: 412,
    rule: "FREEZE-2",
    message: "the validator is frozen on this node, so its share signs nothing",
  },
  foreign_signer: {
    kind: "refusal",
    httpStatus: 412,
    rule: "FOREIGN-3",
    message: "the validator signed something that nobody in the cluster has explained yet",
  },
  rate_limited: {
    kind: "refusal",
    httpStatus: 412,
    rule: "LIMIT-1",
    message: "the share signed as many different messages for this duty as the duty asks for",
  },
  lock_stale: {
    kind: "refusal",
    httpStatus: 412,
    rule: "GATE-6",
    message: "this process stood still for so long that another may have taken over",
  },
  lock_lost: {
    kind: "refusal",
    httpStatus: 412,
    rule: "GATE-6",
    message: "another process took over this data directory",
  },
  waiting: {
    kind: "refusal",
    httpStatus: 412,
    rule: "WAIT-1",
    message: "this node waits two epochs before it signs, since its keys may have been in use",
  },
  unwitnessed: {
    kind: "refusal",
    httpStatus: 412,
    rule: "WITNESS-3",
    message: "too few peers have told since the start what this node signed before it",
  },
  identity_in_use: {
    kind: "refusal",
    httpStatus: 412,
    rule: "TWIN-3",
    message: "another live process signs with this operator's identity and is ahead of this one",
  },
  store_failed: {
    kind: "refusal",
    httpStatus: 412,
    rule: "GATE-4",
    message: "the slashing record could not be made durable, so nothing is signed",
  },
  audit_full: {
    kind: "refusal",
    httpStatus: 412,
    rule: "AUDIT-8",
    message: "the audit log cannot be written any more, so nothing is signed",
  },
  // The world failed.
  beacon_unreachable: {
    kind: "fault",
    retryable: true,
    message: "no beacon node answered; check --beacon-node-endpoints and that the node is running",
  },
  beacon_syncing: {
    kind: "fault",
    retryable: true,
    message: "the beacon node is syncing; duties resume once it has caught up",
  },
  beacon_bad_response: {
    kind: "fault",
    retryable: true,
    message: "the beacon node's answer does not fit the Beacon API",
  },
  keymanager_failed: {
    kind: "fault",
    retryable: true,
    message:
      "the keymanager API does not take keystores (those of a finished ceremony are in " +
      "validator_keys; coterie dkg with the same options sends them again)",
  },
  execution_unreachable: {
    kind: "fault",
    retryable: true,
    message: "the execution client did not answer; check --execution-client-rpc-endpoint",
  },
  fork_unsupported: {
    kind: "fault",
    retryable: false,
    message: "this release of Coterie cannot do the duty on the chain's fork; update it",
  },
  beacon_rejected: {
    kind: "fault",
    retryable: false,
    message: "the beacon node refused the submission",
  },
  wrong_preset: {
    kind: "fault",
    retryable: false,
    message: "this process loaded the types of another preset than the beacon node's chain has",
  },
  data_dir_in_use: {
    kind: "fault",
    retryable: false,
    message: "the data directory belongs to another program at the moment",
  },
  data_dir_lost: {
    kind: "fault",
    retryable: false,
    message: "this process lost its data directory to another program and signs nothing any more",
  },
  twin_alive: {
    kind: "fault",
    retryable: false,
    message: "this operator's identity is in use twice, and the other process is ahead of this one",
  },
  node_unreachable: {
    kind: "fault",
    retryable: true,
    message: "the running node does not answer at its admin address",
  },
  disk_failed: { kind: "fault", retryable: true, message: "the data directory's disk failed" },
  peer_unreachable: {
    kind: "fault",
    retryable: true,
    message: "the peer has no path to this node",
  },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;
type CodesOf<Kind> = {
  [C in ErrorCode]: (typeof ERRORS)[C]["kind"] extends Kind ? C : never;
}[ErrorCode];
export type RejectionCode = CodesOf<"rejection">;
export type RefusalCode = CodesOf<"refusal">;
export type FaultCode = CodesOf<"fault">;

/** What the code means, with the rule that refuses. */
export function messageOf(code: ErrorCode): string {
  const row: ErrorRow = ERRORS[code];
  return row.kind === "refusal" ? `${row.message} (${row.rule})` : row.message;
}

/** Status of the HTTP answer to a validator client. */
export function httpStatusOf(code: ErrorCode): number {
  const row: ErrorRow = ERRORS[code];
  switch (row.kind) {
    case "rejection":
      return row.httpStatus ?? 400;
    case "refusal":
      return row.httpStatus;
    case "fault":
      return 503;
  }
}

/** A peer or validator client sent something unacceptable. A value, never thrown. */
export type RejectionReason = { readonly code: RejectionCode; readonly detail?: string };

/** Safety said no. A value, never retried; `detail` names the rule, the record and the remedy. */
export type RefusalReason = { readonly code: RefusalCode; readonly detail: string };

/** The world failed. Retried within the duty's deadline where `retryable`. */
export class FaultError extends Error {
  override readonly name = "FaultError";
  readonly code: FaultCode;

  constructor(code: FaultCode, detail: string, options?: { readonly cause?: unknown }) {
    super(`${ERRORS[code].message}: ${detail}`, options);
    this.code = code;
  }

  get retryable(): boolean {
    return ERRORS[this.code].retryable;
  }
}

/**
 * A flag, file or definition is wrong. Thrown in cli, config and start-up only; exit code 64.
 * `fix` is what the operator should do, where the message alone does not say it.
 */
export class UsageError extends Error {
  override readonly name = "UsageError";
  readonly fix: string | undefined;

  constructor(message: string, options?: { readonly fix?: string; readonly cause?: unknown }) {
    super(message, options);
    this.fix = options?.fix;
  }
}

/** Why a signal was aborted on purpose: a deadline passed or the node shuts down. */
export class Cancelled extends Error {
  override readonly name = "Cancelled";
}
