/**
 * Whether a message is well formed and carries the votes that justify it (arXiv:2002.03613,
 * Algorithm 4). A judgement depends on nothing but the message and the size of the cluster, so all
 * honest nodes judge alike and in any order. Signatures are the driver's: all are valid here.
 */
import { MAX_JUSTIFICATIONS } from "../domain/limits.ts";
import { quorum } from "../domain/quorum.ts";
import type { Message, SignedStatement, Statement } from "./messages.ts";

/** Whether the fields fit the type (QBFT-1), the justification's entries included. */
export function isWellFormed(message: Message, nodes: number): boolean {
  const { justification } = message;
  if (justification.length > MAX_JUSTIFICATIONS) return false;
  return [message, ...justification].every((statement) => isWellFormedStatement(statement, nodes));
}

/** Whether the justification is exactly what the message needs: nothing is missing or beside it. */
export function isJustified(message: Message, nodes: number): boolean {
  switch (message.type) {
    case "PRE-PREPARE":
      return isProposalJustified(message, nodes);
    case "ROUND-CHANGE":
      return isRoundChangeJustified(message, nodes);
    case "DECIDED":
      return isQuorum(message.justification, nodes, {
        type: "COMMIT",
        round: message.round,
        value: message.value,
      });
    case "PREPARE":
    case "COMMIT":
      return message.justification.length === 0;
  }
}

/** Whether a justified PRE-PREPARE proposes again what a PREPARE quorum vouches for. */
export function isCertified(proposal: Message): boolean {
  return proposal.justification.some((vote) => vote.type === "PREPARE");
}

function isWellFormedStatement(statement: SignedStatement, nodes: number): boolean {
  const { type, round, source, value, preparedRound, preparedValue } = statement;
  if (!Number.isSafeInteger(source) || source < 0 || source >= nodes) return false;
  if (!Number.isSafeInteger(round) || round < 1) return false;
  if (type !== "ROUND-CHANGE") {
    return value !== null && preparedRound === 0 && preparedValue === null;
  }
  const isPrepared = preparedRound !== 0;
  return (
    round > 1 &&
    value === null &&
    Number.isSafeInteger(preparedRound) &&
    preparedRound >= 0 &&
    preparedRound < round &&
    isPrepared === (preparedValue !== null)
  );
}

/**
 * JustifyPrePrepare (QBFT-5): the first round needs nothing; a later one a quorum of ROUND-CHANGEs
 * of which either none is prepared, or the highest prepared one names the proposed value and a
 * quorum of PREPAREs of that round and value comes along. Claims below the highest need no proof:
 * they do not bind the leader.
 */
function isProposalJustified(proposal: Message, nodes: number): boolean {
  const { round, value, justification } = proposal;
  if (round === 1) return justification.length === 0;
  const roundChanges = justification.filter((vote) => vote.type === "ROUND-CHANGE");
  const others = justification.filter((vote) => vote.type !== "ROUND-CHANGE");
  if (!isQuorum(roundChanges, nodes, { type: "ROUND-CHANGE", round, value: null })) return false;

  const highest = Math.max(...roundChanges.map((vote) => vote.preparedRound));
  if (highest === 0) return others.length === 0;
  return (
    roundChanges.some((vote) => vote.preparedRound === highest && vote.preparedValue === value) &&
    isQuorum(others, nodes, { type: "PREPARE", round: highest, value })
  );
}

/** JustifyRoundChange (QBFT-11): a claim to have prepared comes with its PREPARE quorum. */
function isRoundChangeJustified(message: Message, nodes: number): boolean {
  const { preparedRound, preparedValue, justification } = message;
  if (preparedRound === 0) return justification.length === 0;
  const expected = { type: "PREPARE", round: preparedRound, value: preparedValue } as const;
  return isQuorum(justification, nodes, expected);
}

/** Whether all `votes` state `expected`, each from another source, and make at least a quorum. */
function isQuorum(
  votes: readonly SignedStatement[],
  nodes: number,
  expected: Pick<Statement, "type" | "round" | "value">,
): boolean {
  const sources = new Set(votes.map((vote) => vote.source));
  return (
    sources.size === votes.length &&
    sources.size >= quorum(nodes) &&
    votes.every(
      ({ type, round, value }) =>
        type === expected.type && round === expected.round && value === expected.value,
    )
  );
}
