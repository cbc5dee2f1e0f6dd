/** What a Byzantine operator does: rewrites of its own node's frames, signed with its own key. */

import type { Duty } from "../../src/domain/duty.ts";
import type { Root } from "../../src/domain/keys.ts";
import { encodeAttestationData } from "../../src/eth2/attestationData.ts";
import type { AttestationData } from "../../src/eth2/types.ts";
import type { Identity } from "../../src/ports/identity.ts";
import type { SignedStatement } from "../../src/qbft/messages.ts";
import { nativeProfile as profile } from "../../src/wire/nativeProfile.ts";
import type { ConsensusFrame, Scope } from "../../src/wire/profile.ts";
import type { Hop, Tap } from "./memoryNetwork.ts";

export type Adversary = { readonly identity: Identity; readonly scope: Scope };
type MessageFrame = ConsensusFrame & { readonly kind: "message" };

/** The consensus message in a frame, or null. */
export function messageIn(hop: Hop): MessageFrame | null {
  if (hop.channel !== "consensus") return null;
  const opened = hop.via === "direct" ? { payload: hop.bytes } : null;
  if (opened === null) return null;
  const decoded = profile.decodeConsensus(opened.payload);
  return decoded.ok && decoded.value.kind === "message" ? decoded.value : null;
}

/** Proposes `dataFor(receiver)` instead of the own value; null leaves the frame as it is. */
export function proposeTo(
  adversary: Adversary,
  dataFor: (hop: Hop) => AttestationData | null,
): Tap {
  return proposeValueTo(adversary, (_value, hop) => {
    const data = dataFor(hop);
    return data === null ? null : encodeAttestationData(data);
  });
}

/** Proposes the bytes that `valueFor` makes of the own value; null leaves the frame as it is. */
export function proposeValueTo(
  adversary: Adversary,
  valueFor: (value: Uint8Array, hop: Hop, duty: Duty) => Uint8Array | null,
): Tap {
  return (hop) => {
    const frame = messageIn(hop);
    if (frame?.message.type !== "PRE-PREPARE" || frame.value === null) return [hop.bytes];
    const value = valueFor(frame.value, hop, frame.duty);
    if (value === null) return [hop.bytes];
    const statement = { ...frame.message, value: profile.valueRoot(value) };
    return [encode(adversary, { ...frame, value }, statement)];
  };
}

/** Says nothing for which `isWithheld` holds. */
export function withhold(isWithheld: (frame: MessageFrame, hop: Hop) => boolean): Tap {
  return (hop) => {
    const frame = messageIn(hop);
    return frame !== null && isWithheld(frame, hop) ? [] : [hop.bytes];
  };
}

/** Flips one bit in every partial signature that is sent. */
export const garblePartials: Tap = (hop) => {
  if (hop.channel !== "partials" || hop.via !== "direct") return [hop.bytes];
  const decoded = profile.decodePartials(hop.bytes, hop.from + 1);
  if (!decoded.ok) return [hop.bytes];
  const signatures = decoded.value.signatures.map((partial) => {
    const signature = Uint8Array.from(partial.signature);
    signature[95] = (signature[95] ?? 0) ^ 1;
    return { ...partial, signature };
  });
  return [profile.encodePartials({ ...decoded.value, signatures })];
};

/** Says that the share signed another root, besides the true one. */
export const contradictPartials: Tap = (hop) => {
  if (hop.channel !== "partials" || hop.via !== "direct") return [hop.bytes];
  const decoded = profile.decodePartials(hop.bytes, hop.from + 1);
  if (!decoded.ok) return [hop.bytes];
  const messageRoot = `0x${"99".repeat(32)}` as Root;
  const signatures = decoded.value.signatures.map((partial) => ({ ...partial, messageRoot }));
  return [hop.bytes, profile.encodePartials({ ...decoded.value, signatures })];
};

/** A first-round proposal of one's own making. */
export function signedProposal(adversary: Adversary, duty: Duty, value: Uint8Array): Uint8Array {
  const statement = {
    type: "PRE-PREPARE" as const,
    round: 1,
    value: profile.valueRoot(value),
    preparedRound: 0,
    preparedValue: null,
    source: adversary.identity.self,
    signature: new Uint8Array(),
  };
  const message = { ...statement, justification: [] };
  return encode(adversary, { kind: "message", duty, message, value }, statement);
}

function encode(
  { identity, scope }: Adversary,
  frame: MessageFrame,
  statement: SignedStatement,
): Uint8Array {
  const digest = profile.statementDigest(scope, frame.duty, statement);
  const message = { ...frame.message, ...statement, signature: identity.sign(digest) };
  return profile.encodeConsensus({ ...frame, message });
}
