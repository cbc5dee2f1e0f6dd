/** The raw Snappy format (google/snappy, format_description.txt), for vectors stored in it. */
import assert from "node:assert/strict";

export function unsnap(bytes: Uint8Array): Uint8Array {
  const [length, start] = varint(bytes);
  const out = new Uint8Array(length);
  let at = start;
  let written = 0;
  const little = (count: number): number => {
    let value = 0;
    for (let i = 0; i < count; i++) value += (bytes[at + i] ?? 0) * 256 ** i;
    at += count;
    return value;
  };
  while (at < bytes.length) {
    const tag = bytes[at++] ?? 0;
    const kind = tag & 3;
    if (kind === 0) {
      const short = tag >> 2;
      const size = 1 + (short < 60 ? short : little(short - 59));
      out.set(bytes.subarray(at, at + size), written);
      at += size;
      written += size;
      continue;
    }
    const size = kind === 1 ? 4 + ((tag >> 2) & 7) : 1 + (tag >> 2);
    const offset = kind === 1 ? ((tag >> 5) << 8) + little(1) : little(kind === 2 ? 2 : 4);
    assert.ok(offset > 0 && offset <= written, "a copy points back into what is written");
    // Byte by byte: a copy may overlap what it writes.
    for (let i = 0; i < size; i++) out[written + i] = out[written + i - offset] ?? 0;
    written += size;
  }
  assert.equal(written, length, "the text has its announced length");
  return out;
}

function varint(bytes: Uint8Array): readonly [value: number, next: number] {
  let value = 0;
  for (let i = 0; ; i++) {
    const byte = bytes[i] ?? 0;
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return [value, i + 1];
  }
}
