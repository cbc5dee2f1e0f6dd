/** Every route that the node answers itself; the write policy decides about all others. */
import { getAttestationData, submitAttestations } from "./attestationRoutes.ts";
import { getProposal, submitBlock } from "./blockRoutes.ts";
import type { Reply, VcRequest } from "./exchange.ts";
import { getValidator, listDutiesOf, listProposers, listValidators } from "./keyRoutes.ts";
import { listLiveness } from "./livenessRoute.ts";
import { READY_PATHS } from "./readyAnswers.ts";
import type { RouteParts } from "./routeParts.ts";
import {
  getReady,
  getSyncing,
  getVersion,
  prepareProposers,
  registerValidators,
} from "./setupRoutes.ts";

/** Null: the request is passed on to the beacon node after all. */
type Handler = (request: VcRequest, parts: RouteParts) => Promise<Reply | null> | Reply;

export type Route = {
  readonly method: "GET" | "POST";
  /** For metrics: the path without its parameters' values. */
  readonly name: string;
  readonly pattern: RegExp;
  readonly handle: Handler;
};

const ROUTES: readonly Route[] = [
  ...READY_PATHS.map((path) => route("GET", path, getReady)),
  route("GET", "/eth/v1/node/version", getVersion),
  route("GET", "/eth/v1/node/syncing", getSyncing),
  route("GET", "/eth/v1/beacon/states/{state}/validators", listValidators),
  route("POST", "/eth/v1/beacon/states/{state}/validators", listValidators),
  route("GET", "/eth/v1/beacon/states/{state}/validators/{id}", getValidator),
  route("POST", "/eth/v1/validator/duties/{duty:attester|sync|ptc}/{epoch}", listDutiesOf),
  route("GET", "/eth/{version:v1|v2}/validator/duties/proposer/{epoch}", listProposers),
  route("GET", "/eth/v1/validator/attestation_data", getAttestationData),
  route("POST", "/eth/{version:v1|v2}/beacon/pool/attestations", submitAttestations),
  route("GET", "/eth/v3/validator/blocks/{slot}", getProposal),
  route("POST", "/eth/v2/beacon/{form:blocks|blinded_blocks}", submitBlock),
  route("POST", "/eth/v1/validator/liveness/{epoch}", listLiveness),
  route("POST", "/eth/v1/validator/prepare_beacon_proposer", prepareProposers),
  route("POST", "/eth/v1/validator/register_validator", registerValidators),
];

/** The route with the values of its path's parameters; null for none. */
export function findRoute(
  method: string,
  path: string,
): { readonly route: Route; readonly params: Readonly<Record<string, string>> } | null {
  for (const route of ROUTES) {
    if (route.method !== method) continue;
    const match = route.pattern.exec(path);
    if (match !== null) return { route, params: match.groups ?? {} };
  }
  return null;
}

/** `{name}` stands for one part of the path, `{name:a|b}` for one of the values given. */
function route(method: Route["method"], name: string, handle: Handler): Route {
  const source = name.replace(
    /\{(\w+)(?::([^}]+))?\}/g,
    (_, parameter: string, values = "[^/]+") => `(?<${parameter}>${values})`,
  );
  return { method, name, pattern: new RegExp(`^${source}$`), handle };
}
