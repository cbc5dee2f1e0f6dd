/**
 * The monitoring server: `/livez` (the process answers), `/readyz` (it can do its duties, or why
 * not) and `/metrics` (Prometheus text). It reads only, and listens on the loopback unless told
 * otherwise (OPS-4).
 */
import { createServer, type ServerResponse } from "node:http";
import { close, listen } from "./listen.ts";

export type Health = {
  readonly isReady: boolean;
  /** What keeps the node from its duties, one sentence each; empty when ready. */
  readonly reasons: readonly string[];
};

export type MonitoringOptions = {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  health(): Health;
  metrics(): Promise<{ readonly contentType: string; readonly body: string }>;
};

export type Monitoring = {
  /** The bound port. */
  readonly port: number;
  close(): Promise<void>;
};

/** Time for one whole request in milliseconds: every route answers from memory. */
const REQUEST_TIMEOUT_MS = 5_000;
/** Scrapers and health checks are few; more connections are somebody else's. */
const MAX_CONNECTIONS = 64;

/** Throws UsageError when the address cannot be bound. */
export async function startMonitoring(options: MonitoringOptions): Promise<Monitoring> {
  const server = createServer(
    { requestTimeout: REQUEST_TIMEOUT_MS, connectionsCheckingInterval: REQUEST_TIMEOUT_MS },
    (request, response) => {
      const path = (request.url ?? "").split("?")[0] ?? "";
      void answer(options, { method: request.method ?? "", path, response });
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  const port = await listen(server, { ...options, option: "monitoring-address" });
  return { port, close: () => close(server) };
}

type Request = {
  readonly method: string;
  readonly path: string;
  readonly response: ServerResponse;
};

async function answer(options: MonitoringOptions, request: Request): Promise<void> {
  const { method, path, response } = request;
  if (method !== "GET" && method !== "HEAD") {
    response.setHeader("allow", "GET, HEAD");
    sendJson(response, 405, { message: `${method} is not supported; use GET` });
  } else if (path === "/livez") {
    sendJson(response, 200, { alive: true });
  } else if (path === "/readyz") {
    const { isReady, reasons } = options.health();
    sendJson(response, isReady ? 200 : 503, { ready: isReady, reasons });
  } else if (path === "/metrics") {
    await sendMetrics(options, response);
  } else {
    sendJson(response, 404, { message: `${path} is unknown; try /livez, /readyz or /metrics` });
  }
}

async function sendMetrics(options: MonitoringOptions, response: ServerResponse): Promise<void> {
  try {
    const { contentType, body } = await options.metrics();
    response.writeHead(200, { "content-type": contentType }).end(body);
  } catch (error) {
    sendJson(response, 500, { message: `metrics are not available: ${String(error)}` });
  }
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(`${JSON.stringify(body)}\n`);
}
