/**
 * Guards of the node that stand between a liar and harm: what to patch out, in which scenario the
 * guard has to hold, and how its absence shows.
 */
import type { Scenario } from "../../sim/scenario.ts";
import type { FrameSummary, TraceEvent } from "../../sim/trace.ts";
import { MAX_PULLS_PER_PEER } from "../../src/domain/limits.ts";
import type { Patch } from "./mutant.ts";

export type Guard = {
  readonly guard: string;
  readonly patch: Patch & { readonly file: string };
  readonly scenario: string;
  /** What is unlike the scenario, where the guard has to be reached; faults come on top. */
  readonly change?: Partial<Scenario>;
  /** The checker that finds the harm, or a question to the trace that only the mutant answers. */
  readonly harm: string | ((events: readonly TraceEvent[]) => boolean);
};

/** In every scenario of one Byzantine operator. */
const LIAR = 1;

export const GUARDS: readonly Guard[] = [
  {
    guard: "FOREIGN-2: peers are asked what nobody here explains",
    patch: {
      file: "src/core/sightingInquiry.ts",
      find: "if (++asked > SIGHTINGS_PER_ROUND) return;",
      replace: "if (++asked > 0) return;",
    },
    scenario: "partition-long",
    harm: "foreign",
  },
  {
    guard: "FOREIGN-1: what was seen is compared with what was decided",
    patch: {
      file: "src/core/foreignSigners.ts",
      find: 'if (standing === "explained") return;',
      replace: "if (standing !== null) return;",
    },
    scenario: "foreign-signer",
    harm: "foreign",
  },
  {
    guard: "the author's signature of a statement",
    patch: {
      file: "src/core/consensus.ts",
      find: "if (!statements.every((statement) => this.#isSigned(duty, statement))) ",
      replace: "if (statements.length === 0) ",
    },
    scenario: "forge",
    harm: "agreement",
  },
  {
    guard: "duty and slot in what a statement's signature covers",
    patch: {
      file: "src/wire/signing.ts",
      find: "uint64be(duty.slot),\n    uint32be(statement.source),",
      replace: "uint64be(0),\n    uint32be(statement.source),",
    },
    scenario: "replay",
    harm: "standing",
  },
  {
    guard: "the justification of a message",
    patch: {
      file: "src/qbft/justification.ts",
      find: "  switch (message.type) {",
      replace: "  if (nodes > 0) return true;\n  switch (message.type) {",
    },
    scenario: "stale-justification",
    harm: "liveness",
  },
  {
    guard: "f+1 round changes, and not one, move a node",
    patch: {
      file: "src/qbft/rules.ts",
      find: "[faulty(state.config.nodes)]",
      replace: "[0 * faulty(state.config.nodes)]",
    },
    scenario: "inflate-rounds",
    harm: (events) =>
      events.some((event) => event.kind === "send" && isHonestRoundChange(event.frame)),
  },
  {
    guard: "the rejection of equivocation",
    patch: {
      file: "src/qbft/instance.ts",
      find: 'return isSameStatement(first, message) ? "duplicate" : "equivocation";',
      replace: 'return "duplicate";',
    },
    scenario: "flood",
    harm: (events) => !isPenalised("equivocation", events),
  },
  {
    guard: "the search for liars when a group signature does not verify",
    patch: {
      file: "src/core/signatureAggregator.ts",
      find: "if (invalid.length > 0) liars.push({ validator: group.validator, shares: invalid });",
      replace: "",
    },
    scenario: "garbage-partials",
    harm: "liveness",
  },
  {
    guard: "a share speaks once",
    patch: {
      file: "src/core/partialSignatureStore.ts",
      find: "if (before === undefined) {",
      replace: "if (before !== undefined || before === undefined) {",
    },
    scenario: "replay",
    harm: (events) => !isPenalised("conflicting_root", events),
  },
  {
    guard: "pulls of one peer are limited",
    patch: {
      file: "src/core/consensusInstance.ts",
      find: "if (data === undefined || served >= MAX_PULLS_PER_PEER) return;",
      replace: "if (data === undefined) return;",
    },
    scenario: "flood",
    change: { faults: [{ kind: "byzantine", behaviour: "flood", nodes: [LIAR], at: 2, for: 1 }] },
    harm: (events) => mostAnswersTo(LIAR, events) > MAX_PULLS_PER_PEER,
  },
  {
    guard: "missing values are pulled",
    patch: {
      file: "src/core/valuePulls.ts",
      find: "this.#ask(peer, value);",
      replace: "",
    },
    scenario: "withhold-value",
    harm: hasLeftSomebodyBehind,
  },
  {
    guard: "missing values are pulled, where the duty hangs on every share",
    patch: {
      file: "src/core/valuePulls.ts",
      find: "this.#ask(peer, value);",
      replace: "",
    },
    scenario: "withhold-value",
    change: { threshold: 4 },
    harm: "liveness",
  },
  {
    guard: "VALUE-1: a block pays the lock's fee recipient",
    patch: {
      file: "src/duties/proposer.ts",
      find: "if (feeRecipient !== null && feeRecipient !== definition.feeRecipient) {",
      replace: "if (feeRecipient !== null && feeRecipient === definition.feeRecipient) {",
    },
    scenario: "foreign-fee-recipient",
    harm: "validity",
  },
  {
    guard: "VALUE-1: deterministic rules of a vote",
    patch: {
      file: "src/core/valueChecker.ts",
      find: "return checked.ok ? null :",
      replace: "return checked.ok || data.duty.slot >= 0 ? null :",
    },
    scenario: "slash-bait",
    harm: "validity",
  },
  {
    guard: "ATT-5, BLOCK-5: the head is known, in early rounds",
    patch: {
      file: "src/duties/proposer.ts",
      find: "if (headSlot === null) {",
      replace: "if (headSlot === 0) {",
    },
    scenario: "random-head",
    harm: "liveness",
  },
  {
    guard: "VOTE-2: a restarted node is silent in slots of its former life",
    patch: {
      file: "src/core/voteGuard.ts",
      find: "return slot > this.quarantinedUntil;",
      replace: "return true;",
    },
    scenario: "crash-and-restart-mid-slot",
    harm: speaksOfItsFormerLife,
  },
];

