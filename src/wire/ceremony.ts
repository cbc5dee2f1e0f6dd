/**
 * The ceremony's frames (DKG-2): what an operator signs, its echo of a phase, what it asks for, and
 * an accusation. Bodies stay opaque here, so that their hash is of the bytes as they came.
 */
import { create, toBinary } from "@bufbuild/protobuf";
import type { RejectionReason } from "../domain/errors.ts";
import { bytesOf, type PeerIndex, ROOT_BYTES, type Root, rootOf } from "../domain/keys.ts";
import { MAX_FRAME_BYTES } from "../domain/limits.ts";
import { assert } from "../util/assert.ts";
import { columnsOf, concatBytes } from "../util/bytes.ts";
import { err, ok, type Result } from "../util/result.ts";
import { decodeCanonical, malformed } from "./canonical.ts";
import {
  CeremonyFrameSchema,
  CeremonyPhase as PhaseNumber,
  type CeremonyEcho as WireEcho,
  type CeremonyMessage as WireMessage,
  type CeremonyWant as WireWant,
} from "./generated/coterie/v1/ceremony_pb.ts";
import { IDENTITY_SIGNATURE_BYTES } from "./signing.ts";

/** Number of the ceremony's protocol: everything in `src/dkg` that peers must agree on. */
export const CEREMONY_PROTOCOL = 1;

/** The phases of one attempt, in order; each has one message of every operator. */
export const CEREMONY_PHASES = [
  "agree",
  "commit",
  "reveal",
  "verdict",
  "keys",
  "deposits",
  "lock",
  "nodes",
] as const;
export type CeremonyPhase = (typeof CEREMONY_PHASES)[number];

/** What one operator states in one phase. `body` is encoded by `ceremonyBodies.ts`. */
export type CeremonyMessage = {
  readonly phase: CeremonyPhase;
  readonly author: PeerIndex;
  readonly body: Uint8Array;
  /** 65 bytes. */
  readonly signature: Uint8Array;
};

/** One phase's messages as the author holds them, in the operators' order. */
export type CeremonyEcho = {
  readonly phase: CeremonyPhase;
  readonly author: PeerIndex;
  /** SHA-256 of each body. */
  readonly hashes: readonly Uint8Array[];
  /** The signature of each message. */
  readonly witnesses: readonly Uint8Array[];
  readonly signature: Uint8Array;
};

/** What the sender lacks of one phase, by author. */
export type CeremonyWant = {
  readonly phase: CeremonyPhase;
  readonly messages: readonly PeerIndex[];
  readonly echoes: readonly PeerIndex[];
  readonly sealedShares: readonly PeerIndex[];
};

export type CeremonyContent =
  /** `sealedShares`: those of the receiver, beside the dealer's own reveal only. */
  | {
      readonly kind: "message";
      readonly message: CeremonyMessage;
      readonly sealedShares: Uint8Array | null;
    }
  | { readonly kind: "echo"; readonly echo: CeremonyEcho }
  | { readonly kind: "want"; readonly want: CeremonyWant }
  /** An accusation, see `ceremonyBlame.ts`. */
  | { readonly kind: "blame"; readonly blame: Uint8Array };

export type CeremonyFrame = {
  readonly definitionHash: Root;
  /** 1-based. */
  readonly attempt: number;
  readonly content: CeremonyContent;
};

const MAX_POSITION = 255;

/** The number of a phase on the wire and in digests. */
export const PHASE_NUMBERS: Readonly<Record<CeremonyPhase, PhaseNumber>> = {
  agree: PhaseNumber.AGREE,
  commit: PhaseNumber.COMMIT,
  reveal: PhaseNumber.REVEAL,
  verdict: PhaseNumber.VERDICT,
  keys: PhaseNumber.KEYS,
  deposits: PhaseNumber.DEPOSITS,
  lock: PhaseNumber.LOCK,
  nodes: PhaseNumber.NODES,
};

export function phaseOfNumber(number: PhaseNumber): CeremonyPhase | null {
  return CEREMONY_PHASES.find((phase) => PHASE_NUMBERS[phase] === number) ?? null;
}

/** The frame must be one that {@link decodeCeremonyFrame} accepts. */
export function encodeCeremonyFrame(frame: CeremonyFrame): Uint8Array {
  const bytes = toBinary(
    CeremonyFrameSchema,
    create(CeremonyFrameSchema, {
      protocol: CEREMONY_PROTOCOL,
      definitionHash: bytesOf(frame.definitionHash),
      attempt: frame.attempt,
      content: contentToWire(frame.content),
    }),
  );
  assert(bytes.length <= MAX_FRAME_BYTES, `a ceremony's frame of ${bytes.length} bytes fits`);
  return bytes;
}

