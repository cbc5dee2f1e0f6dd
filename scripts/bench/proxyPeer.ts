/**
 * One process of the proxy benchmark: a beacon node with one large answer, a bare proxy in front of
 * it, or this project's Beacon API in front of it. Tells its parent where it listens.
 */
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream/promises";
import { Agent } from "undici";
import { startValidatorApi } from "../../src/adapters/http/validatorApiServer.ts";
import { systemClock } from "../../src/adapters/system/clock.ts";
import { createLogger } from "../../src/adapters/system/logger.ts";
import { createMetrics } from "../../src/adapters/system/metrics.ts";
import { rootOf } from "../../src/domain/keys.ts";

export type ProxyRole =
  | { readonly kind: "beacon"; readonly bytes: number }
  | { readonly kind: "bare" | "ours"; readonly upstream: string };

function tell(port: number): void {
  process.send?.(`http://127.0.0.1:${port}`);
}

function serve(listener: RequestListener): void {
  const server = createServer(listener);
  server.keepAliveTimeout = 60_000;
  server.listen(0, "127.0.0.1", () => tell((server.address() as AddressInfo).port));
}

function serveBeacon(bytes: number): void {
  const body = Buffer.from(JSON.stringify({ data: "x".repeat(bytes) }));
  const headers = { "content-type": "application/json", "content-length": body.length };
  serve((_, response) => response.writeHead(200, headers).end(body));
}

/** The least that a proxy on undici does: pass the status, the headers and the body on. */
function serveBare(upstream: string): void {
  const agent = new Agent({ connections: 128 });
  serve((request, response) => {
    void agent
      .request({ origin: upstream, path: request.url ?? "/", method: "GET" })
      .then(({ statusCode, headers, body }) => {
        response.writeHead(statusCode, headers);
        return pipeline(body, response);
      });
  });
}

async function serveOurs(upstream: string): Promise<void> {
  const beacon = { label: "beacon", origin: upstream, basePath: "", headers: {} };
  const { port } = await startValidatorApi({
    host: "127.0.0.1",
    port: 0,
    tls: null,
    token: null,
    // A cluster without validators: nothing of what is forwarded asks for one.
    cluster: {
      name: "bench",
      lockHash: rootOf(new Uint8Array(32)),
      forkVersion: "0x00000000",
      nodes: 4,
      threshold: 3,
      operators: [],
      validators: [],
      validator: () => undefined,
    },
    self: 0,
    version: "coterie/bench",
    upstreams: {
      attempt: (attempt) => attempt(beacon),
      race: (ask, { signal }) => ask(beacon, signal),
    },
    api: () => null,
    store: {
      get: async () => undefined,
      batch: async () => undefined,
      entries: (): AsyncIterable<never> => ReadableStream.from([]),
      close: async () => undefined,
    },
    clock: systemClock,
    timeouts: { headersMs: 10_000, requestMs: 30_000 },
    logger: createLogger({ level: "error", format: "json" }),
    metrics: createMetrics({}),
    onBug: (error) => {
      throw error;
    },
  });
  tell(port);
}

process.once("message", (role: ProxyRole) => {
  if (role.kind === "beacon") serveBeacon(role.bytes);
  else if (role.kind === "bare") serveBare(role.upstream);
  else void serveOurs(role.upstream);
});
process.once("disconnect", () => process.exit(0));
