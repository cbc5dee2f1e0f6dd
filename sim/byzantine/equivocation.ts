/** Behaviours that tell different operators different things, each signed and well formed. */
import { dutyId } from "../../src/domain/duty.ts";
import type { PeerIndex, Root } from "../../src/domain/keys.ts";
import { BoundedCache } from "../../src/util/boundedCache.ts";
import { nativeProfile as profile } from "../../src/wire/nativeProfile.ts";
import type { Fork, Side } from "./conspiracy.ts";
import {
  encode,
  type MessageFrame,
  messageIn,
  repropose,
  restate,
  sign,
  statementOf,
} from "./frames.ts";
import type { Behaviour, Operator } from "./operator.ts";
import { alternative, changedValue, Heads, randomRoot, short } from "./values.ts";

/** Rounds whose second value is remembered. */
const MAX_SPLITS = 64;

/**
 * Leads with two proposals, one for each half of the honest operators, and votes for both. Fellow
 * conspirators vote along.
 */
export function equivocate(operator: Operator): Behaviour {
  const heads = new Heads();
  const votes = splitVotes(operator);
  return {
    hear: (frame) => heads.note(frame),
    rewrite: (sent) => {
      heads.note(sent);
      const frame = messageIn(sent);
      const isProposal = frame?.message.type === "PRE-PREPARE" && frame.value !== null;
      if (!isProposal) return votes.rewrite?.(sent) ?? [sent.bytes];
      const fork =
        operator.conspiracy.forkOf(frame.duty, frame.message.round) ??
        forkProposal(operator, frame, heads);
      if (fork === null) return [sent.bytes];
      const side = sideFor(operator, fork, sent.to);
      return [side.value === frame.value ? sent.bytes : repropose(operator, frame, side.value)];
    },
  };
}

function forkProposal(operator: Operator, frame: MessageFrame, heads: Heads): Fork | null {
  const { duty, message, value } = frame;
  if (value === null || message.value === null) return null;
  const change = alternative(operator.random, heads);
  const other = changedValue(operator.chain, duty, { value, change });
  if (other === null) return null;
  const second = { root: profile.valueRoot(other), value: other };
  const first = { root: message.value, value };
  operator.acted(`proposes ${short(first.root)} and ${short(second.root)} for ${dutyId(duty)}`);
  const fork: Fork = { duty, round: message.round, sides: [first, second] };
  operator.conspiracy.fork(fork);
  return fork;
}

function sideFor({ conspiracy, identity }: Operator, fork: Fork, to: PeerIndex | null): Side {
  return fork.sides[conspiracy.sideOf(to, identity.nodes)];
}

/** Votes for one value towards one half of the others and for another towards the rest. */
export function splitVotes(operator: Operator): Behaviour {
  const { conspiracy, identity } = operator;
  conspiracy.onFork((fork) => {
    if (operator.isActive()) voteForBoth(operator, fork);
  });
  const others = new BoundedCache<string, Root>(MAX_SPLITS);
  return {
    rewrite: (sent) => {
      const frame = messageIn(sent);
      const type = frame?.message.type;
      if (frame === null || (type !== "PREPARE" && type !== "COMMIT")) return [sent.bytes];
      if (conspiracy.sideOf(sent.to, identity.nodes) === 0) return [sent.bytes];
      const { duty, message } = frame;
      const key = `${dutyId(duty)}/${message.round}`;
      const forked = conspiracy.forkOf(duty, message.round)?.sides[1].root;
      const value = forked ?? others.get(key) ?? randomRoot(operator.random);
      others.set(key, value);
      operator.acted(`says ${type} of ${short(value)} to ${sent.to} only`);
      return [restate(operator, frame, { value })];
    },
  };
}

/** Does not wait for quorums: whoever lies needs none. */
function voteForBoth(operator: Operator, fork: Fork): void {
  const { duty, round } = fork;
  for (const peer of operator.peers) {
    if (operator.conspiracy.isMember(peer)) continue;
    const { root } = sideFor(operator, fork, peer);
    for (const type of ["PREPARE", "COMMIT"] as const) {
      const vote = sign(operator, duty, statementOf(type, round, root));
      operator.say(peer, "consensus", encode(duty, { ...vote, justification: [] }));
    }
  }
  operator.acted(`votes for both values of round ${round} of ${dutyId(duty)}`);
}
