import assert from "node:assert/strict";
import { test } from "node:test";
import { BoundedCache } from "../../../src/util/boundedCache.ts";

test("a full cache gives up its oldest entry", () => {
  const cache = new BoundedCache<string, number>(2);
  cache.set("a", 1);
  cache.set("b", 2);
  cache.set("b", 3);
  cache.set("c", 4);
  assert.deepEqual([cache.get("a"), cache.get("b"), cache.get("c")], [undefined, 3, 4]);
  assert.equal(cache.size, 2);
});
