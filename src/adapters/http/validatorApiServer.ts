/**
 * The Beacon API that validator clients point at. A table of routes is answered here; of everything
 * else reads stream through to the beacon node and writes are denied by default (API-3). It serves
 * before the node runs, so that a client can start at the same time, and within limits (API-10).
 */
import { createHash, timingSafeEqual } from "node:crypto";
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import type { Cluster } from "../../cluster/cluster.ts";
import { Cancelled, FaultError, UsageError } from "../../domain/errors.ts";
import type { PeerIndex } from "../../domain/keys.ts";
import { MAX_VC_BODY_BYTES, MAX_VC_CONNECTIONS } from "../../domain/limits.ts";
import type { Millis } from "../../domain/units.ts";
import type { BeaconUpstreams } from "../../ports/beaconUpstream.ts";
import type { Clock } from "../../ports/clock.ts";
import type { KeyValueStore } from "../../ports/keyValueStore.ts";
import type { Logger } from "../../ports/logger.ts";
import type { Counter, Histogram, Metrics } from "../../ports/metrics.ts";
import type { ValidatorApi } from "../../ports/validatorApi.ts";
import { streamEvents } from "./eventStream.ts";
import { HttpProblem, problemReply, type Reply, type VcRequest } from "./exchange.ts";
import { KeyNames } from "./keyNames.ts";
import { close, listen } from "./listen.ts";
import { ReadyAnswers } from "./readyAnswers.ts";
import type { RouteParts } from "./routeParts.ts";
import { UpstreamClient } from "./upstreamClient.ts";
import { findRoute, type Route } from "./validatorApiRoutes.ts";
import { policyOf } from "./writePolicy.ts";

export type ValidatorApiOptions = {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** PEM texts; null serves without encryption. */
  readonly tls: { readonly cert: string; readonly key: string } | null;
  /** What clients send as `Authorization: Bearer`; null asks for nothing. */
  readonly token: string | null;
  readonly cluster: Cluster;
  readonly self: PeerIndex;
  /** Answer of `node/version`, e.g. `coterie/v0.1.0/x64-linux`. */
  readonly version: string;
  readonly upstreams: BeaconUpstreams;
  /** Null until the node runs. */
  readonly api: () => ValidatorApi | null;
  readonly store: KeyValueStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** For a request to arrive, its headers and the whole of it. */
  readonly timeouts: { readonly headersMs: Millis; readonly requestMs: Millis };
  /** A bug: the process must stop signing. */
  readonly onBug: (error: unknown) => void;
};

export type ValidatorApiServer = {
  /** The bound port. */
  readonly port: number;
  /** Milliseconds since the last request of a client; null before the first. */
  silenceMs(): Millis | null;
  close(): Promise<void>;
};

/** A connection without a byte in either direction; event streams keep themselves alive. */
const IDLE_TIMEOUT_MS: Millis = 60_000;
/** Clients that list their validators in the query send some hundred bytes for each. */
const MAX_HEADER_BYTES = 256 * 1024;

/** Throws UsageError when the address cannot be bound or the certificate cannot be used. */
export async function startValidatorApi(options: ValidatorApiOptions): Promise<ValidatorApiServer> {
  const service = new Service(options);
  const server = createListener(options, (request, response) => service.serve(request, response));
  server.maxConnections = MAX_VC_CONNECTIONS;
  server.setTimeout(IDLE_TIMEOUT_MS);
  const port = await listen(server, { ...options, option: "validator-api-address" });
  service.start();
  return {
    port,
    silenceMs: () => service.silenceMs(),
    async close() {
      service.stop();
      await close(server);
      await service.release();
    },
  };
}

function createListener(
  { tls, timeouts }: ValidatorApiOptions,
  listener: RequestListener,
): Server | TlsServer {
  const limits = {
    requestTimeout: timeouts.requestMs,
    headersTimeout: timeouts.headersMs,
    connectionsCheckingInterval: timeouts.headersMs,
    maxHeaderSize: MAX_HEADER_BYTES,
  };
  if (tls === null) return createServer(limits, listener);
  try {
    return createTlsServer({ ...limits, ...tls }, listener);
  } catch (cause) {
    throw new UsageError("the certificate and key for the Beacon API cannot be used", {
      fix: "give PEM files that belong together, the key without a password",
      cause,
    });
  }
}

class Service {
  readonly #options: ValidatorApiOptions;
  readonly #upstream: UpstreamClient;
  readonly #parts: RouteParts;
  readonly #stopping = new AbortController();
  readonly #requests: Counter;
  readonly #seconds: Histogram;
  readonly #denied = new Set<string>();
  #lastRequestAt: Millis | null = null;

