/** What every {@link KeyValueStore} promises, LevelDB and the disk in memory alike. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { FaultError } from "../../src/domain/errors.ts";
import type { KeyRange, KeyValueStore, StoreOperation } from "../../src/ports/keyValueStore.ts";

/** Opens the same disk again on each call; the store before is closed by then. */
export type OpenStore = () => Promise<KeyValueStore>;

export function testKeyValueStore(name: string, diskOf: (t: TestContext) => OpenStore): void {
  test(`${name}: gives back what was put last, and nothing of what was deleted`, async (t) => {
    const store = await diskOf(t)();
    await store.batch([put("a", "1"), put("b", "2")]);
    await store.batch([put("a", "3"), del("b"), del("never-there")]);
    assert.deepEqual(await store.get("a"), bytes("3"));
    assert.equal(await store.get("b"), undefined);
    assert.deepEqual(await contentOf(store), ["a=3"]);
    await store.close();
  });

  test(`${name}: applies the operations of a batch in their order`, async (t) => {
    const store = await diskOf(t)();
    await store.batch([put("a", "1"), del("a"), put("b", "1"), put("b", "2")]);
    assert.deepEqual(await contentOf(store), ["b=2"]);
    await store.close();
  });

  test(`${name}: lists a range by the keys' bytes, its end excluded`, async (t) => {
    const store = await diskOf(t)();
    await store.batch(["b", "a/2", "a/10", "B", "a0", "a/"].map((key) => put(key, "x")));
    assert.deepEqual(await contentOf(store, { gte: "a/", lt: "a0" }), ["a/=x", "a/10=x", "a/2=x"]);
    await store.close();
  });

  test(`${name}: lists more entries than one read takes`, async (t) => {
    const store = await diskOf(t)();
    const keys = Array.from({ length: 2_500 }, (_, index) => `key/${index + 10_000}`);
    await store.batch(keys.map((key) => put(key, key)));
    assert.deepEqual(
      await contentOf(store),
      keys.map((key) => `${key}=${key}`),
    );
    await store.close();
  });

  test(`${name}: lists what was there at one instant, whatever is written meanwhile`, async (t) => {
    const store = await diskOf(t)();
    await listWhileWriting(store);
    await store.close();
  });

  test(`${name}: keeps everything over a restart`, async (t) => {
    const open = diskOf(t);
    const store = await open();
    await Promise.all(["a", "b", "c"].map((key) => store.batch([put(key, "1")])));
    await store.close();
    const again = await open();
    assert.deepEqual(await contentOf(again), ["a=1", "b=1", "c=1"]);
    await again.close();
  });

  test(`${name}: keeps its own copy of a value`, async (t) => {
    const store = await diskOf(t)();
    const value = bytes("1");
    await store.batch([{ type: "put", key: "a", value }]);
    value[0] = 0;
    assert.deepEqual(await store.get("a"), bytes("1"));
    await store.close();
  });

  test(`${name}: closed, it fails with a fault`, async (t) => {
    const store = await diskOf(t)();
    await store.close();
    await assert.rejects(store.batch([put("a", "1")]), FaultError);
    await assert.rejects(store.get("a"), FaultError);
    await assert.rejects(contentOf(store), FaultError);
  });
}

async function listWhileWriting(store: KeyValueStore): Promise<void> {
  const keys = Array.from({ length: 2_500 }, (_, index) => `key/${index + 10_000}`);
  await store.batch(keys.map((key) => put(key, "old")));
  const listed: string[] = [];
  for await (const [key, value] of store.entries({ gte: " ", lt: "~" })) {
    if (listed.length === 0) {
      const changed = [put("key/99999", "new"), ...keys.slice(2_000).map((each) => del(each))];
      await store.batch([...changed, ...keys.slice(0, 2_000).map((each) => put(each, "new"))]);
    }
    listed.push(`${key}=${Buffer.from(value).toString()}`);
  }
  assert.deepEqual(
    listed,
    keys.map((key) => `${key}=old`),
  );
}

export function put(key: string, value: string): StoreOperation {
  return { type: "put", key, value: bytes(value) };
}

function del(key: string): StoreOperation {
  return { type: "del", key };
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Entries as `key=value`. */
export async function contentOf(
  store: KeyValueStore,
  range: KeyRange = { gte: " ", lt: "~" },
): Promise<readonly string[]> {
  const content: string[] = [];
  for await (const [key, value] of store.entries(range)) {
    content.push(`${key}=${Buffer.from(value).toString()}`);
  }
  return content;
}
