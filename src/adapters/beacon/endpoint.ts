/** One beacon node over HTTP: requests with limits on time and size (BN-5), faults by name. */
import { type Agent, errors } from "undici";
import { FaultError, UsageError } from "../../domain/errors.ts";
import { MAX_BEACON_RESPONSE_BYTES } from "../../domain/limits.ts";
import type { Millis } from "../../domain/units.ts";
import type { BeaconUpstream } from "../../ports/beaconUpstream.ts";
import type { Call, Headers } from "./routes.ts";

/** A lasting status below 500 that is no success: the node answered, and said no. */
export type Rejected = {
  readonly status: number;
  readonly message: string;
  readonly json: unknown;
};
export type Answer<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly rejected: Rejected };

type Response = {
  readonly statusCode: number;
  readonly headers: Headers;
  readonly bytes: Buffer;
};

const JSON_TYPE = "application/json";
const SSZ_TYPE = "application/octet-stream";
/** By these a node, or a proxy before it, asks to be asked again. */
const PASSING: ReadonlySet<number> = new Set([408, 425, 429]);
/** Longest text of a node's own error message that enters ours. */
const MAX_MESSAGE_LENGTH = 200;

export class Endpoint {
  /** Host and port: what logs and metrics may show (BN-8). */
  readonly label: string;
  readonly #origin: string;
  readonly #basePath: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #agent: Agent;

  constructor(url: URL, agent: Agent) {
    this.label = url.host;
    this.#origin = url.origin;
    this.#basePath = url.pathname.replace(/\/+$/, "");
    this.#headers = authorization(url);
    this.#agent = agent;
  }

  /** For what is passed on to the node as it came. */
  get upstream(): BeaconUpstream {
    return {
      label: this.label,
      origin: this.#origin,
      basePath: this.#basePath,
      headers: this.#headers,
    };
  }

