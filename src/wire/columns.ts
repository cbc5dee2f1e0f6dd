/** Columns of fixed width within one bytes field: lengths are checked before anything is built. */
import { assert } from "../util/assert.ts";

/** Width of a validator's and of a message's position. */
export const POSITION_BYTES = 2;

/** Rows of `width` bytes; null when `bytes` are no whole number of them. Views of the input. */
export function rowsOf(bytes: Uint8Array, width: number): readonly Uint8Array[] | null {
  if (bytes.length % width !== 0) return null;
  return Array.from({ length: bytes.length / width }, (_, row) =>
    bytes.subarray(row * width, (row + 1) * width),
  );
}

/** Two big-endian bytes each. */
export function positionsToWire(positions: readonly number[]): Uint8Array {
  const out = Buffer.alloc(positions.length * POSITION_BYTES);
  for (const [i, position] of positions.entries()) {
    assert(position < 2 ** (8 * POSITION_BYTES), `position ${position} fits its column`);
    out.writeUInt16BE(position, i * POSITION_BYTES);
  }
  return out;
}

/** Null when `bytes` are no whole number of positions. */
export function positionsFromWire(bytes: Uint8Array): readonly number[] | null {
  const rows = rowsOf(bytes, POSITION_BYTES);
  return rows?.map(([high = 0, low = 0]) => 256 * high + low) ?? null;
}
