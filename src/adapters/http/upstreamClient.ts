/**
 * Requests to the beacon nodes on behalf of a validator client: small ones whose answer is changed
 * on its way, and all others as a stream that nobody looks into (API-6).
 */
import type { IncomingHttpHeaders, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { Agent, type Dispatcher, errors } from "undici";
import { FaultError } from "../../domain/errors.ts";
import { BEACON_REQUEST_TIMEOUT_MS, MAX_BEACON_RESPONSE_BYTES } from "../../domain/limits.ts";
import type { Millis } from "../../domain/units.ts";
import type { BeaconUpstream, BeaconUpstreams } from "../../ports/beaconUpstream.ts";

export type UpstreamRequest = {
  readonly method: string;
  /** Path and query, from `/eth` on. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Uint8Array | null;
};
export type UpstreamAnswer = {
  readonly status: number;
  readonly contentType: string;
  readonly bytes: Uint8Array;
};

type OpenOptions = { readonly signal: AbortSignal; readonly bodyTimeout?: Millis | undefined };

/** Clients wait for duties for a quarter of a slot, after which a second beacon node is no use. */
const HEDGE_AFTER_MS: Millis = 1_000;
/** A beacon node that is silent for longer is given up for the next one. */
const HEADERS_TIMEOUT_MS: Millis = 10_000;
const BODY_TIMEOUT_MS: Millis = 30_000;
/** No event for so long means a dead connection: five slots of the slowest public chain. */
const STREAM_TIMEOUT_MS: Millis = 60_000;
const CONNECTIONS_PER_UPSTREAM = 128;
/** Statuses by which a node, or a proxy before it, says that it cannot answer now. */
const UNAVAILABLE = new Set([429, 502, 503, 504]);

export class UpstreamClient {
  readonly #upstreams: BeaconUpstreams;
  readonly #agent = new Agent({
    connections: CONNECTIONS_PER_UPSTREAM,
    headersTimeout: HEADERS_TIMEOUT_MS,
  });

  constructor(upstreams: BeaconUpstreams) {
    this.#upstreams = upstreams;
  }

  close(): Promise<void> {
    return this.#agent.destroy();
  }

  /**
   * The whole answer, whatever its status, of the best beacon node or of the next one where that
   * is silent (BN-3); throws `FaultError` when there is none in time.
   */
  async ask(
    request: UpstreamRequest,
    signal: AbortSignal,
    timeoutMs: Millis = BEACON_REQUEST_TIMEOUT_MS,
  ): Promise<UpstreamAnswer> {
    const timeout = AbortSignal.timeout(timeoutMs);
    const limited = AbortSignal.any([signal, timeout]);
    try {
      const hedgeAfterMs = Math.min(HEDGE_AFTER_MS, timeoutMs / 4);
      return await this.#upstreams.race(
        (upstream, signal) => this.#exchange(upstream, request, signal),
        { hedgeAfterMs, signal: limited },
      );
    } catch (error) {
      if (signal.aborted || error !== timeout.reason) throw error;
      throw new FaultError("beacon_unreachable", "no answer in time", { cause: error });
    }
  }

  /** Passes the answer on as it comes, at the client's speed. */
  async forward(
    request: UpstreamRequest,
    response: ServerResponse,
    signal: AbortSignal,
  ): Promise<void> {
    const { statusCode, headers, body } = await this.#open(request, signal);
    response.writeHead(statusCode, endToEnd(headers));
    try {
      await pipeline(body, response);
    } catch (error) {
      // Either side hung up: the other one's connection was destroyed with it.
      if (!(error instanceof Error && "code" in error)) throw error;
    }
  }

  /** A body that may be silent for a while, to be read or destroyed. */
  openStream(request: UpstreamRequest, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    return this.#open(request, signal, STREAM_TIMEOUT_MS);
  }

  async #exchange(
    upstream: BeaconUpstream,
    request: UpstreamRequest,
    signal: AbortSignal,
  ): Promise<UpstreamAnswer> {
    const { statusCode, headers, body } = await this.#openAt(upstream, request, { signal });
    const bytes = await guarded(signal, () => readLimited(body));
    const type = headers["content-type"];
    return { status: statusCode, contentType: typeof type === "string" ? type : "", bytes };
  }

  #open(
    request: UpstreamRequest,
    signal: AbortSignal,
    bodyTimeout?: Millis,
  ): Promise<Dispatcher.ResponseData> {
    return this.#upstreams.attempt(
      (upstream) => this.#openAt(upstream, request, { signal, bodyTimeout }),
      signal,
    );
  }

  async #openAt(
    upstream: BeaconUpstream,
    request: UpstreamRequest,
    { signal, bodyTimeout = BODY_TIMEOUT_MS }: OpenOptions,
  ): Promise<Dispatcher.ResponseData> {
    const answer = await guarded(signal, () =>
      this.#agent.request({ ...upstreamOptions(upstream, request), bodyTimeout, signal }),
    );
    if (!UNAVAILABLE.has(answer.statusCode)) return answer;
    discard(answer.body);
    const { label } = upstream;
    throw new FaultError("beacon_syncing", `${label}: HTTP ${answer.statusCode}`);
  }
}

function upstreamOptions(
  upstream: BeaconUpstream,
  { method, url, headers, body }: UpstreamRequest,
): Dispatcher.RequestOptions {
  return {
    origin: upstream.origin,
    path: `${upstream.basePath}${url}`,
    method: method as Dispatcher.HttpMethod,
    headers: { ...requestHeaders(headers), ...upstream.headers },
    body,
  };
}

/** RFC 9110, §7.6.1: they are about one connection and end with it. */
const HOP_BY_HOP = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
/**
 * Ours to say, or nobody's: the client's token is for this node, the body is written anew, and no
 * header may turn a read into a write.
 */
const NOT_PASSED_ON = new Set([
  "host",
  "authorization",
  "content-length",
  "expect",
  "x-http-method-override",
  "x-http-method",
  "x-method-override",
]);

function requestHeaders(headers: IncomingHttpHeaders): Record<string, string | string[]> {
  const passed = Object.entries(endToEnd(headers)).filter(([name]) => !NOT_PASSED_ON.has(name));
  return Object.fromEntries(passed);
}

function endToEnd(headers: IncomingHttpHeaders): Record<string, string | string[]> {
  const named = new Set((headers.connection ?? "").toLowerCase().split(/\s*,\s*/));
  const passed: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && !HOP_BY_HOP.has(name) && !named.has(name)) passed[name] = value;
  }
  return passed;
}

/** Turns what the HTTP client throws into our taxonomy; anything else is a bug and passes. */
async function guarded<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (error instanceof errors.InvalidArgumentError) throw error;
    if (!(error instanceof Error && "code" in error)) throw error;
    throw new FaultError("beacon_unreachable", String(error.code), { cause: error });
  }
}

/** Ends a connection whose answer is not read; that is no error, though the stream says so. */
export function discard(body: Dispatcher.ResponseData["body"]): void {
  body.on("error", () => undefined).destroy();
}

/** Throws `FaultError` for more than the limit; the rest is not read. */
async function readLimited(body: AsyncIterable<Buffer>): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > MAX_BEACON_RESPONSE_BYTES) {
      throw new FaultError("beacon_bad_response", `more than ${MAX_BEACON_RESPONSE_BYTES} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