  /** Throws `FaultError` unless the node answered with a status below 500, or `signal.reason`. */
  async ask<T>(call: Call<T>, signal: AbortSignal): Promise<Answer<T>> {
    const limited = AbortSignal.any([signal, AbortSignal.timeout(call.timeoutMs)]);
    const { statusCode, headers, bytes } = await this.#guard(limited, async () => {
      const { statusCode, headers, body } = await this.#agent.request({
        origin: this.#origin,
        path: `${this.#basePath}${call.path}`,
        method: call.method,
        headers: {
          ...this.#headers,
          ...call.headers,
          accept: call.decodeSsz === undefined ? JSON_TYPE : `${SSZ_TYPE};q=1,${JSON_TYPE};q=0.9`,
          ...(call.body !== null && {
            "content-type": typeof call.body === "string" ? JSON_TYPE : SSZ_TYPE,
          }),
        },
        body: call.body,
        signal: limited,
      });
      return { statusCode, headers, bytes: await readLimited(body) };
    });
    if (bytes === null) {
      throw this.#fault("beacon_bad_response", `more than ${MAX_BEACON_RESPONSE_BYTES} bytes`);
    }
    return this.#answer(call, { statusCode, headers, bytes });
  }

  /**
   * The body of a never-ending response, in chunks of text; silence of `idleMs` is a fault. Throws
   * as {@link ask} does.
   */
  async *stream(path: string, idleMs: Millis, signal: AbortSignal): AsyncGenerator<string> {
    const { statusCode, body } = await this.#guard(signal, () =>
      this.#agent.request({
        origin: this.#origin,
        path: `${this.#basePath}${path}`,
        method: "GET",
        headers: { ...this.#headers, accept: "text/event-stream" },
        headersTimeout: idleMs,
        bodyTimeout: idleMs,
        signal,
      }),
    );
    if (statusCode !== 200) {
      // An unread body that is destroyed says so as an error, which nobody else listens to.
      body.on("error", () => undefined).destroy();
      throw this.#fault("beacon_bad_response", `HTTP ${statusCode} for the event stream`);
    }
    const chunks = body[Symbol.asyncIterator]();
    const decoder = new TextDecoder();
    try {
      for (;;) {
        const { done, value } = await this.#guard(signal, () => chunks.next());
        if (done) return;
        yield decoder.decode(value, { stream: true });
      }
    } finally {
      // An unread body that is destroyed says so as an error, which nobody else listens to.
      body.on("error", () => undefined).destroy();
    }
  }

  #answer<T>(call: Call<T>, { statusCode: status, headers, bytes }: Response): Answer<T> {
    const isSsz = String(headers["content-type"]).startsWith(SSZ_TYPE);
    const json = isSsz ? undefined : parseJson(bytes.toString("utf8"));
    if (status === 503) throw this.#fault("beacon_syncing", messageOf(json));
    if (status >= 400 && status < 500 && !PASSING.has(status)) {
      return { ok: false, rejected: { status, message: messageOf(json), json } };
    }
    if (status < 200 || status >= 300) {
      throw this.#fault("beacon_bad_response", `${call.route}: HTTP ${status} ${messageOf(json)}`);
    }
    try {
      const { decode, decodeSsz } = call;
      const value = isSsz && decodeSsz ? decodeSsz(viewOf(bytes), headers) : decode(json);
      return { ok: true, value };
    } catch (cause) {
      // The codecs report what does not fit by throwing plain errors.
      const detail = cause instanceof Error ? cause.message.slice(0, MAX_MESSAGE_LENGTH) : "";
      throw this.#fault("beacon_bad_response", `${call.route}: ${detail}`, cause);
    }
  }

  /** Turns what the HTTP client throws into our taxonomy; anything else is a bug and passes. */
  async #guard<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const { aborted, reason } = signal;
      if (aborted && reason instanceof DOMException && reason.name === "TimeoutError") {
        throw this.#fault("beacon_unreachable", "no answer in time", error);
      }
      if (aborted) throw reason;
      if (error instanceof errors.InvalidArgumentError) throw error;
      if (error instanceof Error && "code" in error) {
        throw this.#fault("beacon_unreachable", String(error.code), error);
      }
      throw error;
    }
  }

  #fault(
    code: "beacon_unreachable" | "beacon_syncing" | "beacon_bad_response",
    detail: string,
    cause?: unknown,
  ): FaultError {
    return new FaultError(code, `${this.label}: ${detail}`, { cause });
  }
}

/**
 * Throws `UsageError` naming the entry by its position: its text may hold credentials (BN-8).
 */
export function parseEndpointUrl(text: string, position: number): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isHttp = url?.protocol === "http:" || url?.protocol === "https:";
  if (url !== null && isHttp && url.search === "" && url.hash === "") {
    if (decoded(url.username) !== null && decoded(url.password) !== null) return url;
    throw new UsageError(
      `--beacon-node-endpoints: the credentials of entry ${position + 1} are not percent-encoded`,
      { fix: "write % as %25, and / : @ as %2F %3A %40" },
    );
  }
  throw new UsageError(
    `--beacon-node-endpoints: entry ${position + 1} is not an http(s) URL without query, ` +
      "e.g. http://127.0.0.1:5052",
  );
}

function authorization(url: URL): Readonly<Record<string, string>> {
  if (url.username === "" && url.password === "") return {};
  const credentials = `${decoded(url.username)}:${decoded(url.password)}`;
  return { authorization: `Basic ${Buffer.from(credentials).toString("base64")}` };
}

/** Null for what is not percent-encoded. */
function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return null;
    throw error;
  }
}

/** Null when the body is larger than the limit; the rest of it is not read. */
async function readLimited(body: AsyncIterable<Buffer>): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > MAX_BEACON_RESPONSE_BYTES) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The same memory as plain bytes, of which a slice is a copy. */
function viewOf({ buffer, byteOffset, length }: Buffer): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length);
}

/** Undefined when the text is no JSON; the codecs then say what they miss. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError) return undefined;
    throw error;
  }
}

function messageOf(json: unknown): string {
  const message = typeof json === "object" && json !== null ? Reflect.get(json, "message") : null;
  return typeof message === "string" ? message.slice(0, MAX_MESSAGE_LENGTH) : "";
}
