/**
 * What a validator client's key shares signed, from the request to the safety gate: compared with
 * the decided value, verified under this node's public shares, admitted. Each signature is judged
 * alone, and one that is not ours is traced to the key that made it (VC-3, VC-4, VC-5); where this
 * node signs itself, a client may not (VC-6).
 */
import type { SigningTask, UnsignedData } from "../domain/data.ts";
import { type Duty, dutyId } from "../domain/duty.ts";
import { FaultError } from "../domain/errors.ts";
import {
  type LockIndex,
  type PeerIndex,
  peerIndexOf,
  type Signature,
  shareIndexOf,
} from "../domain/keys.ts";
import { MAX_TRACED_SIGNATURES } from "../domain/limits.ts";
import type { DutyKind } from "../duties/kind.ts";
import type { Chain } from "../eth2/chain.ts";
import type { Identity } from "../ports/identity.ts";
import type { Logger } from "../ports/logger.ts";
import type { Counter, Metrics } from "../ports/metrics.ts";
import type { PartialSigner } from "../ports/partialSigner.ts";
import type { Denial } from "../ports/validatorApi.ts";
import type { Freezes } from "../safety/freezes.ts";
import type { SafetyGate } from "../safety/gate.ts";
import type { Precursors } from "../safety/precursors.ts";
import { Listeners } from "../util/listeners.ts";
import type { Admission, Scheduler, Signed } from "./interfaces.ts";
import type { SignatureVerifier } from "./signatureVerifier.ts";

/** The message as it was submitted, and the signature over it. */
export type Submission = { readonly task: SigningTask; readonly signature: Signature };
type Verdict = Denial | null;
/** A submission with what becomes of it. */
type Case = Submission & { verdict: Verdict };
/** Costly checks that a request may still cause. */
type Budget = { left: number };

type SubmissionParts = {
  readonly chain: Chain;
  readonly identity: Pick<Identity, "self">;
  /** Validators that this node signs for itself. */
  readonly signer: PartialSigner;
  readonly scheduler: Pick<Scheduler, "definitions">;
  readonly admission: Admission;
  readonly verifier: SignatureVerifier;
  readonly gate: SafetyGate;
  readonly freezes: Pick<Freezes, "freeze">;
  readonly precursors: Pick<Precursors, "count">;
  readonly kindOf: (duty: Duty) => Pick<DutyKind, "tasks">;
  readonly logger: Logger;
  readonly metrics: Metrics;
};

/** Signatures of one validator in one request: a client has one key of it, or by mistake two. */
const MAX_SIGNATURES_PER_VALIDATOR = 2;
const NODE_SIGNS: Denial = {
  code: "node_signs",
  detail:
    "remove the key share from the validator client, or run the node with --signer vc, which " +
    "reads " +
    "no keystores",
};
const TOO_MANY: Denial = {
  code: "duplicate",
  detail: `one request holds at most ${MAX_SIGNATURES_PER_VALIDATOR} signatures of a validator`,
};

export class Submissions {
  readonly #parts: SubmissionParts;
  readonly #signed = new Listeners<[Signed]>();
  readonly #outcomes: Counter;
  readonly #wholeKeys: Counter;

