/** The native profile's consensus frames. */
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { sha256 } from "../crypto/sha256.ts";
import type { Duty } from "../domain/duty.ts";
import type { RejectionReason } from "../domain/errors.ts";
import { bytesOf, ROOT_BYTES, type Root, rootOf } from "../domain/keys.ts";
import {
  MAX_CONSENSUS_MESSAGE_BYTES,
  MAX_FRAME_BYTES,
  MAX_JUSTIFICATIONS,
  MAX_NODES,
  MAX_ROUND,
  MAX_VALUE_BYTES,
} from "../domain/limits.ts";
import type { Message, MessageType, SignedStatement } from "../qbft/messages.ts";
import { assert } from "../util/assert.ts";
import { err, ok, type Result } from "../util/result.ts";
import { decodeCanonical, decodeCanonicalTail, malformed } from "./canonical.ts";
import { dutyFromWire, dutyToWire } from "./duties.ts";
import {
  ConsensusFrameSchema,
  ConsensusMessageSchema,
  type SignedStatementSchema,
  type ConsensusFrame as WireFrame,
  type SignedStatement as WireStatement,
} from "./generated/coterie/v1/consensus_pb.ts";
import { DutySchema } from "./generated/coterie/v1/duty_pb.ts";
import type { ConsensusFrame } from "./profile.ts";
import { IDENTITY_SIGNATURE_BYTES, MESSAGE_NUMBERS, NATIVE_PROFILE_ID } from "./signing.ts";

/** WIRE-9: which statements may justify which message. */
const JUSTIFIED_BY: Readonly<Record<MessageType, readonly MessageType[]>> = {
  "PRE-PREPARE": ["ROUND-CHANGE", "PREPARE"],
  PREPARE: [],
  COMMIT: [],
  "ROUND-CHANGE": ["PREPARE"],
  DECIDED: ["COMMIT"],
};
const CARRIES_VALUE: ReadonlySet<MessageType> = new Set(["PRE-PREPARE", "DECIDED"]);
const TYPES = new Map(
  (Object.keys(MESSAGE_NUMBERS) as MessageType[]).map(
    (type) => [MESSAGE_NUMBERS[type], type] as const,
  ),
);

/** A value is named by many steps of its duty; it is hashed once. */
const roots = new WeakMap<Uint8Array, Root>();

/** WIRE-2. The bytes must not change afterwards. */
export function valueRoot(value: Uint8Array): Root {
  const root = roots.get(value) ?? rootOf(sha256(value));
  roots.set(value, root);
  return root;
}

/** The frame must be one that {@link decodeConsensus} accepts; anything else is our own bug. */
export function encodeConsensus(frame: ConsensusFrame): Uint8Array {
  const message = create(ConsensusFrameSchema, tailToWire(frame));
  message.profile = NATIVE_PROFILE_ID;
  message.duty = create(DutySchema, dutyToWire(frame.duty));
  const bytes = toBinary(ConsensusFrameSchema, message);
  assert(bytes.length <= MAX_FRAME_BYTES, `a consensus frame of ${bytes.length} bytes fits`);
  return bytes;
}

export function decodeConsensus(bytes: Uint8Array): Result<ConsensusFrame, RejectionReason> {
  const decoded = decodeCanonicalTail(ConsensusFrameSchema, bytes, {
    limitBytes: MAX_FRAME_BYTES,
    field: ConsensusFrameSchema.field.value.number,
    // A decision pull would be written behind it; it carries none (WIRE-10).
    of: ({ value, body }) => (body.case === "decision" ? null : (value ?? null)),
    without: ({ value: _, ...frame }) => frame,
  });
  if (!decoded.ok) return decoded;
  const frame = decoded.value;
  // WIRE-7: named, and no offence, for an honest node of another release sends it.
  if (frame.profile !== NATIVE_PROFILE_ID) {
    return err({ code: "wrong_profile", detail: `the frame is of profile ${frame.profile}` });
  }
  const duty = dutyFromWire(frame.duty);
  if (duty === null) return malformed("the duty is unknown");
  if (frame.value !== undefined && !isValueSize(frame.value)) {
    return malformed("the size of the value");
  }
  return tailFromWire(duty, frame);
}

function tailToWire(frame: ConsensusFrame): MessageInitShape<typeof ConsensusFrameSchema> {
  switch (frame.kind) {
    case "pull":
      return { body: { case: "pull", value: { root: bytesOf(frame.value) } } };
    case "decision":
      return { body: { case: "decision", value: {} } };
    case "value":
      assert(isValueSize(frame.value), "a value is within its limit");
      return { value: frame.value };
    case "message": {
      const value = encodeMessage(frame.message);
      const flaw = frame.value === null ? null : flawOfValue(frame.message, frame.value);
      assert(flaw === null, `a message of ours is well formed: ${flaw}`);
      return { body: { case: "message", value }, ...(frame.value && { value: frame.value }) };
    }
  }
}

