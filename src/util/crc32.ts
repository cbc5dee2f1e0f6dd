/** CRC-32 (IEEE 802.3, reflected): finds damaged bytes, proves nothing about intent. */
import { crc32 as zlibCrc32 } from "node:zlib";

/** Of bytes or of a text in UTF-8, as a 32-bit number; `previous` is that of what comes before. */
export function crc32(data: Uint8Array | string, previous = 0): number {
  return zlibCrc32(data, previous);
}
