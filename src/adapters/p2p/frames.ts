/**
 * Frames on a byte stream (NET-4): four big-endian bytes of length, then that many bytes. A decoder
 * holds at most twice what it received, whatever length was announced and however the bytes were
 * chopped, and hands out memory that nothing else refers to.
 */
import { assert } from "../../util/assert.ts";

export const LENGTH_BYTES = 4;
const INITIAL_BYTES = 64 * 1024;

export function lengthPrefixOf(frame: Uint8Array): Uint8Array {
  const prefix = new Uint8Array(LENGTH_BYTES);
  new DataView(prefix.buffer).setUint32(0, frame.length);
  return prefix;
}

export class FrameDecoder {
  readonly #maxBytes: number;
  readonly #prefix = new Uint8Array(LENGTH_BYTES);
  #prefixFilled = 0;
  #length = 0;
  #body = new Uint8Array(0);
  #bodyFilled = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Frames that `chunk` completes; null when the announced length is zero or over the limit. */
  push(chunk: Uint8Array): readonly Uint8Array[] | null {
    const frames: Uint8Array[] = [];
    for (let offset = 0; offset < chunk.length; ) {
      if (this.#prefixFilled < LENGTH_BYTES) {
        offset += this.#fillPrefix(chunk, offset);
        if (this.#prefixFilled < LENGTH_BYTES) break;
        this.#length = new DataView(this.#prefix.buffer).getUint32(0);
        if (this.#length === 0 || this.#length > this.#maxBytes) return null;
        this.#body = new Uint8Array(Math.min(this.#length, INITIAL_BYTES));
        this.#bodyFilled = 0;
        continue;
      }
      offset += this.#fillBody(chunk, offset);
      if (this.#bodyFilled === this.#length) frames.push(this.#takeBody());
    }
    return frames;
  }

  #fillPrefix(chunk: Uint8Array, offset: number): number {
    const part = chunk.subarray(offset, offset + LENGTH_BYTES - this.#prefixFilled);
    this.#prefix.set(part, this.#prefixFilled);
    this.#prefixFilled += part.length;
    return part.length;
  }

  #fillBody(chunk: Uint8Array, offset: number): number {
    const part = chunk.subarray(offset, offset + this.#length - this.#bodyFilled);
    const needed = this.#bodyFilled + part.length;
    if (needed > this.#body.length) {
      const grown = new Uint8Array(Math.min(this.#length, Math.max(needed, 2 * this.#body.length)));
      grown.set(this.#body.subarray(0, this.#bodyFilled));
      this.#body = grown;
    }
    this.#body.set(part, this.#bodyFilled);
    this.#bodyFilled = needed;
    return part.length;
  }

  #takeBody(): Uint8Array {
    assert(this.#body.length === this.#length, "a complete frame fills its buffer");
    const frame = this.#body;
    this.#body = new Uint8Array(0);
    this.#prefixFilled = 0;
    return frame;
  }
}
