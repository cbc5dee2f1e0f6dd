/** Bytes and their `0x` hex form: strict in what it parses, lower case in what it writes. */

export function toHex(bytes: Uint8Array): `0x${string}` {
  return `0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex")}`;
}

/** Bytes of a `0x` hex text, or null when it is not one (odd length, other digits, no prefix). */
export function fromHex(text: string): Uint8Array | null {
  if (!/^0x(?:[0-9a-fA-F]{2})*$/.test(text)) return null;
  return new Uint8Array(Buffer.from(text.slice(2), "hex"));
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return compareBytes(a, b) === 0;
}

/** Lexicographic order of unsigned bytes: negative, zero or positive. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b);
}

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}

/** `value` as eight big-endian bytes. */
export function uint64be(value: number): Uint8Array {
  const out = new Uint8Array(8);
  writeUint32be(out, 0, Math.floor(value / 2 ** 32));
  writeUint32be(out, 4, value % 2 ** 32);
  return out;
}

/** `value` as four big-endian bytes. */
export function uint32be(value: number): Uint8Array {
  const out = new Uint8Array(4);
  writeUint32be(out, 0, value);
  return out;
}

/** By hand: a DataView costs ten times as much, and each digest has several such fields. */
function writeUint32be(out: Uint8Array, offset: number, value: number): void {
  out[offset] = value >>> 24;
  out[offset + 1] = value >>> 16;
  out[offset + 2] = value >>> 8;
  out[offset + 3] = value;
}

/** The consecutive parts of `width` bytes; null when the bytes are not exactly `count` of them. */
export function columnsOf(
  bytes: Uint8Array,
  width: number,
  count: number,
): readonly Uint8Array[] | null {
  if (bytes.length !== width * count) return null;
  return Array.from({ length: count }, (_, i) => bytes.subarray(i * width, (i + 1) * width));
}
