/** Behaviours that speak in others' names, or use what was said for something else. */
import { type Duty, dutyId } from "../../src/domain/duty.ts";
import { bytesOf, type PeerIndex, rootOf } from "../../src/domain/keys.ts";
import { MAX_ROUND } from "../../src/domain/limits.ts";
import { quorum } from "../../src/domain/quorum.ts";
import type { Identity } from "../../src/ports/identity.ts";
import type { MessageType, SignedStatement } from "../../src/qbft/messages.ts";
import { BoundedCache } from "../../src/util/boundedCache.ts";
import { nativeProfile as profile } from "../../src/wire/nativeProfile.ts";
import {
  encode,
  messageIn,
  partialsIn,
  restate,
  type Sent,
  type Speaker,
  sign,
  statementOf,
} from "./frames.ts";
import type { Behaviour, Operator } from "./operator.ts";
import { alternative, changedValue, Heads, randomRoot } from "./values.ts";

/** Frames kept for replays: a few slots of a cluster. */
const MAX_KEPT_FRAMES = 256;
/** Statements of one type kept for foreign justifications. */
const MAX_KEPT_STATEMENTS = 64;
/** Duties remembered as attacked. */
const MAX_DUTIES = 64;

/**
 * With each of its own votes it votes for all others too, twists what they really said, and hands
 * half of the cluster a decision that nobody took: without checked signatures that would do.
 */
export function forge(operator: Operator): Behaviour {
  const heads = new Heads();
  const values = new BoundedCache<string, Uint8Array>(MAX_DUTIES);
  return {
    hear: (frame) => {
      heads.note(frame);
      const heard = messageIn(frame);
      if (heard !== null && heard.value !== null) values.set(dutyId(heard.duty), heard.value);
    },
    rewrite: (sent) => {
      const frame = messageIn(sent);
      if (frame === null || sent.to === null) return [sent.bytes];
      if (frame.value !== null) values.set(dutyId(frame.duty), frame.value);
      const { duty, message } = frame;
      const victim = operator.random.pick(operator.peers);
      operator.acted(`speaks for ${victim} (${message.type} of ${dutyId(duty)}) to ${sent.to}`);
      const inName = { ...frame, message: { ...message, justification: [] } };
      const forged = [restateAs(operator, inName, victim)];
      const value = values.get(dutyId(duty));
      if (value !== undefined) forged.push(...forgedDecision(operator, { duty, value, heads }));
      shoutAs(operator, victim, sent.bytes);
      return [sent.bytes, ...forged];
    },
  };
}

function restateAs(
  operator: Operator,
  frame: NonNullable<ReturnType<typeof messageIn>>,
  source: PeerIndex,
): Uint8Array {
  const { duty, message } = frame;
  const value = message.value === null ? null : randomRoot(operator.random);
  const forged = sign(operator, duty, { ...message, value, source });
  return encode(duty, { ...forged, justification: [] });
}

/** A DECIDED for another value with the votes of a quorum, all of them by the wrong key. */
function forgedDecision(
  operator: Operator,
  {
    duty,
    value,
    heads,
  }: { readonly duty: Duty; readonly value: Uint8Array; readonly heads: Heads },
): readonly Uint8Array[] {
  const change = alternative(operator.random, heads);
  const other = changedValue(operator.chain, duty, { value, change });
  if (other === null) return [];
  const root = profile.valueRoot(other);
  const commits = Array.from({ length: quorum(operator.identity.nodes) }, (_, source) =>
    sign(operator, duty, { ...statementOf("COMMIT", 1, root), source }),
  );
  const decided = sign(operator, duty, statementOf("DECIDED", 1, root));
  return [encode(duty, { ...decided, justification: commits }, other)];
}

/** An envelope with another author's name on it. */
function shoutAs(operator: Operator, author: PeerIndex, payload: Uint8Array): void {
  if (messageIn({ channel: "consensus", bytes: payload })?.value !== null) return;
  const own = operator.identity;
  const sealing: Identity = {
    self: author,
    nodes: own.nodes,
    sign: (digest) => own.sign(digest),
    verify: (...claim) => own.verify(...claim),
  };
  const frame = { channel: "consensus", payload } as const;
  operator.shout("consensus", profile.sealGossip(operator.scope, frame, sealing));
}

/**
 * Says old things again: what others said, word for word; the same under the duty of now; its own
 * words with a signature for another cluster; old partial signatures for a new duty.
 */
export function replay(operator: Operator): Behaviour {
  const kept: Pick<Sent, "channel" | "bytes">[] = [];
  const keep = ({ channel, bytes }: Pick<Sent, "channel" | "bytes">): void => {
    kept.push({ channel, bytes });
    if (kept.length > MAX_KEPT_FRAMES) kept.shift();
  };
  const elsewhere = { ...operator, scope: otherClusterThan(operator.scope) };
  return {
    hear: keep,
    rewrite: (sent) => {
      if (kept.length === 0 || sent.to === null) return [sent.bytes];
      const old = operator.random.pick(kept);
      keep(sent);
      operator.say(sent.to, old.channel, old.bytes);
      const frames = replayed(operator, sent, old);
      const frame = messageIn(sent);
      if (frame !== null) frames.push(restate(elsewhere, frame, {}));
      operator.acted(`repeats ${old.channel} of before to ${sent.to}`);
      return [sent.bytes, ...frames];
    },
  };
}

