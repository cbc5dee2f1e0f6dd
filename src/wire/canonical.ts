/**
 * Protobuf with one encoding per message. Protobuf alone lets the same message be written in many
 * ways (unknown fields, repeated or reordered ones, long varints), which would let a peer vary what
 * a signature or a duplicate filter is meant to pin down.
 */
import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
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
  if (bytes.length > limitBytes) {
    return err({
      code: "frame_too_large",
      detail: `${bytes.length} of at most ${limitBytes} bytes`,
    });
  }
  const decoded = parse(schema, bytes);
  if (!decoded.ok) return decoded;
  if (!equalBytes(toBinary(schema, decoded.value), bytes)) {
    return malformed(`${schema.name} is not in its canonical encoding`);
  }
  return decoded;
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
