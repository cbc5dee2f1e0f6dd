/** An accusation as bytes (DKG-11): everything that it takes to judge it, and nothing else. */
import { create, toBinary } from "@bufbuild/protobuf";
import type { RejectionReason } from "../domain/errors.ts";
import { type PeerIndex, ROOT_BYTES } from "../domain/keys.ts";
import { MAX_CEREMONY_BLAME_BYTES } from "../domain/limits.ts";
import { ok, type Result } from "../util/result.ts";
import { decodeCanonical, malformed } from "./canonical.ts";
import {
  type CeremonyEcho,
  type CeremonyMessage,
  type CeremonyPhase,
  echoFromWire,
  echoToWire,
  messageFromWire,
  messageToWire,
  PHASE_NUMBERS,
  phaseOfNumber,
} from "./ceremony.ts";
import {
  CeremonyBlameSchema,
  type CeremonyBlame as WireBlame,
  type Equivocation as WireEquivocation,
} from "./generated/coterie/v1/ceremony_pb.ts";
import { IDENTITY_SIGNATURE_BYTES } from "./signing.ts";

/** Two hashes of 32 bytes with the signatures of one operator for one phase. */
export type Equivocation = {
  readonly phase: CeremonyPhase;
  readonly firstHash: Uint8Array;
  readonly firstSignature: Uint8Array;
  readonly secondHash: Uint8Array;
  readonly secondSignature: Uint8Array;
};

export type Offence =
  /** Signed by the culprit, or the complaint that convicts it. */
  | { readonly kind: "message"; readonly message: CeremonyMessage }
  | { readonly kind: "equivocation"; readonly equivocation: Equivocation }
  /** An echo of something that its author did not sign. */
  | { readonly kind: "echo"; readonly echo: CeremonyEcho };

export type CeremonyBlame = {
  readonly culprit: PeerIndex;
  /** All messages of the phases before the offence, in order. */
  readonly context: readonly CeremonyMessage[];
  readonly offence: Offence;
};

export function encodeBlame({ culprit, context, offence }: CeremonyBlame): Uint8Array {
  return toBinary(
    CeremonyBlameSchema,
    create(CeremonyBlameSchema, {
      culprit,
      context: context.map((message) => messageToWire(message, null)),
      offence: offenceToWire(offence),
    }),
  );
}

export function decodeBlame(
  bytes: Uint8Array,
  nodes: number,
): Result<CeremonyBlame, RejectionReason> {
  const decoded = decodeCanonical(CeremonyBlameSchema, bytes, MAX_CEREMONY_BLAME_BYTES);
  if (!decoded.ok) return decoded;
  const { culprit } = decoded.value;
  const context = decoded.value.context.map((message) => messageFromWire(message, nodes));
  const offence = offenceFromWire(decoded.value.offence, nodes);
  const messages = context.filter((message) => message !== null);
  if (offence === null || messages.length !== context.length || culprit >= nodes) {
    return malformed("the accusation");
  }
  return ok({ culprit, context: messages, offence });
}

function offenceToWire(offence: Offence) {
  switch (offence.kind) {
    case "message":
      return { case: "message" as const, value: messageToWire(offence.message, null) };
    case "equivocation": {
      const { phase, ...rest } = offence.equivocation;
      return { case: "equivocation" as const, value: { phase: PHASE_NUMBERS[phase], ...rest } };
    }
    case "echo":
      return { case: "echo" as const, value: echoToWire(offence.echo) };
  }
}

function offenceFromWire(wire: WireBlame["offence"], nodes: number): Offence | null {
  switch (wire.case) {
    case "message": {
      const message = messageFromWire(wire.value, nodes);
      return message === null ? null : { kind: "message", message };
    }
    case "equivocation": {
      const equivocation = equivocationFromWire(wire.value);
      return equivocation === null ? null : { kind: "equivocation", equivocation };
    }
    case "echo": {
      const echo = echoFromWire(wire.value, nodes);
      return echo === null ? null : { kind: "echo", echo };
    }
    case undefined:
      return null;
  }
}

function equivocationFromWire(wire: WireEquivocation): Equivocation | null {
  const { firstHash, firstSignature, secondHash, secondSignature } = wire;
  const phase = phaseOfNumber(wire.phase);
  const areHashes = [firstHash, secondHash].every(({ length }) => length === ROOT_BYTES);
  const areSigned = [firstSignature, secondSignature].every(
    ({ length }) => length === IDENTITY_SIGNATURE_BYTES,
  );
  if (phase === null || !areHashes || !areSigned) return null;
  return { phase, firstHash, firstSignature, secondHash, secondSignature };
}
