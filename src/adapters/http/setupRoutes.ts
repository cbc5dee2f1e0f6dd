/** What a client asks when it starts, or says by the way; nothing here waits for a duty. */
import { FaultError } from "../../domain/errors.ts";
import type { Millis } from "../../domain/units.ts";
import {
  chooseFormat,
  EMPTY_REPLY,
  HttpProblem,
  jsonReply,
  type Reply,
  readBody,
  type VcRequest,
} from "./exchange.ts";
import { MEDIA_TYPES } from "./negotiation.ts";
import type { RouteParts } from "./routeParts.ts";

/** A client that asks for the state of its beacon node does so every slot, and does not wait. */
const SYNC_TIMEOUT_MS: Millis = 2_000;

export function getReady({ url, signal }: VcRequest, { ready }: RouteParts): Promise<Reply> {
  return ready.answer(url.split("?")[0] ?? url, signal);
}

export function getVersion(request: VcRequest, { version }: RouteParts): Reply {
  chooseFormat(request, ["json"]);
  return jsonReply({ data: { version } });
}

/** Without a beacon node the answer is "syncing": a client then waits, and asks again. */
export async function getSyncing(request: VcRequest, { upstream }: RouteParts): Promise<Reply> {
  chooseFormat(request, ["json"]);
  const headers = { accept: MEDIA_TYPES.json };
  const asked = { method: "GET", url: "/eth/v1/node/syncing", headers, body: null };
  try {
    const { status, contentType, bytes } = await upstream.ask(
      asked,
      request.signal,
      SYNC_TIMEOUT_MS,
    );
    return { status, headers: { "content-type": contentType }, body: bytes };
  } catch (error) {
    if (!(error instanceof FaultError)) throw error;
    return jsonReply({ data: NO_BEACON_NODE });
  }
}

/**
 * API-8: whom a block pays stands in the cluster lock, and the node tells its beacon nodes itself;
 * a client's own preparation is read and changes nothing.
 */
export async function prepareProposers(request: VcRequest): Promise<Reply> {
  return acceptList(request, ["json"]);
}

/**
 * API-8: a client signs a registration that names its public share for the validator, which no
 * block builder knows, so the signatures are of no use and go no further.
 */
export async function registerValidators(request: VcRequest, parts: RouteParts): Promise<Reply> {
  const reply = await acceptList(request, ["json", "ssz"]);
  parts.logger.debug("A validator client's builder registrations were read and not passed on.");
  return reply;
}

async function acceptList(
  request: VcRequest,
  accepted: readonly (keyof typeof MEDIA_TYPES)[],
): Promise<Reply> {
  const body = await readBody(request, accepted);
  if (body.format === "json" && !Array.isArray(body.json)) {
    throw new HttpProblem(400, "the body must be a list");
  }
  return EMPTY_REPLY;
}

const NO_BEACON_NODE = {
  head_slot: "0",
  sync_distance: "0",
  is_syncing: true,
  is_optimistic: true,
  el_offline: true,
};
