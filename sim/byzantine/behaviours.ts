/** Every behaviour by its name: what scenarios and `--behaviour` say. */
import { UsageError } from "../../src/domain/errors.ts";
import type { Network } from "../../src/ports/network.ts";
import { ByzantineNetwork } from "./byzantineNetwork.ts";
import { equivocate, splitVotes } from "./equivocation.ts";
import { flood } from "./flood.ts";
import { forge, inflateRounds, replay, staleJustification } from "./forgeries.ts";
import { foreignFeeRecipient, randomHead, slashBait } from "./lies.ts";
import type { Behaviour, BehaviourOptions, Operator, OperatorContext } from "./operator.ts";
import { doubleSign, garbagePartials } from "./partials.ts";
import { silent, withholdCommit, withholdValue } from "./silence.ts";
import { SLASH_BAITS } from "./values.ts";

type Row = {
  /** One line for lists. */
  readonly help: string;
  /** Names of its options, each with what it may be. */
  readonly options?: Readonly<Record<string, "number" | readonly string[]>>;
  readonly create: (operator: Operator) => Behaviour;
};

const ROWS = {
  silent: { help: "says nothing", create: silent },
  equivocate: {
    help: "leads with two proposals, one for each half, and votes for both",
    create: equivocate,
  },
  "split-votes": {
    help: "votes for one value towards one half and for another towards the rest",
    create: splitVotes,
  },
  forge: { help: "votes and decides in the names of others", create: forge },
  "withhold-commit": { help: "prepares and never commits", create: withholdCommit },
  "withhold-value": {
    help: "proposes roots and keeps their bytes back",
    options: { reach: "number" },
    create: withholdValue,
  },
  replay: {
    help: "repeats what was said for other duties, rounds and clusters",
    create: replay,
  },
  "stale-justification": {
    help: "justifies its messages by votes for something else",
    create: staleJustification,
  },
  "inflate-rounds": { help: "changes to every round at once", create: inflateRounds },
  "slash-bait": {
    help: "proposes votes and blocks that are slashable",
    options: { bait: SLASH_BAITS },
    create: slashBait,
  },
  "random-head": { help: "proposes heads and parents that do not exist", create: randomHead },
  "foreign-fee-recipient": {
    help: "proposes blocks that pay somebody else",
    create: foreignFeeRecipient,
  },
  "garbage-partials": {
    help: "sends partial signatures that do not verify",
    create: garbagePartials,
  },
  "double-sign": {
    help: "signs a second message for half of the others, validly",
    create: doubleSign,
  },
  flood: {
    help: "sends as much as it can",
    options: { framesPerSecond: "number" },
    create: flood,
  },
} as const satisfies Record<string, Row>;

export type BehaviourName = keyof typeof ROWS;
const BEHAVIOURS: Readonly<Record<BehaviourName, Row>> = ROWS;
export const BEHAVIOUR_NAMES = Object.keys(ROWS) as readonly BehaviourName[];

/**
 * The Network port of an operator that misbehaves so; throws {@link UsageError} for what
 * {@link flawOfBehaviour} finds wrong.
 */
export function misbehave(name: string, context: OperatorContext): Network {
  const row = rowOf(name);
  const flaw = flawOfBehaviour(name, context.options);
  if (row === null || flaw !== null) throw new UsageError(flaw ?? name);
  return new ByzantineNetwork(context, row.create);
}

/** One line about the behaviour, with the names of its options. */
export function behaviourHelp(name: BehaviourName): string {
  const { help, options = {} }: Row = BEHAVIOURS[name];
  const names = Object.keys(options);
  return names.length === 0 ? help : `${help} (options: ${names.join(", ")})`;
}

/** What is wrong with a behaviour as somebody asked for it, with the fix; null when nothing is. */
export function flawOfBehaviour(name: string, options: BehaviourOptions): string | null {
  const row = rowOf(name);
  if (row === null) return `there is no behaviour "${name}"; say ${BEHAVIOUR_NAMES.join(", ")}`;
  for (const [key, value] of Object.entries(options)) {
    const allowed = row.options?.[key];
    if (allowed === undefined) {
      const known = Object.keys(row.options ?? {}).join(", ") || "none";
      return `${name} has no option "${key}"; it has ${known}`;
    }
    if (allowed === "number" ? typeof value !== "number" : !allowed.includes(String(value))) {
      const wanted = allowed === "number" ? "a number" : `one of ${allowed.join(", ")}`;
      return `the option "${key}" of ${name} is ${wanted}`;
    }
  }
  return null;
}

function rowOf(name: string): Row | null {
  return Object.hasOwn(BEHAVIOURS, name) ? BEHAVIOURS[name as BehaviourName] : null;
}
