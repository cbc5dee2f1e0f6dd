import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 as zlibCrc32 } from "node:zlib";
import fc from "fast-check";
import { crc32, crc32Ascii } from "../../../src/util/crc32.ts";

test("is the checksum of zlib, in one piece and in two", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), (bytes, at) => {
      assert.equal(crc32(bytes), zlibCrc32(bytes));
      assert.equal(crc32(bytes.subarray(at), crc32(bytes.subarray(0, at))), zlibCrc32(bytes));
    }),
  );
});

test("is the same over a text as over its bytes", () => {
  for (const text of ["", "slashing/head", "~ !"]) {
    assert.equal(crc32Ascii(text), zlibCrc32(text));
    assert.equal(
      crc32(new Uint8Array([1]), crc32Ascii(text)),
      zlibCrc32("\u0001", zlibCrc32(text)),
    );
  }
});
