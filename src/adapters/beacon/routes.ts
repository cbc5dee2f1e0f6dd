/**
 * The Beacon API routes that the node calls, a row each: URL, request and response codec come from
 * the route definitions of @lodestar/api, so that none of them is written by hand (BN-1).
 */
import { routes } from "@lodestar/api/beacon";
import { config } from "@lodestar/config/default";
import { BEACON_REQUEST_TIMEOUT_MS } from "../../domain/limits.ts";
import type { Millis } from "../../domain/units.ts";

const beacon = routes.beacon.getDefinitions(config);
const node = routes.node.getDefinitions(config);
const validator = routes.validator.getDefinitions(config);

export const ROUTES = {
  genesis: beacon.getGenesis,
  spec: routes.config.getDefinitions(config).getSpec,
  syncing: node.getSyncingStatus,
  validators: beacon.postStateValidators,
  attesterDuties: validator.getAttesterDuties,
  attestationData: validator.produceAttestationData,
  header: beacon.getBlockHeader,
  submitAttestations: beacon.submitPoolAttestationsV2,
  proposerDuties: validator.getProposerDuties,
  produceBlock: validator.produceBlockV3,
  publishBlock: beacon.publishBlockV2,
  publishBlindedBlock: beacon.publishBlindedBlockV2,
  prepareProposers: validator.prepareBeaconProposer,
  blockAttestations: beacon.getBlockAttestationsV2,
  poolAttestations: beacon.getPoolAttestationsV2,
  committees: beacon.getEpochCommittees,
  liveness: validator.getLiveness,
} as const;
export type RouteName = keyof typeof ROUTES;

const events = routes.events.getTypeByEvent(config);
const { EventType } = routes.events;

/** `GET /eth/v1/events` with one topic, and codecs of those that need one. */
export const eventsPath = (topic: string): string => `/eth/v1/events?topics=${topic}`;
export const HEAD_AND_BLOCK = {
  head: events[EventType.head],
  block: events[EventType.block],
} as const;

type Parts = {
  readonly params?: Readonly<Record<string, string | number>> | undefined;
  readonly query?: Readonly<Record<string, unknown>> | undefined;
  readonly body?: unknown;
};
type Definition<Args, Meta, Data> = {
  readonly url: string;
  readonly method: string;
  readonly req: { writeReq(args: Args): Parts } | { writeReqJson(args: Args): Parts };
  readonly resp: {
    readonly meta: { fromJson(json: unknown): Meta };
    readonly data: { fromJson(json: unknown, meta: Meta): Data };
  };
};

export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

/** One HTTP exchange; decoding throws plain errors on an answer that does not fit the route. */
export type JsonCall<T> = {
  readonly route: RouteName;
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Text is JSON, bytes are SSZ. */
  readonly body: string | Uint8Array | null;
  readonly timeoutMs: Millis;
  readonly decode: (json: unknown) => T;
};
export type Call<T> = JsonCall<T> & {
  /** Where it is given, SSZ is preferred. */
  readonly decodeSsz?: (bytes: Uint8Array, headers: Headers) => T;
};

export function callOf<Args, Meta, Data>(
  route: RouteName,
  definition: Definition<Args, Meta, Data>,
  args: Args,
): JsonCall<{ readonly data: Data; readonly meta: Meta }> {
  const { resp } = definition;
  return {
    ...requestOf(route, definition, args),
    decode: (json) => {
      const meta = resp.meta.fromJson(json);
      return { data: resp.data.fromJson(memberOf(json, "data"), meta), meta };
    },
  };
}

/** The request alone, for a route whose answer is decoded elsewhere. */
export function requestOf<Args>(
  route: RouteName,
  definition: Pick<Definition<Args, unknown, unknown>, "url" | "method" | "req">,
  args: Args,
): Omit<JsonCall<unknown>, "decode"> {
  const { req } = definition;
  const parts = "writeReq" in req ? req.writeReq(args) : req.writeReqJson(args);
  return {
    route,
    method: definition.method === "GET" ? "GET" : "POST",
    path: pathOf(definition.url, parts),
    headers: {},
    body: parts.body === undefined ? null : JSON.stringify(parts.body),
    timeoutMs: BEACON_REQUEST_TIMEOUT_MS,
  };
}

function pathOf(url: string, { params, query }: Parts): string {
  const path = url.replace(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(String(params?.[name])),
  );
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined) search.append(name, String(value));
  }
  return search.size === 0 ? path : `${path}?${search}`;
}

function memberOf(json: unknown, key: string): unknown {
  return typeof json === "object" && json !== null ? Reflect.get(json, key) : undefined;
}