  constructor(parts: SubmissionParts) {
    this.#parts = parts;
    this.#outcomes = parts.metrics.counter({
      name: "vc_signatures_total",
      help: "Signatures that validator clients submitted, by what became of them",
      labels: ["duty", "outcome"],
    });
    this.#wholeKeys = parts.metrics.counter({
      name: "whole_key_signatures_total",
      help: "Submitted signatures of a validator's whole key, which nobody may hold",
      labels: ["explained"],
    });
  }

  onSigned(handler: (signed: Signed) => void): void {
    this.#signed.add(handler);
  }

  /** `data` is null while the duty is undecided. Null in the answer: the signature was taken. */
  async submit(
    duty: Duty,
    data: UnsignedData | null,
    submissions: readonly Submission[],
  ): Promise<readonly Verdict[]> {
    const { signer, scheduler, chain, kindOf } = this.#parts;
    const tasks = data && kindOf(duty).tasks(data, scheduler.definitions(duty), chain);
    const decided = new Map(tasks?.map((task) => [task.validator, task]));
    const budget: Budget = { left: MAX_TRACED_SIGNATURES };
    const cases = submissions.map((submission): Case => ({ ...submission, verdict: null }));
    const fitting: Case[] = [];
    for (const each of cases) {
      const { validator, messageRoot } = each.task;
      const task = decided.get(validator);
      if (signer.validators.has(validator)) each.verdict = NODE_SIGNS;
      else if (task?.messageRoot === messageRoot) fitting.push(each);
      else each.verdict = await this.#judgeDeviation(each, { duty, decided: task }, budget);
    }
    for (const layer of layersOf(fitting)) await this.#admit(duty, layer, budget);
    for (const { verdict } of cases) {
      this.#outcomes.add(1, { duty: duty.type, outcome: verdict?.code ?? "taken" });
    }
    return cases.map(({ verdict }) => verdict);
  }

  /** VC-3: what does not fit the decided value is refused, whoever signed it. */
  async #judgeDeviation(
    { task, signature }: Submission,
    { duty, decided }: { readonly duty: Duty; readonly decided: SigningTask | undefined },
    budget: Budget,
  ): Promise<Denial> {
    if (budget.left > 0) {
      budget.left--;
      const signedBy = await this.#parts.verifier.signerOf(task, signature);
      if (signedBy === "group") return this.#refuseWholeKey(task, duty);
    }
    if (decided === undefined) {
      return { code: "undecided", detail: `${dutyId(duty)} of validator ${task.validator}` };
    }
    this.#parts.precursors.count("conflicting_digest");
    return {
      code: "not_decided",
      detail:
        `${dutyId(duty)} of validator ${task.validator} was decided as ${decided.messageRoot}, ` +
        `this is ${task.messageRoot}; the validator client must ask this node, and no other, for ` +
        "what it signs",
    };
  }

  /** All of different validators, each over its decided message. */
  async #admit(duty: Duty, cases: readonly Case[], budget: Budget): Promise<void> {
    const { identity, admission } = this.#parts;
    const signatures = cases.map(({ task, signature }) => {
      return { validator: task.validator, messageRoot: task.messageRoot, signature };
    });
    const set = { duty, shareIndex: shareIndexOf(identity.self), signatures };
    const tasks = cases.map(({ task }) => task);
    const signed = { tasks, set, caller: "validator client" };
    this.#signed.emit(signed);
    const { unverified, refused } = await admission.submit(signed);
    for (const each of cases) {
      const { validator } = each.task;
      if (unverified.includes(validator)) each.verdict = await this.#trace(each, duty, budget);
      else each.verdict = refused.find((one) => one.validator === validator)?.reason ?? null;
    }
  }

  /** Whose signature it is that is not our share's. */
  async #trace({ task, signature }: Submission, duty: Duty, budget: Budget): Promise<Denial> {
    const { verifier, identity } = this.#parts;
    const unknown: Denial = {
      code: "bad_signature",
      detail: `it is of no key of validator ${task.validator}; compare its keystore with the lock`,
    };
    if (budget.left === 0) return unknown;
    budget.left--;
    const signedBy = await verifier.signerOf(task, signature);
    if (signedBy === null) return unknown;
    if (signedBy === "group") return this.#refuseWholeKey(task, duty, true);
    return foreignShare(task.validator, { owner: peerIndexOf(signedBy), self: identity.self });
  }

  /**
   * VC-5: a signature that the cluster made is public, and sending it again proves nothing. Any
   * other was made by somebody who holds the whole key, and could be slashed at any time.
   */
  async #refuseWholeKey(task: SigningTask, duty: Duty, isDecided = false): Promise<Denial> {
    const { freezes, gate, logger, precursors } = this.#parts;
    const isExplained = isDecided || gate.isRecorded(task);
    precursors.count("whole_key");
    this.#wholeKeys.add(1, { explained: String(isExplained) });
    logger.error("A validator's whole key signed what was submitted to this node.", {
      duty,
      validator: task.validator,
      isExplained,
      remedy: "find out who holds the whole key, and exit the validator if it is not only you",
    });
    if (!isExplained) {
      const reason = `its whole key signed an undecided message of duty ${dutyId(duty)}`;
      try {
        await freezes.freeze({ scope: "all", validator: task.pubKey, reason, by: "this node" });
      } catch (error) {
        if (!(error instanceof FaultError)) throw error;
        // It holds until the next start, and the next such signature writes it again.
        logger.error("A freeze could not be written.", { reason: error.message });
      }
    }
    const consequence = isExplained ? "" : "; the validator is frozen on this node";
    return { code: "whole_key", detail: `validator ${task.validator}${consequence}` };
  }
}

/** Each layer holds one signature of a validator, in the order of the request. */
function layersOf(cases: readonly Case[]): readonly (readonly Case[])[] {
  const layers = Array.from({ length: MAX_SIGNATURES_PER_VALIDATOR }, (): Case[] => []);
  const seen = new Map<LockIndex, number>();
  for (const each of cases) {
    const { validator } = each.task;
    const depth = seen.get(validator) ?? 0;
    seen.set(validator, depth + 1);
    const layer = layers[depth];
    if (layer === undefined) each.verdict = TOO_MANY;
    else layer.push(each);
  }
  return layers.filter((layer) => layer.length > 0);
}

function foreignShare(
  validator: LockIndex,
  { owner, self }: { readonly owner: PeerIndex; readonly self: PeerIndex },
): Denial {
  return {
    code: "foreign_share",
    detail:
      `it is operator ${owner}'s key share of validator ${validator}, this node is operator ` +
      `${self} (counted from 0, in the lock's order); nobody may hold two shares of a key`,
  };
}
