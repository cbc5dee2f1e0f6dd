/**
 * Validators and duties with their keys renamed (API-1): the client asks by public share, and the
 * beacon node answers by group key. Everything else of an answer stays as the beacon node wrote it.
 */
import { MAX_JSON_DEPTH } from "../../domain/limits.ts";
import type { Denial } from "../../ports/validatorApi.ts";
import { parseQuotedJson } from "../../util/json.ts";
import {
  chooseFormat,
  denialReply,
  HttpProblem,
  jsonReply,
  parseNumber,
  type Reply,
  readBody,
  type VcRequest,
} from "./exchange.ts";
import { MEDIA_TYPES } from "./negotiation.ts";
import type { RouteParts } from "./routeParts.ts";

type Query = { readonly ids: readonly string[]; readonly statuses: readonly string[] };
type Asked = {
  readonly method: "GET" | "POST";
  readonly url: string;
  readonly body: unknown;
  /** Group keys that the client asked for by that name: they keep it. */
  readonly groupKeys: readonly string[];
};

/** Validators by identifier; null, to stream the answer, where the client names none. */
export async function listValidators(request: VcRequest, parts: RouteParts): Promise<Reply | null> {
  const isPost = request.method === "POST";
  chooseFormat(request, ["json"]);
  const asked = isPost ? await queryOfBody(request) : queryOf(request.query);
  // A whole validator set is larger than what is renamed here, and clients do not ask for it.
  if (asked.ids.length === 0 && !isPost) return null;
  const foreign = asked.ids.flatMap((id) => parts.names.foreignShare(id) ?? []);
  const [first] = foreign;
  if (first !== undefined) {
    reportForeign(parts, first);
    // Its other keys do not wait for the mistake with this one.
    if (foreign.length === asked.ids.length) return denialReply(first);
  }
  const ids = asked.ids.map((id) => parts.names.toChain(id));
  const url = `${stateOf(request)}/validators`;
  const statuses = asked.statuses.length > 0 ? { statuses: asked.statuses } : {};
  const search = new URLSearchParams({ id: ids.join(",") });
  if (asked.statuses.length > 0) search.set("status", asked.statuses.join(","));
  return askRenamed(request, parts, {
    method: isPost ? "POST" : "GET",
    url: isPost ? url : `${url}?${search}`,
    body: isPost ? { ids, ...statuses } : null,
    groupKeys: asked.ids.filter((id) => parts.names.isGroupKey(id)),
  });
}

export function getValidator(request: VcRequest, parts: RouteParts): Promise<Reply> | Reply {
  chooseFormat(request, ["json"]);
  const id = request.params["id"] ?? "";
  const foreign = parts.names.foreignShare(id);
  if (foreign !== null) {
    reportForeign(parts, foreign);
    return denialReply(foreign);
  }
  const chainId = encodeURIComponent(parts.names.toChain(id));
  return askRenamed(request, parts, {
    method: "GET",
    url: `${stateOf(request)}/validators/${chainId}`,
    body: null,
    groupKeys: parts.names.isGroupKey(id) ? [id] : [],
  });
}

/** Attester, sync committee and payload timeliness duties, asked for by index. */
export async function listDutiesOf(request: VcRequest, parts: RouteParts): Promise<Reply> {
  chooseFormat(request, ["json"]);
  const epoch = parseNumber("epoch", request.params["epoch"] ?? null);
  const body = await readBody(request, ["json"]);
  const indices = body.format === "json" ? body.json : null;
  if (!isTexts(indices)) throw new HttpProblem(400, "the body must be a list of indices as texts");
  const url = `/eth/v1/validator/duties/${request.params["duty"]}/${epoch}`;
  return askRenamed(request, parts, { method: "POST", url, body: indices, groupKeys: [] });
}

export function listProposers(request: VcRequest, parts: RouteParts): Promise<Reply> {
  chooseFormat(request, ["json"]);
  const epoch = parseNumber("epoch", request.params["epoch"] ?? null);
  const url = `/eth/${request.params["version"]}/validator/duties/proposer/${epoch}`;
  return askRenamed(request, parts, { method: "GET", url, body: null, groupKeys: [] });
}

async function askRenamed(
  { signal }: VcRequest,
  { upstream, names }: RouteParts,
  asked: Asked,
): Promise<Reply> {
  const { status, contentType, bytes } = await upstream.ask(
    {
      method: asked.method,
      url: asked.url,
      headers: { accept: MEDIA_TYPES.json, "content-type": MEDIA_TYPES.json },
      body: asked.body === null ? null : Buffer.from(JSON.stringify(asked.body)),
    },
    signal,
  );
  if (status !== 200) return { status, headers: { "content-type": contentType }, body: bytes };
  const kept = new Set(asked.groupKeys.map((key) => key.toLowerCase()));
  const rename = (key: string): string => (kept.has(key) ? key : names.toClient(key));
  return jsonReply(renameKeys(parseAnswer(bytes), rename));
}

/** Numbers are quoted in the Beacon API, so that nothing is rounded on the way through here. */
export function parseAnswer(bytes: Uint8Array): unknown {
  const parsed = parseQuotedJson(Buffer.from(bytes).toString("utf8"), MAX_JSON_DEPTH);
  if (parsed.ok) return parsed.value;
  throw new HttpProblem(503, `the beacon node sent no JSON: ${parsed.error}`);
}

/** Changes each member `pubkey` of an answer, however deep it lies. */
function renameKeys(json: unknown, rename: (key: string) => string): unknown {
  if (Array.isArray(json)) return json.map((item) => renameKeys(item, rename));
  if (typeof json !== "object" || json === null) return json;
  return Object.fromEntries(
    Object.entries(json).map(([name, value]) => {
      if (name === "pubkey" && typeof value === "string") return [name, rename(value)];
      return [name, renameKeys(value, rename)];
    }),
  );
}

function stateOf({ params }: VcRequest): string {
  return `/eth/v1/beacon/states/${encodeURIComponent(params["state"] ?? "")}`;
}

async function queryOfBody(request: VcRequest): Promise<Query> {
  const body = await readBody(request, ["json"]);
  const query = body.format === "json" && body.json !== null ? body.json : {};
  const ids = Reflect.get(Object(query), "ids") ?? [];
  const statuses = Reflect.get(Object(query), "statuses") ?? [];
  if (isTexts(ids) && isTexts(statuses)) return { ids, statuses };
  throw new HttpProblem(400, "ids and statuses must be lists of texts");
}

/** Lists come as `id=1&id=2` and as `id=1,2`. */
function queryOf(query: URLSearchParams): Query {
  const listOf = (name: string): readonly string[] =>
    query.getAll(name).flatMap((text) => text.split(",").filter((item) => item !== ""));
  return { ids: listOf("id"), statuses: listOf("status") };
}

function isTexts(json: unknown): json is readonly string[] {
  return Array.isArray(json) && json.every((item) => typeof item === "string");
}

function reportForeign({ logger }: RouteParts, { detail }: Denial): void {
  logger.error("A validator client holds another operator's key share.", { detail });
}
