/** The block that the cluster decided, and the signature of a client's key share over it. */
import { SIGNATURE_BYTES } from "../../domain/keys.ts";
import {
  type ProducedBlock,
  type Proposal,
  readSubmittedBlock,
  type SubmittedBlock,
} from "../../eth2/blocks.ts";
import { fromHex } from "../../util/bytes.ts";
import {
  type Body,
  chooseFormat,
  denialReply,
  EMPTY_REPLY,
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

/**
 * Graffiti, fee recipient and builder preferences of the query are the client's own; the block is
 * the cluster's, and carries what the operators agreed on.
 */
export async function getProposal(request: VcRequest, parts: RouteParts): Promise<Reply> {
  const { params, query, signal } = request;
  const format = chooseFormat(request);
  const slot = parseNumber("slot", params["slot"] ?? null);
  const reveal = fromHex(query.get("randao_reveal") ?? "");
  if (reveal?.length !== SIGNATURE_BYTES) {
    throw new HttpProblem(400, `randao_reveal must be ${SIGNATURE_BYTES} bytes as 0x hex`);
  }
  const proposal = await runningApi(parts).proposal(slot, reveal, signal);
  if (!proposal.ok) return denialReply(proposal.error);
  return proposalReply(proposal.value, format);
}

export async function submitBlock(request: VcRequest, parts: RouteParts): Promise<Reply> {
  const api = runningApi(parts);
  const fork = parseFork(request);
  const isBlinded = request.params["form"] === "blinded_blocks";
  const block = decodeBlock({ fork, isBlinded }, await readBody(request));
  const denial = await api.submitBlock(block, request.signal);
  return denial === null ? EMPTY_REPLY : denialReply(denial);
}

/** The answer's metadata comes in headers and, with JSON, beside the data. */
function proposalReply(proposal: Proposal, format: "json" | "ssz"): Reply {
  const { fork, isBlinded } = proposal;
  const executionPayloadValue = proposal.executionPayloadValue.toString();
  const consensusBlockValue = proposal.consensusBlockValue.toString();
  const headers = {
    "eth-consensus-version": fork,
    "eth-execution-payload-blinded": String(isBlinded),
    "eth-execution-payload-value": executionPayloadValue,
    "eth-consensus-block-value": consensusBlockValue,
  };
  if (format === "ssz") return sszReply(proposal.ssz, headers);
  const meta = {
    version: fork,
    execution_payload_blinded: isBlinded,
    execution_payload_value: executionPayloadValue,
    consensus_block_value: consensusBlockValue,
  };
  return jsonReply({ ...meta, data: proposal.json() }, { headers });
}

/** The SSZ library reports malformed blocks by throwing plain errors. */
function decodeBlock(form: Pick<ProducedBlock, "fork" | "isBlinded">, body: Body): SubmittedBlock {
  try {
    return readSubmittedBlock(form, body.format === "ssz" ? { ssz: body.bytes } : body);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new HttpProblem(400, `the body is no signed ${form.fork} block: ${reason}`);
  }
}