function tailFromWire(duty: Duty, frame: WireFrame): Result<ConsensusFrame, RejectionReason> {
  const value = frame.value ?? null;
  switch (frame.body.case) {
    case undefined:
      return value === null ? malformed("the frame is empty") : ok({ kind: "value", duty, value });
    case "pull": {
      const root = rootFromWire(frame.body.value.root);
      if (root === null || value !== null) return malformed("the pull");
      return ok({ kind: "pull", duty, value: root });
    }
    case "decision":
      return value === null ? ok({ kind: "decision", duty }) : malformed("the decision pull");
    case "message": {
      const message = decodeMessage(frame.body.value);
      if (!message.ok) return message;
      const flaw = value === null ? null : flawOfValue(message.value, value);
      if (flaw !== null) return err({ code: "value_mismatch", detail: flaw });
      return ok({ kind: "message", duty, message: message.value, value });
    }
  }
}

function encodeMessage(message: Message): Uint8Array {
  const flaw = flawOfMessage(message);
  assert(flaw === null, `a message of ours is well formed: ${flaw}`);
  const bytes = toBinary(
    ConsensusMessageSchema,
    create(ConsensusMessageSchema, {
      statement: statementToWire(message),
      justification: message.justification.map(statementToWire),
    }),
  );
  assert(bytes.length <= MAX_CONSENSUS_MESSAGE_BYTES, `a message of ${bytes.length} bytes fits`);
  return bytes;
}

function decodeMessage(bytes: Uint8Array): Result<Message, RejectionReason> {
  const decoded = decodeCanonical(ConsensusMessageSchema, bytes, MAX_CONSENSUS_MESSAGE_BYTES);
  if (!decoded.ok) return decoded;
  const { statement, justification } = decoded.value;
  const main = statement && statementFromWire(statement);
  const votes = justification.map(statementFromWire).filter((vote) => vote !== null);
  if (!main || votes.length !== justification.length) return malformed("a statement's form");
  const message: Message = { ...main, justification: votes };
  const flaw = flawOfMessage(message);
  return flaw === null ? ok(message) : malformed(flaw);
}

function statementToWire(
  statement: SignedStatement,
): MessageInitShape<typeof SignedStatementSchema> {
  return {
    type: MESSAGE_NUMBERS[statement.type],
    round: statement.round,
    source: statement.source,
    ...(statement.value !== null && { valueRoot: bytesOf(statement.value) }),
    preparedRound: statement.preparedRound,
    ...(statement.preparedValue !== null && { preparedRoot: bytesOf(statement.preparedValue) }),
    signature: statement.signature,
  };
}

function statementFromWire(statement: WireStatement): SignedStatement | null {
  const type = TYPES.get(statement.type);
  const value = rootFromWire(statement.valueRoot);
  const preparedValue = rootFromWire(statement.preparedRoot);
  const hasBadRoot =
    (statement.valueRoot !== undefined && value === null) ||
    (statement.preparedRoot !== undefined && preparedValue === null);
  if (type === undefined || hasBadRoot) return null;
  const { round, source, preparedRound } = statement;
  // A copy: votes outlive their frame, which may hold a block.
  const signature = statement.signature.slice();
  return { type, round, source, value, preparedRound, preparedValue, signature };
}

function rootFromWire(bytes: Uint8Array | undefined): Root | null {
  return bytes?.length === ROOT_BYTES ? rootOf(bytes) : null;
}

/** What is wrong with the message's shape, null when nothing is (WIRE-8, WIRE-9). */
function flawOfMessage(message: Message): string | null {
  if (message.justification.length > MAX_JUSTIFICATIONS) return "too many justifying statements";
  const seen = new Set<string>();
  for (const vote of message.justification) {
    if (!JUSTIFIED_BY[message.type].includes(vote.type)) {
      return `a ${vote.type} justifies no ${message.type}`;
    }
    const key = `${vote.type}/${vote.source}`;
    if (seen.has(key)) return "an author justifies twice";
    seen.add(key);
  }
  for (const statement of [message, ...message.justification]) {
    const flaw = flawOfStatement(statement);
    if (flaw !== null) return `${statement.type}: ${flaw}`;
  }
  return null;
}

function flawOfStatement(statement: SignedStatement): string | null {
  const { type, round, value, preparedRound, preparedValue } = statement;
  const isRoundChange = type === "ROUND-CHANGE";
  // Nobody changes to the first round: everybody starts in it.
  if (round < (isRoundChange ? 2 : 1) || round > MAX_ROUND) return `round ${round}`;
  if (statement.source >= MAX_NODES) return `source ${statement.source}`;
  if (statement.signature.length !== IDENTITY_SIGNATURE_BYTES) return "length of the signature";
  if (isRoundChange !== (value === null)) return "presence of the value";
  if ((preparedRound === 0) !== (preparedValue === null)) return "half a prepared value";
  if (preparedRound !== 0 && !isRoundChange) return "a prepared value in the wrong message";
  if (preparedRound >= round) return "prepared in a round that has not ended";
  return null;
}

/** WIRE-10: a value travels only with a message that names its root. */
function flawOfValue(message: Message, value: Uint8Array): string | null {
  if (!CARRIES_VALUE.has(message.type) || message.value === null) {
    return `a ${message.type} carries no value`;
  }
  if (!isValueSize(value)) return "the size of the value";
  return valueRoot(value) === message.value ? null : "the value has another root";
}

function isValueSize(value: Uint8Array): boolean {
  return value.length >= 1 && value.length <= MAX_VALUE_BYTES;
}
