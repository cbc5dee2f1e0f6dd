/**
 * Protobuf with one encoding per message. Protobuf alone lets the same message be written in many
 * ways (unknown fields, repeated or reordered ones, long varints), which would let a peer vary what
 * a signature or a duplicate filter is meant to pin down.
 */
import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { RejectionReason } from "../domain/errors.ts";
import { equalBytes } from "../util/bytes.ts";
import { err, ok, type Result } from "../util/result.ts";

export function malformed(detail: string): Result<never, RejectionReason> {
  return err({ code: "malformed", detail });
}

/** WIRE-4: size first, then form, then that the bytes are what this program would have written. */
export function decodeCanonical<Desc extends DescMessage>(
  schema: Desc,
  bytes: Uint8Array,
  limitBytes: number,
): Result<MessageShape<Desc>, RejectionReason> {
  const decoded = parseWithin(schema, bytes, limitBytes);
  return decoded.ok ? isCanonical(schema, bytes, decoded.value) : decoded;
}

/**
 * The same for a message that ends in bytes of any size: they are not written again, their place in
 * what was received says as much.
 */
export function decodeCanonicalTail<Desc extends DescMessage>(
  schema: Desc,
  bytes: Uint8Array,
  tail: {
    readonly limitBytes: number;
    readonly field: number;
    /** Null where the message has no such end. */
    readonly of: (message: MessageShape<Desc>) => Uint8Array | null;
    readonly without: (message: MessageShape<Desc>) => MessageShape<Desc>;
  },
): Result<MessageShape<Desc>, RejectionReason> {
  const decoded = parseWithin(schema, bytes, tail.limitBytes);
  if (!decoded.ok) return decoded;
  const end = tail.of(decoded.value);
  if (end === null) return isCanonical(schema, bytes, decoded.value);
  const writer = new BinaryWriter().raw(toBinary(schema, tail.without(decoded.value)));
  const head = writer.tag(tail.field, WireType.LengthDelimited).uint32(end.length).finish();
  const isAtEnd =
    head.length + end.length === bytes.length &&
    equalBytes(head, bytes.subarray(0, head.length)) &&
    end.buffer === bytes.buffer &&
    end.byteOffset === bytes.byteOffset + head.length;
  return isAtEnd ? decoded : notCanonical(schema);
}

function isCanonical<Desc extends DescMessage>(
  schema: Desc,
  bytes: Uint8Array,
  message: MessageShape<Desc>,
): Result<MessageShape<Desc>, RejectionReason> {
  return equalBytes(toBinary(schema, message), bytes) ? ok(message) : notCanonical(schema);
}

function notCanonical({ name }: DescMessage): Result<never, RejectionReason> {
  return malformed(`${name} is not in its canonical encoding`);
}

function parseWithin<Desc extends DescMessage>(
  schema: Desc,
  bytes: Uint8Array,
  limitBytes: number,
): Result<MessageShape<Desc>, RejectionReason> {
  if (bytes.length <= limitBytes) return parse(schema, bytes);
  return err({
    code: "frame_too_large",
    detail: `${bytes.length} of at most ${limitBytes} bytes`,
  });
}

function parse<Desc extends DescMessage>(
  schema: Desc,
  bytes: Uint8Array,
): Result<MessageShape<Desc>, RejectionReason> {
  try {
    // Unknown fields are dropped here and then missing from the re-encoding.
    return ok(fromBinary(schema, bytes, { readUnknownFields: false }));
  } catch (error) {
    return malformed(`${schema.name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
