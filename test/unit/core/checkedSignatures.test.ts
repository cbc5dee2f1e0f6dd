import assert from "node:assert/strict";
import { test } from "node:test";
import { CheckedSignatures } from "../../../src/core/checkedSignatures.ts";
import { MAX_MESSAGES_PER_PEER } from "../../../src/domain/limits.ts";

test("one author's endless statements are not all remembered, and push out nobody else's", () => {
  const checked = new CheckedSignatures();
  const keys = Array.from(
    { length: 2 * MAX_MESSAGES_PER_PEER },
    (_, index) => `statement ${index}`,
  );
  for (const key of keys) checked.add(1, key);
  checked.add(2, "statement 0");
  assert.equal(keys.filter((key) => checked.has(1, key)).length, MAX_MESSAGES_PER_PEER);
  assert(checked.has(1, "statement 0"), "the first ones stay");
  assert(checked.has(2, "statement 0"));
  assert(!checked.has(2, "statement 1"), "what one author signed says nothing about another");
});