/** The old frame under the new one's duty, its signatures as they were. */
function replayed(
  { identity }: Operator,
  now: Sent,
  old: Pick<Sent, "channel" | "bytes">,
): Uint8Array[] {
  const frame = messageIn(now);
  const before = messageIn(old);
  if (frame !== null && before !== null) return [encode(frame.duty, before.message, before.value)];
  const set = partialsIn(now, identity.self);
  const oldSet = partialsIn(old, identity.self);
  if (set === null || oldSet === null) return [];
  return [profile.encodePartials({ ...oldSet, duty: set.duty })];
}

function otherClusterThan(scope: Speaker["scope"]): Speaker["scope"] {
  const lockHash = bytesOf(scope.lockHash);
  return { ...scope, lockHash: rootOf(lockHash.map((byte) => byte ^ 0xff)) };
}

/**
 * Signs new messages over justifications that justify something else: another duty's, another
 * round's, or votes for another value.
 */
export function staleJustification(operator: Operator): Behaviour {
  const votes = new Map<MessageType, SignedStatement[]>();
  const keep = (statement: SignedStatement): void => {
    const kept = votes.get(statement.type) ?? [];
    votes.set(statement.type, kept);
    kept.push(statement);
    if (kept.length > MAX_KEPT_STATEMENTS) kept.shift();
  };
  const attacked = new BoundedCache<string, true>(MAX_DUTIES * operator.identity.nodes);
  return {
    hear: (frame) => {
      const heard = messageIn(frame);
      if (heard === null) return;
      for (const { type, round, value, preparedRound, preparedValue, source, signature } of [
        heard.message,
        ...heard.message.justification,
      ]) {
        keep({ type, round, value, preparedRound, preparedValue, source, signature });
      }
    },
    rewrite: (sent) => {
      const frame = messageIn(sent);
      if (frame === null || sent.to === null) return [sent.bytes];
      const key = `${dutyId(frame.duty)}/${sent.to}`;
      if (attacked.get(key) !== undefined) return [sent.bytes];
      attacked.set(key, true);
      const unjustified = unjustifiedMessages(operator, frame.duty, votes);
      if (unjustified.length > 0) {
        operator.acted(`justifies ${dutyId(frame.duty)} by foreign votes to ${sent.to}`);
      }
      return [sent.bytes, ...unjustified];
    },
  };
}

function unjustifiedMessages(
  operator: Operator,
  duty: Duty,
  votes: ReadonlyMap<MessageType, readonly SignedStatement[]>,
): readonly Uint8Array[] {
  const { identity, random } = operator;
  const prepares = onePerAuthor(votes.get("PREPARE") ?? []);
  const commits = onePerAuthor(votes.get("COMMIT") ?? []);
  const changes = onePerAuthor(votes.get("ROUND-CHANGE") ?? []);
  const root = prepares[0]?.value ?? commits[0]?.value ?? randomRoot(random);
  const claim = { type: "ROUND-CHANGE", round: 3, value: null } as const;
  const prepared = { ...claim, preparedRound: 2, preparedValue: root };
  const led = Array.from({ length: MAX_ROUND - 1 }, (_, i) => i + 2).find(
    (round) => profile.leaderOf(duty, round, identity.nodes) === identity.self,
  );
  const frames = [
    encode(duty, { ...sign(operator, duty, prepared), justification: prepares }),
    encode(duty, {
      ...sign(operator, duty, statementOf("DECIDED", 1, root)),
      justification: commits,
    }),
  ];
  if (led === undefined) return frames;
  const proposal = sign(operator, duty, statementOf("PRE-PREPARE", led, root));
  return [...frames, encode(duty, { ...proposal, justification: [...changes, ...prepares] })];
}

/** A justification that holds an author twice would not even encode. */
function onePerAuthor(votes: readonly SignedStatement[]): readonly SignedStatement[] {
  return [...new Map(votes.map((vote) => [vote.source, vote])).values()];
}

/** Claims to be in every round at once, as soon as it says anything about a duty. */
export function inflateRounds(operator: Operator): Behaviour {
  const attacked = new BoundedCache<string, true>(MAX_DUTIES * operator.identity.nodes);
  return {
    rewrite: (sent) => {
      const frame = messageIn(sent);
      if (frame === null) return [sent.bytes];
      const key = `${dutyId(frame.duty)}/${sent.to}`;
      if (attacked.get(key) !== undefined) return [sent.bytes];
      attacked.set(key, true);
      operator.acted(`changes to rounds 2 to ${MAX_ROUND} of ${dutyId(frame.duty)}`);
      const changes = Array.from({ length: MAX_ROUND - 1 }, (_, i) => {
        const change = { type: "ROUND-CHANGE", round: i + 2, value: null } as const;
        const signed = sign(operator, frame.duty, {
          ...change,
          preparedRound: 0,
          preparedValue: null,
        });
        return encode(frame.duty, { ...signed, justification: [] });
      });
      return [sent.bytes, ...changes];
    },
  };
}
