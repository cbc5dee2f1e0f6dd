/** Columns of fixed width within one bytes field: lengths are checked before anything is built. */
import { assert } from "../util/assert.ts";
import { columnsOf } from "../util/bytes.ts";

/** Width of a validator's and of a message's position. */
export const POSITION_BYTES = 2;

/** Rows of `width` bytes; null when `bytes` are no whole number of them. Views of the input. */
export function rowsOf(bytes: Uint8Array, width: number): readonly Uint8Array[] | null {
  return bytes.length % width === 0 ? columnsOf(bytes, width, bytes.length / width) : null;
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
  if (bytes.length % POSITION_BYTES !== 0) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: bytes.length / POSITION_BYTES }, (_, i) =>
    view.getUint16(i * POSITION_BYTES),
  );
}
