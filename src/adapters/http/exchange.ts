/** One request of a validator client and its answer, apart from the server that carries them. */
import type { IncomingHttpHeaders } from "node:http";
import { httpStatusOf, messageOf } from "../../domain/errors.ts";
import { MAX_JSON_DEPTH } from "../../domain/limits.ts";
import { FORK_NAMES, type ForkName } from "../../eth2/forkNames.ts";
import type { Denial } from "../../ports/validatorApi.ts";
import { parseQuotedJson } from "../../util/json.ts";
import { MEDIA_TYPES, requestFormat, responseFormat, type WireFormat } from "./negotiation.ts";

export type VcRequest = {
  readonly method: string;
  /** Path and query as they came. */
  readonly url: string;
  /** Parts of the path that the route names. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** Throws {@link HttpProblem} when it is too large. */
  readonly body: () => Promise<Uint8Array>;
  /** Aborts when the client hangs up or the server closes. */
  readonly signal: AbortSignal;
};

export type Reply = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
};

export type Body =
  | { readonly format: "json"; readonly json: unknown }
  | { readonly format: "ssz"; readonly bytes: Uint8Array };

/** An answer other than success, by the Beacon API's shape of errors. */
export class HttpProblem extends Error {
  override readonly name = "HttpProblem";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export const EMPTY_REPLY: Reply = { status: 200, headers: {}, body: "" };

export function jsonReply(
  json: unknown,
  { status = 200, headers = {} }: Partial<Pick<Reply, "status" | "headers">> = {},
): Reply {
  return {
    status,
    headers: { ...headers, "content-type": MEDIA_TYPES.json },
    body: JSON.stringify(json),
  };
}

export function sszReply(bytes: Uint8Array, headers: Reply["headers"] = {}): Reply {
  return { status: 200, headers: { ...headers, "content-type": MEDIA_TYPES.ssz }, body: bytes };
}

export function problemReply(status: number, message: string): Reply {
  return jsonReply({ code: status, message }, { status });
}

export function denialReply(denial: Denial): Reply {
  return problemReply(httpStatusOf(denial.code), describeDenial(denial));
}

/**
 * API-4: each item of a submission is answered by its index. The status is that of the failures
 * where all items failed alike, else 400.
 */
export function batchReply(verdicts: readonly (Denial | null)[]): Reply {
  const failures = verdicts.flatMap((denial, index) =>
    denial === null ? [] : [{ index, message: describeDenial(denial) }],
  );
  if (failures.length === 0) return EMPTY_REPLY;
  const statuses = new Set(verdicts.map((denial) => denial && httpStatusOf(denial.code)));
  const [first] = statuses;
  const code = statuses.size === 1 && first ? first : 400;
  const message = `${failures.length} of ${verdicts.length} items were not taken`;
  return jsonReply({ code, message, failures }, { status: code });
}

/** Throws {@link HttpProblem} 406 when the client accepts none of `offered`. */
export function chooseFormat(
  { headers }: VcRequest,
  offered: readonly WireFormat[] = ["json", "ssz"],
): WireFormat {
  const format = responseFormat(headers.accept, offered);
  if (format !== null) return format;
  const types = offered.map((each) => MEDIA_TYPES[each]).join(" or ");
  throw new HttpProblem(406, `the answer comes as ${types}`);
}

/** Throws {@link HttpProblem} 415 for another encoding and 400 for what is no JSON. */
export async function readBody(
  request: VcRequest,
  accepted: readonly WireFormat[] = ["json", "ssz"],
): Promise<Body> {
  const { headers } = request;
  const format = requestFormat(headers["content-type"]);
  if (format === null || !accepted.includes(format)) {
    const types = accepted.map((each) => MEDIA_TYPES[each]).join(" or ");
    throw new HttpProblem(415, `the body must be ${types}`);
  }
  const bytes = await request.body();
  if (format === "ssz") return { format, bytes };
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8");
  const parsed = parseQuotedJson(text, MAX_JSON_DEPTH);
  if (!parsed.ok) throw new HttpProblem(400, `the body is no JSON: ${parsed.error}`);
  return { format, json: parsed.value };
}

/** Throws {@link HttpProblem} 400 for anything but a decimal number below 2^53. */
export function parseNumber(name: string, text: string | null): number {
  const number = /^\d{1,16}$/.test(text ?? "") ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(number)) return number;
  throw new HttpProblem(400, `${name} must be a decimal number`);
}

/** The fork whose containers the body holds; throws {@link HttpProblem} 400 for none we know. */
export function parseFork({ headers }: VcRequest): ForkName {
  const header = String(headers["eth-consensus-version"]).toLowerCase();
  const fork = FORK_NAMES.find((name) => name === header);
  if (fork !== undefined) return fork;
  throw new HttpProblem(400, `Eth-Consensus-Version must be one of ${FORK_NAMES.join(", ")}`);
}

function describeDenial({ code, detail }: Denial): string {
  return `${code}: ${messageOf(code)}: ${detail}`;
}
