/**
 * Where a relay is, over HTTP: its multiaddrs as a JSON list, told at `/` and, as Charon's nodes
 * ask, at `/enr`. What `--p2p-relays` of a node may point at (NET-13).
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { request } from "undici";
import { MAX_RELAY_ANSWER_BYTES } from "../../domain/limits.ts";
import { close, listen } from "./listen.ts";

export type RelayDirectory = {
  /** The bound port. */
  readonly port: number;
  close(): Promise<void>;
};

const PATHS: ReadonlySet<string> = new Set(["/", "/enr"]);
/** Answers come from memory. */
const REQUEST_TIMEOUT_MS = 5_000;
/** Nodes ask when they start and when they lost the relay. */
const MAX_CONNECTIONS = 256;

/** What a relay's URL answers; throws a plain error where that is nothing of use. */
export async function askRelay(url: string, signal: AbortSignal): Promise<string> {
  const { statusCode, body } = await request(url, { signal });
  let text = "";
  for await (const chunk of body) {
    text += String(chunk);
    if (text.length > MAX_RELAY_ANSWER_BYTES) {
      throw new Error(`the relay's answer has more than ${MAX_RELAY_ANSWER_BYTES} bytes`);
    }
  }
  if (statusCode !== 200) throw new Error(`the relay answered ${statusCode}`);
  return text;
}

/** Throws UsageError when the address cannot be bound. */
export async function startRelayDirectory(options: {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  addresses(): readonly string[];
}): Promise<RelayDirectory> {
  const server = createServer(
    { requestTimeout: REQUEST_TIMEOUT_MS, connectionsCheckingInterval: REQUEST_TIMEOUT_MS },
    (request, response) => answer(request, response, options.addresses()),
  );
  server.maxConnections = MAX_CONNECTIONS;
  const port = await listen(server, { ...options, option: "http-address" });
  return { port, close: () => close(server) };
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  addresses: readonly string[],
): void {
  const path = request.url?.split("?")[0] ?? "";
  const isRead = request.method === "GET" || request.method === "HEAD";
  const status = isRead ? (PATHS.has(path) ? 200 : 404) : 405;
  const body = status === 200 ? addresses : { message: "ask GET / for the relay's addresses" };
  response.writeHead(status, { "content-type": "application/json" });
  response.end(`${JSON.stringify(body)}\n`);
}
