/** CRC-32 (IEEE 802.3, reflected, as in zlib): finds damaged bytes, proves nothing about intent. */

const POLYNOMIAL = 0xedb88320;
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
  return crc;
});

/** Checksum of `bytes`, an unsigned 32-bit number; `previous` is that of the bytes before them. */
export function crc32(bytes: Uint8Array, previous = 0): number {
  let crc = ~previous;
  for (const byte of bytes) crc = step(crc, byte);
  return ~crc >>> 0;
}

/** The same over the characters of an ASCII text. */
export function crc32Ascii(text: string, previous = 0): number {
  let crc = ~previous;
  for (let i = 0; i < text.length; i++) crc = step(crc, text.charCodeAt(i));
  return ~crc >>> 0;
}

function step(crc: number, byte: number): number {
  return (crc >>> 8) ^ (TABLE[(crc ^ byte) & 0xff] ?? 0);
}
