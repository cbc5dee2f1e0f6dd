import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { FrameDecoder, lengthPrefixOf } from "../../../../src/adapters/p2p/frames.ts";
import { concatBytes } from "../../../../src/util/bytes.ts";

function encode(frames: readonly Uint8Array[]): Uint8Array {
  return concatBytes(...frames.flatMap((frame) => [lengthPrefixOf(frame), frame]));
}

/** `bytes` in pieces of the given lengths, over and over. */
function chop(bytes: Uint8Array, lengths: readonly number[]): readonly Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const length = lengths[i % lengths.length] ?? 1;
    pieces.push(bytes.subarray(at, at + length));
    at += length;
  }
  return pieces;
}

describe("frame decoder", () => {
  it("NET-4: finds the same frames however the stream was chopped", () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 200 }), { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 5 }),
        (frames, lengths) => {
          const decoder = new FrameDecoder(200);
          const found = chop(encode(frames), lengths).flatMap((piece) => decoder.push(piece));
          assert.deepEqual(found, frames);
        },
      ),
    );
  });

  it("NET-4: grows to a frame of a megabyte that comes byte by byte", () => {
    const frame = new Uint8Array(1_000_000).map((_, i) => i);
    const decoder = new FrameDecoder(frame.length);
    const found = chop(encode([frame]), [1]).flatMap((piece) => decoder.push(piece));
    assert.equal(found.length, 1);
    assert.equal(Buffer.compare(found[0] ?? new Uint8Array(0), frame), 0);
  });

  it("NET-4: refuses lengths of zero and over the limit as soon as they are announced", () => {
    for (const length of [0, 101, 0xffff_ffff]) {
      const prefix = Buffer.alloc(4);
      prefix.writeUInt32BE(length);
      assert.equal(new FrameDecoder(100).push(prefix), null, `${length}`);
    }
    assert.deepEqual(new FrameDecoder(100).push(Uint8Array.of(0, 0, 0, 100)), []);
  });

  it("NET-4: an announcement alone costs no memory to speak of", () => {
    const announced = 16 * 1024 * 1024;
    const prefix = Buffer.alloc(4);
    prefix.writeUInt32BE(announced);
    const before = process.memoryUsage().arrayBuffers;
    const decoders = Array.from({ length: 64 }, () => {
      const decoder = new FrameDecoder(announced);
      decoder.push(prefix);
      decoder.push(Uint8Array.of(1));
      return decoder;
    });
    const grown = process.memoryUsage().arrayBuffers - before;
    assert(grown < announced, `${decoders.length} announcements cost ${grown} bytes`);
  });

  it("NET-4: hands out memory of its own", () => {
    const stream = encode([Uint8Array.of(1, 2, 3)]);
    const [frame] = new FrameDecoder(100).push(stream) ?? [];
    stream.fill(0);
    assert.deepEqual(frame, Uint8Array.of(1, 2, 3));
    assert.equal(frame?.buffer.byteLength, 3);
  });
});
