/**
 * One QBFT instance as a step machine: an event in, effects out; no promise, clock, randomness or
 * log. The driver MUST perform the effects in order and step one event at a time. A node's own
 * votes count only when they come back by `receive`, signed, as its peers see them.
 */
import type { PeerIndex, Root } from "../domain/keys.ts";
import { MAX_MESSAGES_PER_PEER } from "../domain/limits.ts";
import type { Round } from "../domain/units.ts";
import { assert, assertNever } from "../util/assert.ts";
import { isJustified, isWellFormed } from "./justification.ts";
import type {
  Message,
  QbftEffect,
  QbftEvent,
  QbftRejection,
  SignedStatement,
  Verdict,
} from "./messages.ts";
import {
  type Announcement,
  dueRule,
  proposalOf,
  roundChangeFor,
  statementOf,
  type UponRule,
} from "./rules.ts";
import {
  type Certificate,
  initialState,
  pruned,
  type QbftConfig,
  type QbftState,
  stepKey,
  withoutJustification,
} from "./state.ts";

export class QbftInstance {
  readonly #state: QbftState;
  /** Peers that were named in a pull, by value. */
  readonly #pulled = new Map<Root, Set<PeerIndex>>();
  /** Rounds for which a late peer had its answer. */
  readonly #answered = new Map<PeerIndex, Set<Round>>();
  #effects: QbftEffect[] = [];

  constructor(config: QbftConfig) {
    this.#state = initialState(config);
  }

  get round(): Round {
    return this.#state.round;
  }

  get isDecided(): boolean {
    return this.#state.decision !== null;
  }

  step(event: QbftEvent): readonly QbftEffect[] {
    this.#effects = [];
    this.#take(event);
    // Each rule disables itself, and rounds only grow, so this ends.
    for (let due = dueRule(this.#state); due !== null; due = dueRule(this.#state)) this.#apply(due);
    return this.#effects;
  }

  #take(event: QbftEvent): void {
    const state = this.#state;
    switch (event.kind) {
      case "start":
        assert(!state.isStarted, "an instance starts once");
        state.isStarted = true;
        if (!this.isDecided) this.#effects.push({ kind: "setTimer", round: state.round });
        return;
      case "propose":
        state.input ??= event.value;
        state.available.add(event.value);
        return;
      case "value":
        state.available.add(event.value);
        return;
      case "validated":
        this.#takeVerdict(event.value, event.round, event.verdict);
        return;
      case "receive":
        this.#receive(event.message);
        return;
      case "timeout":
        this.#takeTimeout(event.round);
        return;
      default:
        assertNever(event);
    }
  }

  #apply(due: UponRule): void {
    switch (due.rule) {
      case "decide":
        this.#decide(due.certificate);
        return;
      case "enterRound":
        this.#enterRound(due.round, due.isAnnounced);
        return;
      case "validate": {
        const { value, round, certified } = due;
        this.#state.validations.set(round, "asked");
        this.#effects.push({ kind: "validate", value, round, certified });
        return;
      }
      case "broadcast":
        this.#broadcast(due);
        return;
      default:
        assertNever(due);
    }
  }

