import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseJson, writeJson } from "../../../src/util/json.ts";

test("integers beyond 2^53 survive digit for digit", () => {
  const text = '{"a":18446744073709551615,"b":[9007199254740993,-9007199254740993,1]}';
  const parsed = parseJson(text, 4);
  assert(parsed.ok);
  assert.deepEqual(parsed.value, {
    a: 18446744073709551615n,
    b: [9007199254740993n, -9007199254740993n, 1],
  });
  assert.equal(writeJson(parsed.value, 0), text);
});

test("any JSON value is read and written back", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
      const text = JSON.stringify(value);
      const parsed = parseJson(text, 20);
      assert(parsed.ok);
      assert.equal(
        JSON.stringify(JSON.parse(writeJson(parsed.value, 1))),
        JSON.stringify(JSON.parse(text)),
      );
    }),
  );
});

test("nesting is counted outside of strings only", () => {
  assert.equal(parseJson('["[[[[[[", "\\"[[[[["]', 1).ok, true);
  assert.equal(parseJson("[[]]", 1).ok, false);
  assert.equal(parseJson("[".repeat(1_000_000), 32).ok, false);
});

test("text that is no JSON is an error value, also when long", () => {
  for (const text of ["", "{", "undefined", '"'.padEnd(2_000_000, "a")]) {
    assert.equal(parseJson(text, 32).ok, false);
  }
});
