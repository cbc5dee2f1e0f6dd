/**
 * Judges a proposed value before this node PREPAREs it (DESIGN §6, four kinds of rule): is it well
 * formed, may at least one of our shares sign it, and does it agree with our own beacon node.
 */
import type { DutyDefinitions, UnsignedData } from "../domain/data.ts";
import type { Duty } from "../domain/duty.ts";
import { Cancelled, FaultError, messageOf } from "../domain/errors.ts";
import { ownViewRounds } from "../domain/quorum.ts";
import type { Millis, Round, Slot } from "../domain/units.ts";
import type { AgreedDuty, DutyKind } from "../duties/kind.ts";
import type { Chain } from "../eth2/chain.ts";
import type { BeaconNode } from "../ports/beaconNode.ts";
import type { Bls } from "../ports/bls.ts";
import type { Clock } from "../ports/clock.ts";
import type { Identity } from "../ports/identity.ts";
import type { Verdict } from "../qbft/messages.ts";
import type { SafetyGate } from "../safety/gate.ts";
import { assert } from "../util/assert.ts";
import { abortAt } from "./abortAt.ts";
import type { Deadlines } from "./deadlines.ts";
import type { HeadFeed } from "./headFeed.ts";
import type { Fetcher, Scheduler } from "./interfaces.ts";

export type ValueCheckerParts = {
  readonly chain: Chain;
  readonly clock: Clock;
  readonly identity: Pick<Identity, "nodes">;
  readonly beacon: BeaconNode;
  readonly bls: Bls;
  readonly gate: SafetyGate;
  readonly scheduler: Scheduler;
  readonly fetcher: Fetcher;
  readonly deadlines: Deadlines;
  readonly kindOf: (duty: Duty) => DutyKind;
  readonly heads: HeadFeed;
};

export type RoundWindow = {
  readonly round: Round;
  readonly startsAt: Millis;
  readonly endsAt: Millis;
};

export class ValueChecker {
  readonly #parts: ValueCheckerParts;

  constructor(parts: ValueCheckerParts) {
    this.#parts = parts;
  }

  async judge(data: UnsignedData, window: RoundWindow, certified: boolean): Promise<Verdict> {
    const { chain, scheduler, gate, kindOf, bls } = this.#parts;
    const kind = kindOf(data.duty);
    assert(kind.consensus === "agree", `a ${kind.type} duty has no value to judge`);
    const definitions = scheduler.definitions(data.duty);
    // VALUE-1: what every honest node refuses is refused before anything is asked.
    const checked = kind.check(data, definitions, chain);
    if (!checked.ok)
      return refused(`${checked.error.code}: ${checked.error.detail ?? "malformed"}`);
    if (!(await bls.verifyBatch(kind.signatureChecks(data, definitions, chain)))) {
      return refused("bad_signature: a signature inside the value does not verify");
    }
    const refusals = gate.checkValue(kind.tasks(data, definitions, chain));
    // VALUE-2: shares that may not sign are left out later; a value that none may sign is refused.
    const first = refusals.find((reason) => reason !== null);
    if (first && refusals.every((reason) => reason !== null)) {
      return refused(`${messageOf(first.code)}: ${first.detail}`);
    }
    return this.#judgeOwnView(data, { kind, definitions, window, certified });
  }

  /** By the definitions that the value was checked with, whatever became of them since. */
  async #judgeOwnView(
    data: UnsignedData,
    { kind, definitions, window, certified }: Question,
  ): Promise<Verdict> {
    const { chain, clock, deadlines, fetcher, heads } = this.#parts;
    const context = {
      round: window.round,
      ownViewRounds: ownViewRounds(this.#parts.identity.nodes),
      certified,
      definitions,
      chain,
    };
    // VALUE-4: at most half of what is left of the round is spent on asking our beacon node. A
    // proposal that comes before its time waits for it: voting early would vote for an old head.
    const from = Math.max(clock.now(), window.startsAt);
    const until = from + Math.max(0, (window.endsAt - from) / 2);
    const { signal, dispose } = abortAt(clock, until, deadlines.signalOf(data.duty));
    try {
      if (!kind.needsOwnData && from > clock.now()) await clock.sleep(from - clock.now(), signal);
      let own = await fetcher.latest(data.duty, kind.needsOwnData ? signal : AT_ONCE);
      let headSlot: Slot | null | undefined;
      for (;;) {
        // Our own beacon node says the same: it knows the head.
        const isOurs = own?.root === data.root;
        const answer = isOurs ? undefined : await this.#headSlot(data, kind, signal);
        // No answer takes nothing back: a head that was unknown when the time ran out stays so.
        if (isOurs || answer !== undefined) headSlot = answer;
        const judgement = kind.judge(data, { own: own?.value ?? null, headSlot }, context);
        if (judgement.kind === "accept") return { accepted: true };
        if (judgement.kind === "refuse" || signal.aborted) return refused(judgement.reason);
        await heads.next(signal);
        if (kind.needsOwnData) own = await fetcher.refresh(data.duty, signal);
      }
    } finally {
      dispose();
    }
  }

  /** Slot of the head that the value names; undefined when our beacon node does not answer. */
  async #headSlot(
    data: UnsignedData,
    kind: AgreedDuty,
    signal: AbortSignal,
  ): Promise<Slot | null | undefined> {
    const head = kind.attestedHead(data, this.#parts.chain);
    if (head === null || signal.aborted) return undefined;
    try {
      return await this.#parts.beacon.blockSlot(head, signal);
    } catch (error) {
      if (error instanceof FaultError || error instanceof Cancelled) return undefined;
      throw error;
    }
  }
}

type Question = {
  readonly kind: AgreedDuty;
  readonly definitions: DutyDefinitions;
  readonly window: RoundWindow;
  readonly certified: boolean;
};

/** What is there already, and nothing is waited for. */
const AT_ONCE = AbortSignal.abort(new Cancelled("no own data is waited for"));

function refused(reason: string): Verdict {
  return { accepted: false, reason };
}
