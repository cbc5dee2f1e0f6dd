/** A behaviour that tries to use up its peers' memory and time. */
import type { Duty } from "../../src/domain/duty.ts";
import type { PeerIndex, Root } from "../../src/domain/keys.ts";
import { MAX_ROUND } from "../../src/domain/limits.ts";
import type { Millis } from "../../src/domain/units.ts";
import { nativeProfile as profile } from "../../src/wire/nativeProfile.ts";
import { consensusIn, encode, type Sent, sign, statementOf } from "./frames.ts";
import type { Behaviour, Operator } from "./operator.ts";
import { randomRoot } from "./values.ts";

const PERIOD_MS: Millis = 100;
const DEFAULT_FRAMES_PER_SECOND = 100;
const LARGE_VALUE_BYTES = 64 * 1024;
const KINDS = ["duplicate", "statement", "nowhere", "pull", "value", "garbage"] as const;

/** How far ahead the duties lie that it makes up. */
const MAX_AHEAD_SLOTS = 10_000;

/** What there is to repeat, to speak about and to ask for. */
type Subject = { readonly duty: Duty; readonly frame: Uint8Array; readonly value: Root | null };

/**
 * Every tenth of a second, to everybody: duplicates, new statements of every type and round with
 * valid signatures, also about duties that nobody has, pulls, values that nobody asked for, and
 * bytes that are nothing. Option `framesPerSecond`, to each peer.
 */
export function flood(operator: Operator): Behaviour {
  const { clock } = operator;
  const rate = Number(operator.options["framesPerSecond"] ?? DEFAULT_FRAMES_PER_SECOND);
  const count = Math.max(1, Math.round((rate * PERIOD_MS) / 1000));
  let subject: Subject | null = null;
  let isTicking = false;
  const tick = (): void => {
    isTicking = subject !== null && operator.isActive();
    if (subject === null || !isTicking) return;
    burst(operator, subject, count);
    clock.at(clock.now() + PERIOD_MS, tick);
  };
  const note = (frame: Pick<Sent, "channel" | "bytes">): void => {
    const about = consensusIn(frame);
    if (about === null) return;
    const value = about.kind === "message" ? about.message.value : null;
    subject = { duty: about.duty, frame: frame.bytes, value: value ?? subject?.value ?? null };
    if (!isTicking) tick();
  };
  return {
    hear: note,
    rewrite: (sent) => {
      note(sent);
      return [sent.bytes];
    },
  };
}

function burst(operator: Operator, subject: Subject, count: number): void {
  operator.acted(`sends ${count} frames to each peer`);
  for (const peer of operator.peers) {
    for (let i = 0; i < count; i++) say(operator, peer, subject);
  }
}

function say(operator: Operator, peer: PeerIndex, { duty, frame, value }: Subject): void {
  const { random } = operator;
  const send = (bytes: Uint8Array): void => operator.say(peer, "consensus", bytes);
  switch (random.pick(KINDS)) {
    case "duplicate":
      send(frame);
      return;
    case "statement": {
      const type = random.pick(["PRE-PREPARE", "PREPARE", "COMMIT"] as const);
      const statement = statementOf(type, random.integer(1, MAX_ROUND), randomRoot(random));
      send(encode(duty, { ...sign(operator, duty, statement), justification: [] }));
      return;
    }
    case "nowhere": {
      const slot = duty.slot + random.integer(1, MAX_AHEAD_SLOTS);
      const vote = sign(operator, { ...duty, slot }, statementOf("PREPARE", 1, randomRoot(random)));
      send(encode({ ...duty, slot }, { ...vote, justification: [] }));
      return;
    }
    case "pull": {
      const wanted = value !== null && random.chance(0.5) ? value : randomRoot(random);
      send(profile.encodeConsensus({ kind: "pull", duty, value: wanted }));
      return;
    }
    case "value": {
      const unwanted = new Uint8Array(random.integer(1, LARGE_VALUE_BYTES));
      send(profile.encodeConsensus({ kind: "value", duty, value: unwanted }));
      return;
    }
    case "garbage":
      operator.say(peer, random.pick(["consensus", "partials"] as const), random.bytes(64));
      return;
  }
}
