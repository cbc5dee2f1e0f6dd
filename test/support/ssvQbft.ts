/**
 * Runs ssv-spec's scenarios on our machine: what stands around it here does what our driver does
 * with its effects, but nothing comes back by itself, since the files bring a node's own messages.
 */
import assert from "node:assert/strict";
import type { Root } from "../../src/domain/keys.ts";
import type { Round } from "../../src/domain/units.ts";
import type { QbftInstance } from "../../src/qbft/instance.ts";
import type { Message, QbftEffect, QbftEvent } from "../../src/qbft/messages.ts";
import type { QbftConfig } from "../../src/qbft/state.ts";
import {
  type Committee,
  committeeOf,
  fromJson,
  isAuthentic,
  type JsonState,
  lineOf,
  ourMessage,
  rootOfValue,
  type SsvMessage,
  short,
} from "./ssvSpec.ts";

export type MachineClass = new (config: QbftConfig) => Pick<QbftInstance, "step" | "round">;

/** What can be compared of an instance after a file. */
export type FinalState = {
  readonly round: Round;
  readonly prepared: string;
  readonly decided: string;
};

/** The round in which the files' instances are cut off. */
const LAST_ROUND = 15;
const INVALID_VALUE = rootOfValue(new Uint8Array([1, 1, 1, 1]));

/** One instance under test, at one height. */
export class SsvInstance {
  /** Lines of what was sent since `begin`. */
  readonly sent: string[] = [];
  readonly timers: Round[] = [];
  readonly rejected: string[] = [];
  decisions = 0;
  #decided: Root | null = null;
  readonly #committee: Committee;
  readonly #config: QbftConfig;
  readonly #machine: Pick<QbftInstance, "step" | "round">;
  readonly #Machine: MachineClass;
  readonly #height: number;
  /** What the machine took without a rejection. */
  readonly #taken: QbftEvent[] = [];
  readonly #values = new Map<Root, Uint8Array>();
  #isRecording = false;
  #isStarted = false;

