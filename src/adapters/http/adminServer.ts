/**
 * The admin server: what an operator's commands ask of the running node. It listens on the loopback
 * unless told otherwise, and answers nobody without the bearer token that lies in the data
 * directory (ADMIN-1). JSON in, JSON out.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { FaultError, UsageError } from "../../domain/errors.ts";
import { MAX_INTERCHANGE_BYTES } from "../../domain/limits.ts";
import { close, listen } from "./listen.ts";

export type AdminRoute = {
  readonly method: "GET" | "POST";
  /** Whole path, e.g. `/admin/v1/freeze`. */
  readonly path: string;
  /** Of the body's text; throws `UsageError` for what the caller did wrong. */
  readonly handle: (body: string) => Promise<unknown>;
};

/** An answer that is too large for one JSON text: bytes as they come. */
export class AdminDownload {
  readonly bytes: AsyncIterable<Uint8Array>;

  constructor(bytes: AsyncIterable<Uint8Array>) {
    this.bytes = bytes;
  }
}

export type AdminServerOptions = {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly token: string;
  readonly routes: readonly AdminRoute[];
  /** What is neither the caller's mistake nor the world's fault ends the process. */
  readonly onBug: (error: unknown) => void;
};

export type AdminServer = {
  /** The bound port. */
  readonly port: number;
  close(): Promise<void>;
};

/** A history of a thousand validators comes in one request. */
const REQUEST_TIMEOUT_MS = 60_000;
const MAX_CONNECTIONS = 16;

/** Throws UsageError when the address cannot be bound. */
export async function startAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS }, (request, response) => {
    answer(options, request, response).catch(options.onBug);
  });
  server.maxConnections = MAX_CONNECTIONS;
  const port = await listen(server, { ...options, option: "admin-address" });
  return { port, close: () => close(server) };
}

async function answer(
  options: AdminServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (!isAuthorized(request.headers.authorization ?? "", options.token)) {
    send(response, 401, { message: "the bearer token of the data directory's admin-token file" });
    return;
  }
  const path = (request.url ?? "").split("?")[0];
  const route = options.routes.find((each) => each.path === path && each.method === request.method);
  if (route === undefined) {
    send(response, 404, { message: `${request.method} ${path} is unknown` });
    return;
  }
  try {
    const body = await readBody(request);
    if (body === null) return;
    const result = await route.handle(body);
    if (result instanceof AdminDownload) await sendBytes(response, result);
    else send(response, 200, result);
  } catch (error) {
    if (error instanceof UsageError)
      send(response, 400, { message: error.message, fix: error.fix });
    else if (error instanceof FaultError) send(response, 503, { message: error.message });
    else throw error;
  }
}

/** In constant time, whatever the lengths: a digest of both is compared. */
function isAuthorized(header: string, token: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(header), digest(`Bearer ${token}`));
}

/** ADMIN-2: null where the caller hung up before all of it was there. */
async function readBody(request: IncomingMessage): Promise<string | null> {
  const parts: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const part of request as AsyncIterable<Buffer>) {
      bytes += part.length;
      if (bytes > MAX_INTERCHANGE_BYTES) {
        throw new UsageError(`the request has more than ${MAX_INTERCHANGE_BYTES} bytes`);
      }
      parts.push(part);
    }
  } catch (error) {
    if (error instanceof Error && "code" in error) return null;
    throw error;
  }
  return Buffer.concat(parts).toString("utf8");
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(`${JSON.stringify(body)}\n`);
}

/** An answer that breaks off says so by itself: its last chunk never comes. */
async function sendBytes(response: ServerResponse, { bytes }: AdminDownload): Promise<void> {
  response.writeHead(200, { "content-type": "application/octet-stream" });
  try {
    await pipeline(Readable.from(bytes, { objectMode: false }), response);
  } catch (error) {
    response.destroy();
    const isCallerGone = error instanceof Error && "code" in error;
    if (!isCallerGone) throw error;
  }
}
