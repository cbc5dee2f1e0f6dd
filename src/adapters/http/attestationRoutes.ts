/** Attestation data as the cluster decided it, and the attestations that a client's shares sign. */
import type { RejectionReason } from "../../domain/errors.ts";
import { MAX_VALIDATORS } from "../../domain/limits.ts";
import { attestationDataJson, encodeAttestationData } from "../../eth2/attestationData.ts";
import { FORK_NAMES, type ForkName } from "../../eth2/forkNames.ts";
import { FORKS } from "../../eth2/forks.ts";
import type { SubmittedAttestation } from "../../eth2/types.ts";
import type { Denial } from "../../ports/validatorApi.ts";
import type { Result } from "../../util/result.ts";
import {
  batchReply,
  chooseFormat,
  denialReply,
  HttpProblem,
  jsonReply,
  parseFork,
  parseNumber,
  type Reply,
  readBody,
  sszReply,
  type VcRequest,
} from "./exchange.ts";
import { type RouteParts, runningApi } from "./routeParts.ts";

export async function getAttestationData(request: VcRequest, parts: RouteParts): Promise<Reply> {
  const { query, signal } = request;
  const format = chooseFormat(request);
  const slot = parseNumber("slot", query.get("slot"));
  const committee = parseNumber("committee_index", query.get("committee_index") ?? "0");
  const data = await runningApi(parts).attestationData(slot, committee, signal);
  if (!data.ok) return denialReply(data.error);
  if (format === "ssz") return sszReply(encodeAttestationData(data.value));
  return jsonReply({ data: attestationDataJson(data.value) });
}

/** Version 1 of the route names no fork and means the first one's container. */
export async function submitAttestations(request: VcRequest, parts: RouteParts): Promise<Reply> {
  const { params, signal } = request;
  const api = runningApi(parts);
  const fork = params["version"] === "v1" ? FORK_NAMES[0] : parseFork(request);
  const items = await readItems(request, fork);
  const valid = items.flatMap((item) => (item.ok ? [item.value] : []));
  const answers = (await api.submitAttestations(valid, signal)).values();
  return batchReply(
    items.map((item): Denial | null => {
      if (item.ok) return answers.next().value ?? null;
      return { code: item.error.code, detail: item.error.detail ?? "" };
    }),
  );
}

async function readItems(
  request: VcRequest,
  fork: ForkName,
): Promise<readonly Result<SubmittedAttestation, RejectionReason>[]> {
  const body = await readBody(request);
  const reader = FORKS[fork].submittedAttestations;
  if (body.format === "ssz") return decodeSsz(() => reader.fromSsz(body.bytes));
  const { json } = body;
  if (!Array.isArray(json)) throw new HttpProblem(400, "the body must be a list of attestations");
  if (json.length > MAX_VALIDATORS) throw new HttpProblem(400, `at most ${MAX_VALIDATORS} items`);
  return json.map((item) => reader.fromJson(item));
}

/** The SSZ library reports malformed bytes by throwing plain errors. */
function decodeSsz<T>(decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new HttpProblem(400, `the body is no SSZ list of attestations: ${reason}`);
  }
}