  constructor(state: Pick<JsonState, "CommitteeMember" | "Height">, Machine: MachineClass) {
    this.#height = state.Height;
    this.#committee = committeeOf(state);
    this.#Machine = Machine;
    // Their test configuration has operator 1 propose in every round.
    this.#config = {
      nodes: this.#committee.size,
      self: state.CommitteeMember.OperatorID - 1,
      leaderOf: () => 0,
      maxRound: LAST_ROUND,
      maySend: true,
    };
    this.#machine = new Machine(this.#config);
  }

  /** Starts with an own value, as their `Start` does; null when there is none. */
  start(value: Uint8Array | null): void {
    this.#isStarted = true;
    this.#step({ kind: "start" });
    if (value === null) return;
    const root = rootOfValue(value);
    this.#values.set(root, value);
    this.#step({ kind: "propose", value: root });
  }

  /** Brings a started instance into the state that a file begins with. */
  seed({ Round: round, ProposalAcceptedForCurrentRound: accepted }: JsonState): void {
    for (let left = 1; left < round; left++) this.#step({ kind: "timeout", round: left });
    if (accepted === null) return;
    const proposal = fromJson(accepted.SignedMessage);
    const message = ourMessage(proposal);
    assert(message !== null, "an accepted proposal is one of ours");
    // The files do not justify what is accepted already; our machine asks for it.
    const justification = round === 1 ? [] : roundChanges(round);
    this.#receive({ ...message, justification }, proposal);
  }

  /** What is sent from here on is the file's. */
  begin(): void {
    this.#isRecording = true;
  }

  take(message: SsvMessage): void {
    const ours = ourMessage(message);
    // WIRE-5: a statement is signed for one duty and is none of another's.
    if (message.height !== this.#height) this.rejected.push("another duty");
    else if (!isAuthentic(message, this.#committee)) this.rejected.push("unauthenticated");
    else if (ours === null) this.rejected.push("several signers");
    else this.#receive(ours, message);
  }

  /** Whether their controller would keep an instance too: it runs or has a decision. */
  get isKept(): boolean {
    return this.#isStarted || this.#decided !== null;
  }

  get state(): FinalState {
    return {
      round: this.#machine.round,
      prepared: this.#prepared(),
      decided: short(this.#decided),
    };
  }

  #receive(message: Message, { signed, root }: SsvMessage): void {
    const hasBytes = signed.fullData.length > 0;
    // WIRE-10: the bytes beside a message are those that it names.
    if (hasBytes && rootOfValue(signed.fullData) !== root) {
      this.rejected.push("another value's bytes");
      return;
    }
    if (hasBytes) this.#values.set(root, signed.fullData);
    const effects = this.#step({ kind: "receive", message });
    const isRejected = effects.some(({ kind }) => kind === "reject");
    if (message.type === "PRE-PREPARE" && hasBytes && !isRejected) {
      this.#step({ kind: "value", value: root });
    }
  }

  #step(event: QbftEvent): readonly QbftEffect[] {
    const effects = this.#machine.step(event);
    if (!effects.some(({ kind }) => kind === "reject")) this.#taken.push(event);
    for (const effect of effects) this.#perform(effect);
    return effects;
  }

  #perform(effect: QbftEffect): void {
    switch (effect.kind) {
      case "broadcast":
        if (this.#isRecording) this.sent.push(lineOf(effect.statement, effect.justification));
        return;
      case "answer":
        if (this.#isRecording) this.sent.push(`DECIDED to ${effect.peer + 1}`);
        return;
      case "setTimer":
        if (this.#isRecording) this.timers.push(effect.round);
        return;
      case "pull":
        if (this.#values.has(effect.value)) this.#step({ kind: "value", value: effect.value });
        return;
      case "validate":
        this.#validate(effect.value, effect.round);
        return;
      case "decide":
        this.decisions++;
        this.#decided = effect.value;
        return;
      case "reject":
        this.rejected.push(effect.reason);
        return;
    }
  }

  #validate(value: Root, round: Round): void {
    const accepted = value !== INVALID_VALUE;
    if (!accepted) this.rejected.push("value refused");
    const verdict = accepted ? { accepted } : { accepted, reason: "the value check" };
    this.#step({ kind: "validated", value, round, verdict });
  }

  /**
   * What a ROUND-CHANGE of this node would claim now. A machine that saw the same but no COMMITs is
   * asked, because a decided one changes no round.
   */
  #prepared(): string {
    const probe = new this.#Machine({ ...this.#config, maxRound: LAST_ROUND + 1 });
    if (!this.#isStarted) probe.step({ kind: "start" });
    for (const event of this.#taken) {
      const isEnd =
        event.kind === "receive" &&
        (event.message.type === "COMMIT" || event.message.type === "DECIDED");
      if (!isEnd) probe.step(event);
    }
    const effects = probe.step({ kind: "timeout", round: probe.round });
    const claim = effects.find((effect) => effect.kind === "broadcast");
    assert(claim !== undefined, "a started node announces the round that it enters");
    const { preparedRound, preparedValue } = claim.statement;
    return preparedRound === 0 ? "-" : `${short(preparedValue)} in ${preparedRound}`;
  }
}

/** The state of a post-state file, in the same terms. */
export function finalState(state: JsonState): FinalState {
  const { Round: round, LastPreparedRound, LastPreparedValue, Decided, DecidedValue } = state;
  const rootOf = (value: string | null): string =>
    value === null ? "-" : short(rootOfValue(Buffer.from(value, "base64")));
  return {
    round,
    prepared:
      LastPreparedRound === 0 ? "-" : `${rootOf(LastPreparedValue)} in ${LastPreparedRound}`,
    decided: Decided ? rootOf(DecidedValue) : "-",
  };
}

function roundChanges(round: Round): Message["justification"] {
  return [0, 1, 2].map((source) => ({
    type: "ROUND-CHANGE",
    round,
    value: null,
    preparedRound: 0,
    preparedValue: null,
    source,
    signature: new Uint8Array(),
  }));
}