  constructor(options: ValidatorApiOptions) {
    const { cluster, self, metrics } = options;
    this.#options = options;
    this.#upstream = new UpstreamClient(options.upstreams);
    this.#parts = {
      ...options,
      upstream: this.#upstream,
      names: new KeyNames(cluster, self),
      ready: new ReadyAnswers({ ...options, upstream: this.#upstream }),
    };
    this.#requests = metrics.counter({
      name: "vc_requests_total",
      help: "Requests of validator clients",
      labels: ["route", "status"],
    });
    this.#seconds = metrics.histogram({
      name: "vc_request_seconds",
      help: "Time to answer requests that the node answers itself, waiting included",
      labels: ["route"],
      buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 1, 2, 4],
    });
  }

  start(): void {
    this.#parts.ready.prepare(this.#stopping.signal).catch((error: unknown) => {
      if (!(error instanceof Cancelled)) this.#options.onBug(error);
    });
  }

  stop(): void {
    this.#stopping.abort(new Cancelled("the node stops"));
  }

  release(): Promise<void> {
    return this.#upstream.close();
  }

  silenceMs(): Millis | null {
    if (this.#lastRequestAt === null) return null;
    return this.#options.clock.monotonic() - this.#lastRequestAt;
  }

  serve(request: IncomingMessage, response: ServerResponse): void {
    this.#serve(request, response).catch(this.#options.onBug);
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#lastRequestAt = this.#options.clock.monotonic();
    const hungUp = new AbortController();
    response.once("close", () => hungUp.abort(new Cancelled("the client hung up")));
    const request = requestOf(incoming, AbortSignal.any([hungUp.signal, this.#stopping.signal]));
    const path = request.url.split("?")[0] ?? "";
    let name = "unauthorized";
    try {
      this.#authorize(incoming);
      const found = findRoute(request.method, path);
      name = found?.route.name ?? "passed on";
      const params = found?.params ?? {};
      const reply = found && (await this.#answer(found.route, { ...request, params }));
      if (reply) send(response, reply);
      else if (request.method === "GET" && path === EVENTS_PATH) {
        await streamEvents(request, response, { ...this.#parts, ...this.#options });
      } else await this.#passOn(request, path, response);
    } catch (error) {
      // What failed after the answer began, or after the client left, can only be cut off.
      if (request.signal.aborted || response.headersSent) response.destroy();
      else send(response, replyOf(error));
      if (!isExpected(error)) throw error;
    } finally {
      this.#requests.add(1, { route: name, status: String(response.statusCode) });
    }
  }

  async #answer(route: Route, request: VcRequest): Promise<Reply | null> {
    const { clock } = this.#options;
    const startedAt = clock.monotonic();
    const reply = await route.handle(request, this.#parts);
    this.#seconds.observe((clock.monotonic() - startedAt) / 1000, { route: route.name });
    return reply;
  }

  async #passOn(request: VcRequest, path: string, response: ServerResponse): Promise<void> {
    const { method, url, headers, signal } = request;
    if (!path.startsWith("/")) throw new HttpProblem(400, "the path must begin with a slash");
    const policy = policyOf(method, path);
    if (policy.kind === "deny") {
      this.#noteDenied(method, path);
      throw new HttpProblem(policy.status, policy.reason);
    }
    const body = method === "POST" ? await request.body() : null;
    await this.#upstream.forward({ method, url, headers, body }, response, signal);
  }

  /** Once per path: clients repeat themselves, and a new fork's routes show up here first. */
  #noteDenied(method: string, path: string): void {
    const known = `${method} ${path.replaceAll(/0x[0-9a-fA-F]+|\d+(?=\/|$)/g, "…")}`;
    if (this.#denied.has(known) || this.#denied.size >= MAX_DENIED_PATHS) return;
    this.#denied.add(known);
    this.#options.logger.warn("A validator client's request is not served.", { request: known });
  }

  #authorize({ headers }: IncomingMessage): void {
    const { token } = this.#options;
    if (token === null) return;
    const given = /^Bearer (.+)$/i.exec(headers.authorization ?? "")?.[1] ?? "";
    if (timingSafeEqual(digest(given), digest(token))) return;
    throw new HttpProblem(401, "send the token of --validator-api-token-file as a bearer token");
  }
}

const EVENTS_PATH = "/eth/v1/events";
/** Paths that are remembered so as to be logged once: whoever sends more is probing. */
const MAX_DENIED_PATHS = 100;

function requestOf(incoming: IncomingMessage, signal: AbortSignal): VcRequest {
  const { method = "", url = "", headers } = incoming;
  const search = url.indexOf("?");
  const query = new URLSearchParams(search < 0 ? "" : url.slice(search));
  return { method, url, params: {}, query, headers, signal, body: () => readLimited(incoming) };
}

async function readLimited(incoming: IncomingMessage): Promise<Uint8Array> {
  const encoding = incoming.headers["content-encoding"] ?? "identity";
  if (encoding !== "identity") throw new HttpProblem(415, `a body in ${encoding} is not read`);
  const chunks: Buffer[] = [];
  let size = Number(incoming.headers["content-length"] ?? 0);
  const refuseTooLarge = (): void => {
    if (size > MAX_VC_BODY_BYTES) {
      throw new HttpProblem(413, `a body has at most ${MAX_VC_BODY_BYTES} bytes`);
    }
  };
  refuseTooLarge();
  size = 0;
  for await (const chunk of incoming) {
    size += chunk.length;
    refuseTooLarge();
    chunks.push(chunk);
  }
  const { buffer, byteOffset, length } = Buffer.concat(chunks);
  return new Uint8Array(buffer, byteOffset, length);
}

function send(response: ServerResponse, { status, headers, body }: Reply): void {
  const length = typeof body === "string" ? Buffer.byteLength(body) : body.length;
  response.writeHead(status, { ...headers, "content-length": length });
  response.end(body);
}

function replyOf(error: unknown): Reply {
  if (error instanceof HttpProblem) {
    const reply = problemReply(error.status, error.message);
    if (error.status !== 401) return reply;
    return { ...reply, headers: { ...reply.headers, "www-authenticate": "Bearer" } };
  }
  if (error instanceof FaultError) return problemReply(503, error.message);
  return problemReply(500, "the node has a bug and stops signing; see its log");
}

/** What the client or the world did; anything else is a bug. */
function isExpected(error: unknown): boolean {
  const isBroken = error instanceof Error && "code" in error && error.code === "ECONNRESET";
  return (
    error instanceof HttpProblem ||
    error instanceof FaultError ||
    error instanceof Cancelled ||
    isBroken
  );
}

/** Equal lengths, so that the comparison takes the same time for every guess. */
function digest(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}
