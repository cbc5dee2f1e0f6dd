/**
 * What a validator client is answered: the value that the cluster decided, within a bounded wait,
 * and for each signature that it hands in whether it was taken (VC-1, VC-7).
 */
import type { AttesterDefinition, DutyDefinitions, UnsignedData } from "../domain/data.ts";
import { type Duty, dutyId } from "../domain/duty.ts";
import { Cancelled } from "../domain/errors.ts";
import type { Signature } from "../domain/keys.ts";
import { VC_BLOCK_WAIT_BPS, VC_WAIT_BPS } from "../domain/limits.ts";
import {
  BASIS_POINTS,
  type BasisPoints,
  type CommitteeIndex,
  type Slot,
  type ValidatorIndex,
} from "../domain/units.ts";
import type { DutyKind } from "../duties/kind.ts";
import { attestationDataRoot, decodeAttestationData } from "../eth2/attestationData.ts";
import { decodeProposal, type Proposal, type SubmittedBlock } from "../eth2/blocks.ts";
import type { Chain } from "../eth2/chain.ts";
import { attesterDomain, computeSigningRoot, proposerDomain } from "../eth2/signing.ts";
import type { AttestationData, SubmittedAttestation } from "../eth2/types.ts";
import type { Clock } from "../ports/clock.ts";
import type { Denial } from "../ports/validatorApi.ts";
import { assert } from "../util/assert.ts";
import { err, ok, type Result } from "../util/result.ts";
import { abortAt, type TimedSignal } from "./abortAt.ts";
import type { Deadlines } from "./deadlines.ts";
import type { DutyGater } from "./dutyGater.ts";
import type { DutyStore, Scheduler, Signed, SigningApi, Tracker } from "./interfaces.ts";
import type { LivenessGuard } from "./livenessGuard.ts";
import type { Submission, Submissions } from "./submissions.ts";

type ValidatorApiParts = {
  readonly chain: Chain;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly gater: DutyGater;
  readonly scheduler: Scheduler;
  readonly dutyStore: DutyStore;
  readonly submissions: Submissions;
  readonly kindOf: (duty: Duty) => DutyKind;
  readonly tracker: Tracker;
  readonly liveness: Pick<LivenessGuard, "ownActivity">;
};
type Indexed<T> = { readonly index: number; readonly item: T };

export class DutyValidatorApi implements SigningApi {
  readonly #parts: ValidatorApiParts;

  constructor(parts: ValidatorApiParts) {
    this.#parts = parts;
  }

  onSigned(handler: (signed: Signed) => void): void {
    this.#parts.submissions.onSigned(handler);
  }

  ownActivity(indices: readonly ValidatorIndex[], signal: AbortSignal) {
    return this.#parts.liveness.ownActivity(indices, signal);
  }

  async attestationData(
    slot: Slot,
    committee: CommitteeIndex,
    signal: AbortSignal,
  ): Promise<Result<AttestationData, Denial>> {
    const decided = await this.#decided({ slot, type: "attester" }, signal);
    if (!decided.ok) return decided;
    const data = decodeAttestationData(decided.value.value);
    assert(data !== null, "a decided value was checked before");
    const { fork } = this.#parts.chain.forkAt(data.target.epoch);
    return ok(fork.attestationIndex.signsCommittee ? { ...data, index: committee } : data);
  }

  /**
   * VC-8: a client that hears of a head asks at once and hangs up a quarter of a slot later, which
   * may be before the last operator's beacon node has seen that head. Clients ask of themselves
   * when the duty is due, so nothing is gained by holding a head back any longer.
   */
  async untilAttestable(slot: Slot, signal: AbortSignal): Promise<void> {
    const { chain, clock, deadlines, dutyStore, scheduler, kindOf } = this.#parts;
    const duty: Duty = { slot, type: "attester" };
    if (slot !== chain.slotAt(clock.now()) || scheduler.definitions(duty).length === 0) return;
    const dueAt = kindOf(duty).dueAt(chain, slot);
    if (clock.now() >= dueAt) return;
    const wait = abortAt(clock, dueAt, AbortSignal.any([signal, deadlines.signalOf(duty)]));
    try {
      await dutyStore.awaitData(duty, wait.signal);
    } catch (error) {
      if (!(error instanceof Cancelled)) throw error;
    } finally {
      wait.dispose();
    }
  }

  async submitAttestations(
    attestations: readonly SubmittedAttestation[],
    signal: AbortSignal,
  ): Promise<readonly (Denial | null)[]> {
    const verdicts: (Denial | null)[] = attestations.map(() => null);
    const indexed = attestations.map((item, index) => ({ index, item }));
    const bySlot = Map.groupBy(indexed, ({ item }) => item.data.slot);
    await Promise.all(
      [...bySlot].map(async ([slot, items]) => {
        const answers = await this.#submitAt({ slot, type: "attester" }, items, signal);
        for (const [i, { index }] of items.entries()) verdicts[index] = answers[i] ?? null;
      }),
    );
    return verdicts;
  }

