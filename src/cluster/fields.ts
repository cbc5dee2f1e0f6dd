/** Schemas of the fields that cluster files are made of; each names its own bound. */
import { z } from "zod";
import { fromHex } from "../util/bytes.ts";

const MAX_UINT64 = 2n ** 64n - 1n;

/** Hex with `0x` of at most `max` bytes, or the empty text for none. */
export function hexField(max: number) {
  const pattern = new RegExp(`^(0x(?:[0-9a-fA-F]{2}){0,${max}})?$`);
  return z.string().regex(pattern, `is no hex text of at most ${max} bytes with 0x`);
}

/** Text of at most `max` bytes in UTF-8. */
export function textField(max: number) {
  return z
    .string()
    .refine((text) => Buffer.byteLength(text) <= max, `is longer than ${max} bytes`)
    .refine((text) => text.isWellFormed(), "is no well-formed Unicode text");
}

/** An unsigned 64-bit integer, as JSON number; above 2^53 the parser hands out a bigint. */
export const uint64Field = z.union(
  [z.int().nonnegative(), z.bigint().nonnegative().max(MAX_UINT64)],
  "is no unsigned 64-bit integer",
);

/** An unsigned 64-bit integer as decimal text. */
export const uint64TextField = z
  .string()
  .refine(
    (text) => /^(0|[1-9]\d{0,19})$/.test(text) && BigInt(text) <= MAX_UINT64,
    "is no unsigned 64-bit integer in decimal text",
  );

/** Bytes of a field that a schema has checked; none of the empty text. */
export function fieldBytes(text: string): Uint8Array {
  return fromHex(text) ?? new Uint8Array();
}

/** Whether two hex fields hold the same bytes, whatever their case. */
export function sameBytes(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
