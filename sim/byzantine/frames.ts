/**
 * Reading and remaking a node's frames: all that a Byzantine operator says goes through the real
 * codecs and is signed with its own identity key. It has no other key, so what it says in others'
 * names carries signatures that do not verify, or that were made for something else.
 */
import type { PartialSignatureSet } from "../../src/domain/data.ts";
import type { Duty } from "../../src/domain/duty.ts";
import type { PeerIndex } from "../../src/domain/keys.ts";
import type { Identity } from "../../src/ports/identity.ts";
import type { Channel } from "../../src/ports/network.ts";
import type { Message, SignedStatement, Statement } from "../../src/qbft/messages.ts";
import { nativeProfile as profile } from "../../src/wire/nativeProfile.ts";
import type { ConsensusFrame, Scope } from "../../src/wire/profile.ts";

/** The identity key of an operator and the cluster that it speaks in. */
export type Speaker = { readonly identity: Identity; readonly scope: Scope };

/** A frame on its way out; `bytes` is the payload, whatever envelope gossip puts around it. */
export type Sent = {
  readonly channel: Channel;
  /** Null for gossip, which reaches everybody. */
  readonly to: PeerIndex | null;
  readonly via: "direct" | "gossip";
  readonly bytes: Uint8Array;
};
/** What leaves in place of a frame: nothing, it, another, or several. */
export type Rewrite = (sent: Sent) => readonly Uint8Array[];

export type MessageFrame = ConsensusFrame & { readonly kind: "message" };

/** A broadcast hands the same bytes to every peer: they are decoded once. */
const decodedFrames = new WeakMap<Uint8Array, ConsensusFrame | null>();

export function consensusIn({
  channel,
  bytes,
}: Pick<Sent, "channel" | "bytes">): ConsensusFrame | null {
  if (channel !== "consensus") return null;
  const known = decodedFrames.get(bytes);
  if (known !== undefined) return known;
  const decoded = profile.decodeConsensus(bytes);
  const frame = decoded.ok ? decoded.value : null;
  decodedFrames.set(bytes, frame);
  return frame;
}

/** The consensus message in a frame, or null. */
export function messageIn(sent: Pick<Sent, "channel" | "bytes">): MessageFrame | null {
  const frame = consensusIn(sent);
  return frame?.kind === "message" ? frame : null;
}

/** The partial signatures in a frame of operator `author`, or null. */
export function partialsIn(
  { channel, bytes }: Pick<Sent, "channel" | "bytes">,
  author: PeerIndex,
): PartialSignatureSet | null {
  if (channel !== "partials") return null;
  const decoded = profile.decodePartials(bytes, author + 1);
  return decoded.ok ? decoded.value : null;
}

/** The statement, signed by the speaker, whoever it claims to be of. */
export function sign(
  { identity, scope }: Speaker,
  duty: Duty,
  statement: Statement & { readonly source?: PeerIndex },
): SignedStatement {
  const authored = { ...statement, source: statement.source ?? identity.self };
  const digest = profile.statementDigest(scope, duty, authored);
  return { ...authored, signature: identity.sign(digest) };
}

/** A statement of a type that names a value. */
export function statementOf(
  type: Exclude<Statement["type"], "ROUND-CHANGE">,
  round: number,
  value: NonNullable<Statement["value"]>,
): Statement {
  return { type, round, value, preparedRound: 0, preparedValue: null };
}

export function encode(duty: Duty, message: Message, value: Uint8Array | null = null): Uint8Array {
  return profile.encodeConsensus({ kind: "message", duty, message, value });
}

/** The frame with its statement changed and signed anew; justification and value stay. */
export function restate(
  speaker: Speaker,
  frame: MessageFrame,
  change: Partial<Statement>,
): Uint8Array {
  const signed = sign(speaker, frame.duty, { ...frame.message, ...change });
  return profile.encodeConsensus({ ...frame, message: { ...frame.message, ...signed } });
}

/** The proposal with another value in place of its own. */
export function repropose(speaker: Speaker, frame: MessageFrame, value: Uint8Array): Uint8Array {
  return restate(speaker, { ...frame, value }, { value: profile.valueRoot(value) });
}

/** A first-round proposal of one's own making. */
export function signedProposal(speaker: Speaker, duty: Duty, value: Uint8Array): Uint8Array {
  const proposal = statementOf("PRE-PREPARE", 1, profile.valueRoot(value));
  return encode(duty, { ...sign(speaker, duty, proposal), justification: [] }, value);
}

/** Proposes the bytes that `valueFor` makes of the own value; null leaves the frame as it is. */
export function proposeValueTo<S extends Sent>(
  speaker: Speaker,
  valueFor: (value: Uint8Array, sent: S, duty: Duty) => Uint8Array | null,
): (sent: S) => readonly Uint8Array[] {
  return (sent) => {
    const frame = messageIn(sent);
    if (frame?.message.type !== "PRE-PREPARE" || frame.value === null) return [sent.bytes];
    const value = valueFor(frame.value, sent, frame.duty);
    return [value === null ? sent.bytes : repropose(speaker, frame, value)];
  };
}

/** Says nothing for which `isWithheld` holds. */
export function withhold<S extends Sent>(
  isWithheld: (frame: MessageFrame, sent: S) => boolean,
): (sent: S) => readonly Uint8Array[] {
  return (sent) => {
    const frame = messageIn(sent);
    return frame !== null && isWithheld(frame, sent) ? [] : [sent.bytes];
  };
}

/** Rewrites the partial signatures of operator `author`; null leaves the frame as it is. */
export function rewritePartials(
  author: PeerIndex,
  change: (set: PartialSignatureSet) => readonly PartialSignatureSet[] | null,
): Rewrite {
  return (sent) => {
    const set = partialsIn(sent, author);
    const sets = set === null ? null : change(set);
    return sets === null ? [sent.bytes] : sets.map((one) => profile.encodePartials(one));
  };
}