function isPenalised(code: string, events: readonly TraceEvent[]): boolean {
  return events.some((event) => event.kind === "penalty" && event.code === code);
}

function isHonestRoundChange(frame: FrameSummary): boolean {
  return frame.type === "ROUND-CHANGE" && frame.source !== LIAR;
}

/** Whether a restarted node votes or changes rounds in a slot of its former life. */
function speaksOfItsFormerLife(events: readonly TraceEvent[]): boolean {
  const bornIn = new Map<number, number>();
  let now = 0;
  for (const event of events) {
    if (event.kind === "slot") now = event.slot;
    if (event.kind === "up" && event.restarts > 0) bornIn.set(event.node, now);
    if (event.kind !== "send" || !("source" in event.frame)) continue;
    const { type, source, duty } = event.frame;
    const isVote = type !== "DECIDED" && source === event.from;
    if (isVote && Number(duty.split("/")[0]) <= (bornIn.get(source) ?? -1)) return true;
  }
  return false;
}

/** Whether a duty was decided by some of the three honest nodes and not by all of them. */
function hasLeftSomebodyBehind(events: readonly TraceEvent[]): boolean {
  const deciders = new Map<string, Set<number>>();
  for (const event of events) {
    if (event.kind !== "decided" || event.node === LIAR) continue;
    deciders.set(event.duty, (deciders.get(event.duty) ?? new Set()).add(event.node));
  }
  return [...deciders.values()].some(({ size }) => size < 3);
}

/** Frames with which one node answered one peer's pulls of one duty, at most. */
function mostAnswersTo(peer: number, events: readonly TraceEvent[]): number {
  const counts = new Map<string, number>();
  for (const event of events) {
    if (event.kind !== "send" || event.to !== peer) continue;
    const { frame } = event;
    const isAnswer =
      frame.type === "value" || (frame.type === "PRE-PREPARE" && frame.source !== event.from);
    if (!isAnswer) continue;
    const key = `${event.from}/${frame.duty}`;
    counts.set(key, 1 + (counts.get(key) ?? 0));
  }
  return Math.max(0, ...counts.values());
}
