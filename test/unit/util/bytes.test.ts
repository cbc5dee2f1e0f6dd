import assert from "node:assert/strict";
import { it } from "node:test";
import { uint32be, uint64be } from "../../../src/util/bytes.ts";

const EDGES = [0, 1, 255, 256, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];

it("numbers are written as a DataView writes them, big end first", () => {
  for (const value of EDGES) {
    const view = new DataView(new ArrayBuffer(4));
    view.setUint32(0, value);
    assert.deepEqual(uint32be(value), new Uint8Array(view.buffer), `${value} in four bytes`);
  }
  for (const value of [...EDGES, 2 ** 32, 2 ** 40 + 3, Number.MAX_SAFE_INTEGER]) {
    const view = new DataView(new ArrayBuffer(8));
    view.setBigUint64(0, BigInt(value));
    assert.deepEqual(uint64be(value), new Uint8Array(view.buffer), `${value} in eight bytes`);
  }
});
