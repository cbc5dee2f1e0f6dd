/** The few calls that the scripted validator client makes, in JSON or SSZ as real clients do. */
import { setTimeout as sleep } from "node:timers/promises";

export type WireFormat = "json" | "ssz";

export interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array;
}

export interface ApiRequest {
  readonly method?: "GET" | "POST";
  readonly headers?: Readonly<Record<string, string>>;
  /** Bytes go as SSZ, anything else as JSON. */
  readonly body?: unknown;
  /** The client hangs up after this long. */
  readonly timeoutMs?: number;
}

const DEFAULT_TIMEOUT_MS = 10_000;
const SSZ = "application/octet-stream";
const JSON_TYPE = "application/json";

export class BeaconApi {
  readonly #url: string;
  readonly #format: WireFormat;
  readonly #token: string | null;

  constructor(options: { url: string; format: WireFormat; token: string | null }) {
    this.#url = options.url;
    this.#format = options.format;
    this.#token = options.token;
  }

  /** Throws on a broken connection and on a timeout; any status is an answer. */
  async call(path: string, request: ApiRequest, signal: AbortSignal): Promise<ApiAnswer> {
    const { body, timeoutMs = DEFAULT_TIMEOUT_MS } = request;
    const isBytes = body instanceof Uint8Array;
    const accept = this.#format === "ssz" ? `${SSZ};q=1,${JSON_TYPE};q=0.9` : JSON_TYPE;
    const response = await fetch(`${this.#url}${path}`, {
      method: request.method ?? (body === undefined ? "GET" : "POST"),
      headers: {
        accept,
        ...(this.#token !== null && { authorization: `Bearer ${this.#token}` }),
        ...(body !== undefined && { "content-type": isBytes ? SSZ : JSON_TYPE }),
        ...request.headers,
      },
      ...(body !== undefined && { body: isBytes ? Buffer.from(body) : JSON.stringify(body) }),
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    const bytes = new Uint8Array(await response.arrayBuffer());
    return { status: response.status, headers: response.headers, bytes };
  }

  /** Asks again until the answer is 200, as a client that starts does. */
  async awaitJson(path: string, request: ApiRequest, signal: AbortSignal): Promise<unknown> {
    for (;;) {
      try {
        const answer = await this.call(path, request, signal);
        if (answer.status === 200) return jsonOf(answer);
      } catch (error) {
        if (signal.aborted) throw error;
      }
      await sleep(100, undefined, { signal });
    }
  }

  /** `data:` lines of the topic's events, until the stream ends or the signal aborts. */
  async *events(topic: string, signal: AbortSignal): AsyncGenerator<unknown> {
    const response = await fetch(`${this.#url}/eth/v1/events?topics=${topic}`, {
      headers: {
        accept: "text/event-stream",
        ...(this.#token !== null && { authorization: `Bearer ${this.#token}` }),
      },
      signal,
    });
    if (response.status !== 200 || response.body === null) return;
    let rest = "";
    const decoder = new TextDecoder();
    for await (const chunk of response.body) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) if (line.startsWith("data:")) yield JSON.parse(line.slice(5));
    }
  }
}

/** The member `data` of an answer in JSON. */
export function dataOf(answer: ApiAnswer): unknown {
  return memberOf(jsonOf(answer), "data");
}

export function memberOf(json: unknown, name: string): unknown {
  return Reflect.get(Object(json), name);
}

function jsonOf({ bytes }: ApiAnswer): unknown {
  return JSON.parse(Buffer.from(bytes).toString("utf8"));
}

export function isSsz({ headers }: ApiAnswer): boolean {
  return headers.get("content-type")?.startsWith(SSZ) ?? false;
}
