import assert from "node:assert/strict";
import { request } from "node:http";
import { test } from "node:test";
import {
  AdminDownload,
  type AdminRoute,
  startAdminServer,
} from "../../../src/adapters/http/adminServer.ts";
import { FaultError, UsageError } from "../../../src/domain/errors.ts";

const TOKEN = "5".repeat(64);
const ROUTES: readonly AdminRoute[] = [
  { method: "POST", path: "/admin/v1/echo", handle: async (body) => ({ body }) },
  {
    method: "POST",
    path: "/admin/v1/wrong",
    handle: () => Promise.reject(new UsageError("what was asked is wrong", { fix: "ask better" })),
  },
  {
    method: "POST",
    path: "/admin/v1/fault",
    handle: () => Promise.reject(new FaultError("disk_failed", "it is full")),
  },
];

test("ADMIN-1: nobody without the token is answered, whatever else is right", async (t) => {
  const bugs: unknown[] = [];
  const server = await startAdminServer({
    host: "127.0.0.1",
    port: 0,
    token: TOKEN,
    routes: ROUTES,
    onBug: (error) => bugs.push(error),
  });
  t.after(() => server.close());
  const call = (path: string, authorization?: string, method = "POST") =>
    fetch(`http://127.0.0.1:${server.port}${path}`, {
      method,
      ...(method === "GET" ? {} : { body: "x" }),
      ...(authorization === undefined ? {} : { headers: { authorization } }),
    });
  for (const wrong of [undefined, "", "Bearer ", `Bearer ${TOKEN.slice(1)}`, TOKEN, "Basic x"]) {
    const refused = await call("/admin/v1/echo", wrong);
    assert.equal(refused.status, 401, wrong);
    assert(!(await refused.text()).includes(TOKEN));
  }
  const right = `Bearer ${TOKEN}`;
  assert.deepEqual(await (await call("/admin/v1/echo", right)).json(), { body: "x" });
  assert.equal((await call("/admin/v1/echo", right, "GET")).status, 404);
  assert.equal((await call("/admin/v1/none", right)).status, 404);
  const wrong = await call("/admin/v1/wrong", right);
  assert.equal(wrong.status, 400);
  assert.deepEqual(await wrong.json(), { message: "what was asked is wrong", fix: "ask better" });
  assert.equal((await call("/admin/v1/fault", right)).status, 503);
  assert.deepEqual(bugs, []);
});

test("ADMIN-2: a caller that hangs up in the middle of its request is nobody's bug", async (t) => {
  const bugs: unknown[] = [];
  const handled: string[] = [];
  const server = await startAdminServer({
    host: "127.0.0.1",
    port: 0,
    token: TOKEN,
    routes: [
      { method: "POST", path: "/import", handle: async (body) => handled.push(body) },
      { method: "GET", path: "/alive", handle: async () => handled.length },
    ],
    onBug: (error) => bugs.push(error),
  });
  t.after(() => server.close());
  const url = `http://127.0.0.1:${server.port}`;
  const headers = { authorization: `Bearer ${TOKEN}` };
  const call = request(`${url}/import`, {
    method: "POST",
    headers: { ...headers, "content-length": "100" },
  });
  call.on("error", () => undefined);
  await new Promise<void>((resolve) => call.write("half of it", () => resolve()));
  // Answered after the server has begun to read the other one.
  const alive = await fetch(`${url}/alive`, { headers });
  assert.equal(await alive.json(), 0);
  await new Promise<void>((resolve) => call.once("close", resolve).destroy());
  assert.equal((await fetch(`${url}/alive`, { headers })).status, 200);
  assert.deepEqual({ bugs, handled }, { bugs: [], handled: [] });
});

test("BACKUP-3: a download that breaks off is no whole one, whoever broke it off", async (t) => {
  const bugs: unknown[] = [];
  let isAsked = true;
  async function* bytes(fails: boolean): AsyncIterable<Uint8Array> {
    for (let part = 0; isAsked; part++) {
      if (fails && part === 2) throw new FaultError("disk_failed", "it is full");
      yield new Uint8Array(65_536);
    }
  }
  const server = await startAdminServer({
    host: "127.0.0.1",
    port: 0,
    token: TOKEN,
    routes: [true, false].map((fails) => ({
      method: "POST",
      path: fails ? "/broken" : "/endless",
      handle: async () => new AdminDownload(bytes(fails)),
    })),
    onBug: (error) => bugs.push(error),
  });
  t.after(() => server.close());
  const headers = { authorization: `Bearer ${TOKEN}` };
  const get = (path: string, signal: AbortSignal | null = null) =>
    fetch(`http://127.0.0.1:${server.port}${path}`, { method: "POST", headers, signal });
  const broken = await get("/broken");
  assert.equal(broken.status, 200, "its first part was there");
  await assert.rejects(broken.arrayBuffer(), TypeError);
  const gone = new AbortController();
  const endless = await get("/endless", gone.signal);
  gone.abort();
  await assert.rejects(endless.arrayBuffer(), { name: "AbortError" });
  isAsked = false;
  assert.equal((await get("/none")).status, 404, "it still answers");
  assert.deepEqual(bugs, []);
});
