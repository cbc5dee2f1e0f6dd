import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { crc32 } from "../../../src/util/crc32.ts";

test("is the checksum that every catalogue of checksums gives for CRC-32", () => {
  assert.equal(crc32("123456789"), 0xcbf43926);
  assert.equal(crc32(new Uint8Array()), 0);
});

test("is the same in one piece and in two, of a text and of its bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), fc.string(), (bytes, at, text) => {
      assert.equal(crc32(bytes.subarray(at), crc32(bytes.subarray(0, at))), crc32(bytes));
      assert.equal(crc32(bytes, crc32(text)), crc32(bytes, crc32(new TextEncoder().encode(text))));
    }),
  );
});
