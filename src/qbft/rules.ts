/**
 * The upon-rules of QBFT (arXiv:2002.03613, Algorithms 1 to 3): which step the state calls for. A
 * rule reads the state as it is, never the message that came last, so the order in which the same
 * messages arrive does not matter (QBFT-2). Taking a step disables its rule.
 */
import type { Root } from "../domain/keys.ts";
import { faulty, quorum } from "../domain/quorum.ts";
import type { Round } from "../domain/units.ts";
import { isCertified } from "./justification.ts";
import type { Message, SignedStatement, Statement } from "./messages.ts";
import {
  type Certificate,
  certificateOf,
  preparedBelow,
  pruned,
  type QbftState,
  stepKey,
  withoutJustification,
} from "./state.ts";

export type UponRule =
  | { readonly rule: "decide"; readonly certificate: Certificate }
  | { readonly rule: "enterRound"; readonly round: Round; readonly isAnnounced: boolean }
  | {
      readonly rule: "validate";
      readonly value: Root;
      readonly round: Round;
      readonly certified: boolean;
    }
  | ({ readonly rule: "broadcast" } & Announcement);

/** Something that this node is about to state. */
export type Announcement = {
  readonly statement: Statement;
  readonly justification: readonly SignedStatement[];
};

/** The step that is due now; null when the node has to wait for the next event. */
export function dueRule(state: QbftState): UponRule | null {
  if (!state.isStarted || state.decision !== null) return null;
  return (
    decideRule(state) ??
    commitRule(state) ??
    enterRoundRule(state) ??
    proposeRule(state) ??
    validateRule(state) ??
    prepareRule(state)
  );
}

/** The ROUND-CHANGE for `round` with the highest PREPARE certificate that this node has. */
export function roundChangeFor(state: QbftState, round: Round): Announcement {
  const prepared = preparedBelow(state, round);
  return {
    statement: {
      type: "ROUND-CHANGE",
      round,
      value: null,
      preparedRound: prepared?.round ?? 0,
      preparedValue: prepared?.value ?? null,
    },
    justification: prepared?.votes ?? [],
  };
}

/** A statement of a type that names its value. */
export function statementOf(
  type: Exclude<Statement["type"], "ROUND-CHANGE">,
  round: Round,
  value: Root,
): Statement {
  return { type, round, value, preparedRound: 0, preparedValue: null };
}

/** QBFT-9: a quorum of COMMITs decides, of whatever round it is. */
function decideRule(state: QbftState): UponRule | null {
  for (let round = 1; round <= state.config.maxRound; round++) {
    const certificate = certificateOf(state, "COMMIT", round);
    if (certificate !== null) return { rule: "decide", certificate };
  }
  return null;
}

/** QBFT-8: a quorum of PREPAREs of the current round is enough, with or without the value. */
function commitRule(state: QbftState): UponRule | null {
  if (!isStepOpen(state, "COMMIT")) return null;
  const prepared = certificateOf(state, "PREPARE", state.round);
  return prepared && voteFor("COMMIT", state.round, prepared.value);
}

/**
 * QBFT-11 and QBFT-12: a justified proposal of a higher round, or f+1 peers that left for higher
 * rounds, take this node along. Of the peers' highest rounds the (f+1)-th largest is the target:
 * the smallest of the f+1 that are furthest, where jumping step by step would end as well.
 */
function enterRoundRule(state: QbftState): UponRule | null {
  const furthest = new Map<number, Round>();
  let proposed = 0;
  for (let round = state.round + 1; round <= state.config.maxRound; round++) {
    for (const { source } of state.log.of("ROUND-CHANGE", round)) furthest.set(source, round);
    if (proposalOf(state, round) !== undefined) proposed = round;
  }
  const announced = [...furthest.values()].sort((a, b) => b - a)[faulty(state.config.nodes)] ?? 0;
  if (Math.max(proposed, announced) === 0) return null;
  if (proposed >= announced) return { rule: "enterRound", round: proposed, isAnnounced: false };
  return { rule: "enterRound", round: announced, isAnnounced: true };
}

/** QBFT-5: the leader proposes its input, or what the highest prepared ROUND-CHANGE names. */
function proposeRule(state: QbftState): UponRule | null {
  const { config, log, round } = state;
  if (config.leaderOf(round) !== config.self || !isStepOpen(state, "PRE-PREPARE")) return null;
  const roundChanges = log.of("ROUND-CHANGE", round);
  const needed = round === 1 ? 0 : quorum(config.nodes);
  if (roundChanges.length < needed) return null;

  const highest = highestPrepared(roundChanges);
  const value = highest?.preparedValue ?? state.input;
  if (value === null || !state.available.has(value)) return null;
  const chosen = [...(highest ? [highest] : []), ...roundChanges.filter((m) => m !== highest)];
  const prepares = highest ? pruned(highest.justification, config) : [];
  return {
    rule: "broadcast",
    statement: statementOf("PRE-PREPARE", round, value),
    justification: [...chosen.slice(0, needed).map(withoutJustification), ...prepares],
  };
}

/** QBFT-6: each proposal is judged once, when its bytes are here. */
function validateRule(state: QbftState): UponRule | null {
  const { round } = state;
  const proposal = proposalOf(state, round);
  if (!maySend(state) || !proposal?.value || state.validations.has(round)) return null;
  if (!state.available.has(proposal.value)) return null;
  return { rule: "validate", value: proposal.value, round, certified: isCertified(proposal) };
}

/** QBFT-7: PREPARE follows the verdict for this very round. */
function prepareRule(state: QbftState): UponRule | null {
  const { round } = state;
  const proposal = proposalOf(state, round);
  if (!isStepOpen(state, "PREPARE") || !proposal?.value) return null;
  if (state.validations.get(round) !== "accepted") return null;
  return voteFor("PREPARE", round, proposal.value);
}

/** The leader's justified proposal of a round: the log holds no other (QBFT-3). */
export function proposalOf(state: QbftState, round: Round): Message | undefined {
  return state.log.of("PRE-PREPARE", round)[0];
}

function highestPrepared(roundChanges: readonly Message[]): Message | undefined {
  return roundChanges
    .filter((message) => message.preparedRound > 0)
    .sort((a, b) => b.preparedRound - a.preparedRound)[0];
}

function isStepOpen(state: QbftState, type: Statement["type"]): boolean {
  return maySend(state) && !state.sent.has(stepKey({ type, round: state.round }));
}

/** QBFT-13 and QBFT-14: silent in quarantine and after the last round. */
function maySend(state: QbftState): boolean {
  return state.config.maySend && !state.isExhausted;
}

function voteFor(type: "PREPARE" | "COMMIT", round: Round, value: Root): UponRule {
  return { rule: "broadcast", statement: statementOf(type, round, value), justification: [] };
}
