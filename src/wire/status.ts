/** The native profile's status frames. */
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { RejectionReason } from "../domain/errors.ts";
import { bytesOf, ROOT_BYTES, rootOf } from "../domain/keys.ts";
import { MAX_STATUS_FRAME_BYTES, MAX_VALIDATORS } from "../domain/limits.ts";
import { assert } from "../util/assert.ts";
import { err, ok, type Result } from "../util/result.ts";
import { decodeCanonical, malformed } from "./canonical.ts";
import { certificateFromWire, certificateToWire } from "./certificates.ts";
import { dutyFromWire, dutyToWire } from "./duties.ts";
import {
  type SightingAnswer,
  type SightingQuery,
  StatusFrameSchema,
  type StatusFrame as WireFrame,
} from "./generated/coterie/v1/status_pb.ts";
import { signedFromWire, signedToWire } from "./heartbeats.ts";
import type { Sighting, StatusFrame } from "./profile.ts";
import { NATIVE_PROFILE_ID } from "./signing.ts";
import { witnessesFromWire, witnessesToWire } from "./witnesses.ts";

export function encodeStatus(frame: StatusFrame): Uint8Array {
  const bytes = toBinary(
    StatusFrameSchema,
    create(StatusFrameSchema, { profile: NATIVE_PROFILE_ID, ...bodyToWire(frame) }),
  );
  assert(bytes.length <= MAX_STATUS_FRAME_BYTES, `a status frame of ${bytes.length} bytes fits`);
  return bytes;
}

export function decodeStatus(bytes: Uint8Array): Result<StatusFrame, RejectionReason> {
  const decoded = decodeCanonical(StatusFrameSchema, bytes, MAX_STATUS_FRAME_BYTES);
  if (!decoded.ok) return decoded;
  const { profile, body } = decoded.value;
  if (profile !== NATIVE_PROFILE_ID) {
    return err({ code: "wrong_profile", detail: `the frame is of profile ${profile}` });
  }
  return bodyFromWire(body);
}

function bodyToWire(frame: StatusFrame): MessageInitShape<typeof StatusFrameSchema> {
  switch (frame.kind) {
    case "heartbeat":
      return { body: { case: "heartbeat", value: signedToWire(frame.signed) } };
    case "witnesses":
      return { body: { case: "witnesses", value: witnessesToWire(frame.witnesses) } };
    case "query":
      return { body: { case: "query", value: sightingToWire(frame.sighting) } };
    case "answer": {
      const { sighting, isKnown, certificate } = frame;
      const proof = certificate && { certificate: certificateToWire(certificate) };
      return {
        body: { case: "answer", value: { ...sightingToWire(sighting), isKnown, ...proof } },
      };
    }
  }
}

function bodyFromWire(body: WireFrame["body"]): Result<StatusFrame, RejectionReason> {
  switch (body.case) {
    case undefined:
      return malformed("the frame is empty");
    case "heartbeat": {
      const signed = signedFromWire(body.value);
      return signed.ok ? ok({ kind: "heartbeat", signed: signed.value }) : signed;
    }
    case "witnesses": {
      const witnesses = witnessesFromWire(body.value);
      return witnesses.ok ? ok({ kind: "witnesses", witnesses: witnesses.value }) : witnesses;
    }
    case "query": {
      const sighting = sightingFromWire(body.value);
      return sighting === null ? malformed("the query") : ok({ kind: "query", sighting });
    }
    case "answer":
      return answerFromWire(body.value);
  }
}

function answerFromWire(wire: SightingAnswer): Result<StatusFrame, RejectionReason> {
  const sighting = sightingFromWire(wire);
  if (sighting === null) return malformed("the answer");
  const { isKnown } = wire;
  if (wire.certificate === undefined) {
    return ok({ kind: "answer", sighting, isKnown, certificate: null });
  }
  const certificate = certificateFromWire(wire.certificate);
  if (!certificate.ok) return certificate;
  return ok({ kind: "answer", sighting, isKnown, certificate: certificate.value });
}

function sightingToWire({ duty, validator, messageRoot }: Sighting) {
  return { duty: dutyToWire(duty), validator, messageRoot: bytesOf(messageRoot) };
}

function sightingFromWire({
  duty: wireDuty,
  validator,
  messageRoot,
}: Pick<SightingQuery, "duty" | "validator" | "messageRoot">): Sighting | null {
  const duty = dutyFromWire(wireDuty);
  if (duty === null || validator >= MAX_VALIDATORS) return null;
  if (messageRoot.length !== ROOT_BYTES) return null;
  return { duty, validator, messageRoot: rootOf(messageRoot) };
}