/** `nodes`: how many operators there are. Signatures are not looked at. */
export function decodeCeremonyFrame(
  bytes: Uint8Array,
  nodes: number,
): Result<CeremonyFrame, RejectionReason> {
  const decoded = decodeCanonical(CeremonyFrameSchema, bytes, MAX_FRAME_BYTES);
  if (!decoded.ok) return decoded;
  const { protocol, definitionHash, attempt, content } = decoded.value;
  if (protocol !== CEREMONY_PROTOCOL) {
    return err({ code: "wrong_profile", detail: `the frame is of ceremony protocol ${protocol}` });
  }
  if (definitionHash.length !== ROOT_BYTES || attempt < 1) return malformed("the frame's header");
  const read = contentFromWire(content, nodes);
  if (read === null) return malformed(`the frame's ${content.case ?? "missing content"}`);
  return ok({ definitionHash: rootOf(definitionHash), attempt, content: read });
}

function contentToWire(content: CeremonyContent) {
  switch (content.kind) {
    case "message":
      return {
        case: "message" as const,
        value: messageToWire(content.message, content.sealedShares),
      };
    case "echo":
      return { case: "echo" as const, value: echoToWire(content.echo) };
    case "want": {
      const { phase, messages, echoes, sealedShares } = content.want;
      const value = {
        phase: PHASE_NUMBERS[phase],
        messages: Uint8Array.from(messages),
        echoes: Uint8Array.from(echoes),
        sealedShares: Uint8Array.from(sealedShares),
      };
      return { case: "want" as const, value };
    }
    case "blame":
      return { case: "blame" as const, value: content.blame };
  }
}

type WireContent =
  | { case: "message"; value: WireMessage }
  | { case: "echo"; value: WireEcho }
  | { case: "want"; value: WireWant }
  | { case: "blame"; value: Uint8Array }
  | { case: undefined; value?: undefined };

function contentFromWire(content: WireContent, nodes: number): CeremonyContent | null {
  switch (content.case) {
    case "message": {
      const message = messageFromWire(content.value, nodes);
      if (message === null) return null;
      const { sealedShares = null } = content.value;
      // Sealed shares beside anything else would be bytes that nobody asked for.
      if (sealedShares !== null && message.phase !== "reveal") return null;
      return { kind: "message", message, sealedShares };
    }
    case "echo": {
      const echo = echoFromWire(content.value, nodes);
      return echo === null ? null : { kind: "echo", echo };
    }
    case "want": {
      const want = wantFromWire(content.value, nodes);
      return want === null ? null : { kind: "want", want };
    }
    case "blame":
      return { kind: "blame", blame: content.value };
    case undefined:
      return null;
  }
}

/** For messages inside of a {@link CeremonyFrame} and inside of an accusation. */
export function messageToWire(message: CeremonyMessage, sealedShares: Uint8Array | null) {
  const { phase, author, body, signature } = message;
  const wire = { phase: PHASE_NUMBERS[phase], author, body, signature };
  return sealedShares === null ? wire : { ...wire, sealedShares };
}

export function messageFromWire(wire: WireMessage, nodes: number): CeremonyMessage | null {
  const { author, body, signature } = wire;
  const phase = phaseOfNumber(wire.phase);
  if (phase === null || author >= nodes || !isSignature(signature)) return null;
  return { phase, author, body, signature };
}

export function echoToWire(echo: CeremonyEcho) {
  const { phase, author, hashes, witnesses, signature } = echo;
  return {
    phase: PHASE_NUMBERS[phase],
    author,
    hashes: concatBytes(...hashes),
    witnesses: concatBytes(...witnesses),
    signature,
  };
}

export function echoFromWire(wire: WireEcho, nodes: number): CeremonyEcho | null {
  const { author, signature } = wire;
  const phase = phaseOfNumber(wire.phase);
  const hashes = columnsOf(wire.hashes, ROOT_BYTES, nodes);
  const witnesses = columnsOf(wire.witnesses, IDENTITY_SIGNATURE_BYTES, nodes);
  const isWhole = phase !== null && hashes !== null && witnesses !== null;
  if (!isWhole || author >= nodes || !isSignature(signature)) return null;
  return { phase, author, hashes, witnesses, signature };
}

function wantFromWire(wire: WireWant, nodes: number): CeremonyWant | null {
  const phase = phaseOfNumber(wire.phase);
  const messages = positionsOf(wire.messages, nodes);
  const echoes = positionsOf(wire.echoes, nodes);
  const sealedShares = positionsOf(wire.sealedShares, nodes);
  if (phase === null || messages === null || echoes === null || sealedShares === null) return null;
  return { phase, messages, echoes, sealedShares };
}

/** Strictly ascending positions below `nodes`, one byte each; null otherwise. */
export function positionsOf(bytes: Uint8Array, nodes: number): readonly PeerIndex[] | null {
  const positions = [...bytes];
  const ascend = positions.every((position, i) => position > (positions[i - 1] ?? -1));
  return ascend && positions.every((position) => position < Math.min(nodes, MAX_POSITION))
    ? positions
    : null;
}

function isSignature(bytes: Uint8Array): boolean {
  return bytes.length === IDENTITY_SIGNATURE_BYTES;
}
