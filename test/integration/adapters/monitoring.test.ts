import assert from "node:assert/strict";
import { request } from "node:http";
import { type TestContext, test } from "node:test";
import {
  type Health,
  type Monitoring,
  startMonitoring,
} from "../../../src/adapters/http/monitoring.ts";
import { UsageError } from "../../../src/domain/errors.ts";

type Answer = { readonly status: number; readonly body: string; readonly type: string };

async function start(t: TestContext, health: Health): Promise<Monitoring> {
  const monitoring = await startMonitoring({
    host: "127.0.0.1",
    port: 0,
    health: () => health,
    metrics: async () => ({ contentType: "text/plain; version=0.0.4", body: "up 1\n" }),
  });
  t.after(() => monitoring.close());
  return monitoring;
}

function ask({ port }: Monitoring, path: string, method = "GET"): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = request({ host: "127.0.0.1", port, path, method }, (response) => {
      let body = "";
      response.on("data", (chunk) => {
        body += chunk;
      });
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          body,
          type: response.headers["content-type"] ?? "",
        }),
      );
    });
    call.on("error", reject);
    call.end();
  });
}

// OPS-4
test("readyz says 200 when ready and 503 with every reason when not", async (t) => {
  const ready = await ask(await start(t, { isReady: true, reasons: [] }), "/readyz");
  assert.equal(ready.status, 200);
  assert.deepEqual(JSON.parse(ready.body), { ready: true, reasons: [] });

  const reasons = ["the beacon node is syncing", "2 of 4 peers are connected, 3 are needed"];
  const waiting = await ask(await start(t, { isReady: false, reasons }), "/readyz?verbose");
  assert.equal(waiting.status, 503);
  assert.deepEqual(JSON.parse(waiting.body), { ready: false, reasons });
});

test("livez answers as long as the process does, ready or not", async (t) => {
  const monitoring = await start(t, { isReady: false, reasons: ["starting"] });
  assert.equal((await ask(monitoring, "/livez")).status, 200);
});

test("metrics come in the format that Prometheus reads", async (t) => {
  const answer = await ask(await start(t, { isReady: true, reasons: [] }), "/metrics");
  assert.deepEqual(answer, { status: 200, body: "up 1\n", type: "text/plain; version=0.0.4" });
});

test("nothing can be written, and unknown paths say what there is", async (t) => {
  const monitoring = await start(t, { isReady: true, reasons: [] });
  assert.equal((await ask(monitoring, "/readyz", "POST")).status, 405);
  const unknown = await ask(monitoring, "/status");
  assert.equal(unknown.status, 404);
  assert.match(unknown.body, /\/livez, \/readyz or \/metrics/);
});

test("a busy port is an error that names the address and the flag", async (t) => {
  const { port } = await start(t, { isReady: true, reasons: [] });
  const second = startMonitoring({
    host: "127.0.0.1",
    port,
    health: () => ({ isReady: true, reasons: [] }),
    metrics: async () => ({ contentType: "", body: "" }),
  });
  await assert.rejects(second, (error) => {
    assert.ok(error instanceof UsageError);
    assert.ok(error.message.includes(`127.0.0.1:${port} is in use`));
    assert.match(error.fix ?? "", /--monitoring-address/);
    return true;
  });
});