  async proposal(
    slot: Slot,
    reveal: Signature,
    signal: AbortSignal,
  ): Promise<Result<Proposal, Denial>> {
    const { chain, scheduler, submissions, kindOf } = this.#parts;
    const wait = this.#startWaiting({ slot, type: "proposer" }, VC_BLOCK_WAIT_BPS, signal);
    try {
      const duty: Duty = { slot, type: "randao" };
      const computed = await this.#decidedBy(duty, wait.signal);
      if (!computed.ok) return computed;
      const tasks = kindOf(duty).tasks(computed.value, scheduler.definitions(duty), chain);
      const own = tasks.map((task) => ({ task, signature: reveal }));
      const [denial] = await submissions.submit(duty, computed.value, own);
      if (denial) return err(denial);
      const decided = await this.#decidedBy({ slot, type: "proposer" }, wait.signal);
      if (!decided.ok) return decided;
      const proposal = decodeProposal(chain.forkAt(chain.epochOf(slot)).fork, decided.value.value);
      assert(proposal !== null, "a decided value was checked before");
      return ok(proposal);
    } finally {
      wait.dispose();
    }
  }

  async submitBlock(block: SubmittedBlock, signal: AbortSignal): Promise<Denial | null> {
    const { chain, scheduler, submissions } = this.#parts;
    const { slot, proposerIndex, root: messageRoot, signature } = block;
    const duty: Duty = { slot, type: "proposer" };
    const misplaced = this.#misplaced(duty);
    if (misplaced !== null) return misplaced;
    const proposer = scheduler
      .definitions(duty)
      .find(({ validatorIndex }) => validatorIndex === proposerIndex);
    if (proposer === undefined) {
      const detail = `validator ${proposerIndex} does not propose in slot ${slot}`;
      return { code: "unknown_validator", detail };
    }
    const { validator, pubKey } = proposer;
    const domain = proposerDomain(chain, chain.epochOf(slot));
    const signingRoot = computeSigningRoot(messageRoot, domain);
    const slashing = { kind: "block" as const, slot };
    const task = { validator, pubKey, messageRoot, signingRoot, slashing };
    const decided = await this.#decided(duty, signal);
    const data = decided.ok ? decided.value : null;
    const [denial] = await submissions.submit(duty, data, [{ task, signature }]);
    return denial ?? null;
  }

  async #submitAt(
    duty: Duty,
    items: readonly Indexed<SubmittedAttestation>[],
    signal: AbortSignal,
  ): Promise<readonly (Denial | null)[]> {
    const { scheduler, submissions } = this.#parts;
    const misplaced = this.#misplaced(duty);
    if (misplaced !== null) return items.map(() => misplaced);
    const definitions = scheduler.definitions(duty);
    const parsed = items.map(({ item }) => this.#submissionOf(item, definitions));
    const known = parsed.flatMap((each) => (each.ok ? [each.value] : []));
    const decided = known.length === 0 ? null : await this.#decided(duty, signal);
    const answers = await submissions.submit(duty, decided?.ok ? decided.value : null, known);
    const next = answers.values();
    return parsed.map((each) => (each.ok ? (next.next().value ?? null) : each.error));
  }

  /** The validator that holds the seat, and what it says it signed. */
  #submissionOf(
    { data, seat, signature }: SubmittedAttestation,
    definitions: DutyDefinitions,
  ): Result<Submission, Denial> {
    const { chain } = this.#parts;
    const definition = (definitions as readonly AttesterDefinition[]).find((each) =>
      seat.kind === "validator"
        ? each.validatorIndex === seat.validatorIndex
        : each.committeeIndex === seat.committeeIndex &&
          each.validatorCommitteeIndex === seat.position,
    );
    if (definition === undefined) {
      const detail = `no validator of the cluster has that seat in slot ${data.slot}`;
      return err({ code: "unknown_validator", detail });
    }
    const { validator, pubKey } = definition;
    const messageRoot = attestationDataRoot(data);
    const signingRoot = computeSigningRoot(messageRoot, attesterDomain(chain, data.target.epoch));
    const slashing = {
      kind: "attestation" as const,
      source: data.source.epoch,
      target: data.target.epoch,
    };
    return ok({ task: { validator, pubKey, messageRoot, signingRoot, slashing }, signature });
  }

  async #decided(duty: Duty, signal: AbortSignal): Promise<Result<UnsignedData, Denial>> {
    const wait = this.#startWaiting(duty, VC_WAIT_BPS, signal);
    try {
      return await this.#decidedBy(duty, wait.signal);
    } finally {
      wait.dispose();
    }
  }

  /**
   * VC-2: a part of the slot at most, so that the client hears the reason and not nothing. Who asks
   * at the head event has not missed anything before the duty is due: rounds are counted from then.
   */
  #startWaiting(duty: Duty, waitBps: BasisPoints, signal: AbortSignal): TimedSignal {
    const { chain, clock, kindOf } = this.#parts;
    const waitMs = Math.floor((chain.spec.slotDurationMs * waitBps) / BASIS_POINTS);
    const from = Math.max(clock.now(), kindOf(duty).dueAt(chain, duty.slot));
    return abortAt(clock, from + waitMs, signal);
  }

  async #decidedBy(duty: Duty, wait: AbortSignal): Promise<Result<UnsignedData, Denial>> {
    const { deadlines, dutyStore, tracker } = this.#parts;
    const misplaced = this.#misplaced(duty);
    if (misplaced !== null) return err(misplaced);
    const signal = AbortSignal.any([wait, deadlines.signalOf(duty)]);
    try {
      return ok(await dutyStore.awaitData(duty, signal));
    } catch (error) {
      if (!(error instanceof Cancelled)) throw error;
      return err({ code: "undecided", detail: `${dutyId(duty)}: ${tracker.explain(duty)}` });
    }
  }

  #misplaced(duty: Duty): Denial | null {
    const code = this.#parts.gater.check(duty);
    return code === null ? null : { code, detail: dutyId(duty) };
  }
}
