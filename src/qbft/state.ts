/** What one QBFT instance remembers. Only `instance.ts` changes it; `rules.ts` reads it. */
import type { PeerIndex, Root } from "../domain/keys.ts";
import { quorum } from "../domain/quorum.ts";
import type { Round } from "../domain/units.ts";
import { assert } from "../util/assert.ts";
import type { Message, MessageType, SignedStatement, Statement } from "./messages.ts";

export type QbftConfig = {
  readonly nodes: number;
  readonly self: PeerIndex;
  readonly leaderOf: (round: Round) => PeerIndex;
  /** The last round: a node whose timer fires in it falls silent. */
  readonly maxRound: Round;
  /** False in the quarantine after a restart: nothing is broadcast, decisions are still taken. */
  readonly maySend: boolean;
};

/** A value with the votes of one round that prove it: exactly a quorum, by rising source. */
export type Certificate = {
  readonly value: Root;
  readonly round: Round;
  readonly votes: readonly SignedStatement[];
};

export type QbftState = {
  readonly config: QbftConfig;
  readonly log: MessageLog;
  /** Values whose bytes the driver holds. */
  readonly available: Set<Root>;
  /** Steps that this node took itself; none is taken twice (QBFT-4). */
  readonly sent: Set<StepKey>;
  /** What became of the proposal of a round since the driver was asked about it. */
  readonly validations: Map<Round, "asked" | "accepted" | "refused">;
  /** Our own input: what we propose when nothing is prepared. */
  input: Root | null;
  round: Round;
  isStarted: boolean;
  /** The timer of the last round fired. */
  isExhausted: boolean;
  decision: Certificate | null;
};

export type StepKey = `${MessageType}/${Round}`;

/** Names the one thing that a node may state once: a type of message in a round. */
export function stepKey({ type, round }: Pick<Statement, "type" | "round">): StepKey {
  return `${type}/${round}`;
}

export function initialState(config: QbftConfig): QbftState {
  assert(config.self >= 0 && config.self < config.nodes, "this node is one of the cluster");
  assert(config.maxRound >= 1, "there is a first round");
  return {
    config,
    log: new MessageLog(),
    available: new Set(),
    sent: new Set(),
    validations: new Map(),
    input: null,
    round: 1,
    isStarted: false,
    isExhausted: false,
    decision: null,
  };
}

/** The accepted messages: for each source the first one of each type and round (QBFT-3). */
export class MessageLog {
  readonly #byStep = new Map<StepKey, Map<PeerIndex, Message>>();
  readonly #counts = new Map<PeerIndex, number>();

  add(message: Message): void {
    const { source } = message;
    const said = this.#byStep.get(stepKey(message)) ?? new Map<PeerIndex, Message>();
    assert(!said.has(source), "the first statement of a step stays");
    said.set(source, message);
    this.#byStep.set(stepKey(message), said);
    this.#counts.set(source, this.countOf(source) + 1);
  }

  /** What the author of `message` stated first for the same type and round. */
  first(message: Message): Message | undefined {
    return this.#byStep.get(stepKey(message))?.get(message.source);
  }

  /** Messages of one type and round by rising source, whatever the order of their arrival. */
  of(type: MessageType, round: Round): readonly Message[] {
    const said = this.#byStep.get(stepKey({ type, round }));
    return said === undefined ? [] : [...said.values()].sort((a, b) => a.source - b.source);
  }

  countOf(source: PeerIndex): number {
    return this.#counts.get(source) ?? 0;
  }
}

/** The PREPARE or COMMIT votes of `round` as a certificate, once a quorum names one value. */
export function certificateOf(
  state: QbftState,
  type: "PREPARE" | "COMMIT",
  round: Round,
): Certificate | null {
  const { config, log } = state;
  const votes = log.of(type, round);
  for (const value of new Set(votes.map((vote) => vote.value))) {
    const same = votes.filter((vote) => vote.value === value);
    if (value === null || same.length < quorum(config.nodes)) continue;
    return { value, round, votes: pruned(same, config) };
  }
  return null;
}

/**
 * The PREPARE quorum of the highest round below `round`. It counts although this node may have left
 * that round before the quorum was complete: the certificate proves itself to everybody.
 */
export function preparedBelow(state: QbftState, round: Round): Certificate | null {
  for (let earlier = round - 1; earlier >= 1; earlier--) {
    const certificate = certificateOf(state, "PREPARE", earlier);
    if (certificate !== null) return certificate;
  }
  return null;
}

/** Exactly a quorum of `votes`, by rising source, so that equal sets make equal certificates. */
export function pruned(
  votes: readonly SignedStatement[],
  { nodes }: QbftConfig,
): readonly SignedStatement[] {
  const sorted = [...votes].sort((a, b) => a.source - b.source);
  return sorted.slice(0, quorum(nodes)).map(withoutJustification);
}

/** The signed part of a message: justifications never nest. */
export function withoutJustification(message: SignedStatement): SignedStatement {
  const { type, round, value, preparedRound, preparedValue, source, signature } = message;
  return { type, round, value, preparedRound, preparedValue, source, signature };
}