  /** A verdict for a round that is over, or for another value, says nothing about this round. */
  #takeVerdict(value: Root, round: Round, verdict: Verdict): void {
    const state = this.#state;
    if (round !== state.round || state.validations.get(round) !== "asked") return;
    if (proposalOf(state, round)?.value !== value) return;
    state.validations.set(round, verdict.accepted ? "accepted" : "refused");
  }

  #takeTimeout(round: Round): void {
    const state = this.#state;
    if (round !== state.round || this.isDecided || !state.isStarted) return;
    if (round === state.config.maxRound) state.isExhausted = true;
    else this.#enterRound(round + 1, true);
  }

  #enterRound(round: Round, isAnnounced: boolean): void {
    const state = this.#state;
    assert(round > state.round && round <= state.config.maxRound, "rounds only grow");
    assert(!this.isDecided, "a decided node stays where it is");
    state.round = round;
    this.#effects.push({ kind: "setTimer", round });
    if (!isAnnounced || !state.config.maySend) return;
    const roundChange = roundChangeFor(state, round);
    if (!state.sent.has(stepKey(roundChange.statement))) this.#broadcast(roundChange);
  }

  #broadcast({ statement, justification }: Announcement): void {
    const { sent, config, round } = this.#state;
    assert(config.maySend, "a quarantined node is silent");
    assert(statement.round === round, "a node speaks for its current round only");
    assert(!sent.has(stepKey(statement)), "a node takes each step once");
    sent.add(stepKey(statement));
    this.#effects.push({ kind: "broadcast", statement, justification });
  }

  #receive(message: Message): void {
    const reason = this.#reasonToReject(message);
    if (reason !== null) this.#reject(message, reason);
    else if (message.type === "DECIDED") this.#takeDecided(message);
    else this.#takeVote(message);
  }

  #takeVote(message: Message): void {
    const { source, type, round } = message;
    const { config, log, sent } = this.#state;
    log.add(message);
    // Also what an earlier run of this node stated: it shall not be contradicted.
    if (source === config.self) sent.add(stepKey(message));
    this.#pullWhatIsMissing(message);
    if (type !== "COMMIT") this.#answer(source, round);
  }

  /** The cheap questions first; a rejected message leaves no trace in the state. */
  #reasonToReject(message: Message): QbftRejection | null {
    const { nodes, leaderOf, maxRound } = this.#state.config;
    if (!isWellFormed(message, nodes)) return "malformed";
    const { type, round, source } = message;
    if (round > maxRound) return "over_limit";
    if (type === "PRE-PREPARE" && source !== leaderOf(round)) return "wrong_leader";
    const first = this.#state.log.first(message);
    if (first !== undefined) return isSameStatement(first, message) ? "duplicate" : "equivocation";
    if (!isJustified(message, nodes)) return "unjustified";
    if (this.#state.log.countOf(source) >= MAX_MESSAGES_PER_PEER) return "over_limit";
    return null;
  }

  #reject(message: Message, reason: QbftRejection): void {
    const first = reason === "equivocation" ? this.#state.log.first(message) : undefined;
    const conflicting = first && { conflicting: withoutJustification(first) };
    this.#effects.push({ kind: "reject", message, reason, ...conflicting });
  }

  /** A justified DECIDED proves itself, whoever sent it; what is decided stays decided. */
  #takeDecided(message: Message): void {
    const { value, round, justification } = message;
    assert(value !== null, "a well-formed DECIDED names its value");
    const { decision, config } = this.#state;
    if (decision === null) this.#decide({ value, round, votes: pruned(justification, config) });
    else this.#reject(message, value === decision.value ? "duplicate" : "equivocation");
  }

  #decide(certificate: Certificate): void {
    const state = this.#state;
    assert(state.decision === null, "an instance decides once");
    state.decision = certificate;
    const { value, round, votes } = certificate;
    this.#effects.push({ kind: "decide", value, round, certificate: votes });
    this.#pull(value, votes);
    for (let later = round + 1; later <= state.config.maxRound; later++) {
      for (const { source } of state.log.of("ROUND-CHANGE", later)) this.#answer(source, later);
    }
  }

  /** QBFT-10: who still speaks for a round did not decide; one answer for each round it names. */
  #answer(peer: PeerIndex, round: Round): void {
    const { decision, config } = this.#state;
    if (decision === null || peer === config.self) return;
    const answered = this.#answered.get(peer) ?? new Set<Round>();
    if (answered.has(round)) return;
    this.#answered.set(peer, answered.add(round));
    const statement = statementOf("DECIDED", decision.round, decision.value);
    this.#effects.push({ kind: "answer", peer, statement, justification: decision.votes });
  }

  /** QBFT-15: whoever prepared a value holds its bytes; whoever vouches for it may. */
  #pullWhatIsMissing(message: Message): void {
    const prepares = message.justification.filter((vote) => vote.type === "PREPARE");
    const [certified] = prepares;
    if (certified?.value) this.#pull(certified.value, prepares);
    if (message.preparedValue !== null) this.#pull(message.preparedValue, [message]);
    if (message.value !== null && message.type !== "PRE-PREPARE") {
      this.#pull(message.value, [message]);
    }
  }

  #pull(value: Root, holders: readonly SignedStatement[]): void {
    const { available, config, decision } = this.#state;
    const isMoot = decision !== null && decision.value !== value;
    if (available.has(value) || isMoot) return;
    const asked = this.#pulled.get(value) ?? new Set([config.self]);
    this.#pulled.set(value, asked);
    const peers = holders.map(({ source }) => source).filter((source) => !asked.has(source));
    for (const peer of peers) asked.add(peer);
    if (peers.length > 0) this.#effects.push({ kind: "pull", value, peers });
  }
}

function isSameStatement(a: SignedStatement, b: SignedStatement): boolean {
  return (
    a.value === b.value &&
    a.preparedRound === b.preparedRound &&
    a.preparedValue === b.preparedValue
  );
}
