/** The requests around block proposals; what cannot be true for the request throws (BN-2). */
import { z } from "zod";
import { pubKeyOf, type Signature } from "../../domain/keys.ts";
import { BEACON_REQUEST_TIMEOUT_MS } from "../../domain/limits.ts";
import type { Epoch, Slot } from "../../domain/units.ts";
import {
  blockSszFromJson,
  decodeProposal,
  encodeProposal,
  type ProducedBlock,
  type SignedBlock,
} from "../../eth2/blocks.ts";
import { FORK_NAMES } from "../../eth2/forkNames.ts";
import { FORKS } from "../../eth2/forks.ts";
import type { ProposerDuties, ProposerPreparation } from "../../ports/beaconNode.ts";
import { epochOf, fail, map, parseRoot } from "./calls.ts";
import { type Call, callOf, ROUTES, requestOf } from "./routes.ts";

export function proposerDutiesCall(epoch: Epoch): Call<ProposerDuties> {
  return map(callOf("proposerDuties", ROUTES.proposerDuties, { epoch }), ({ data, meta }) => {
    const slots = new Set(data.map(({ slot }) => slot));
    if (slots.size !== data.length) fail("a slot has two proposers");
    if (data.some(({ slot }) => epochOf(slot) !== epoch)) fail("a duty lies outside the epoch");
    const duties = data.map(({ pubkey, slot, validatorIndex }) => {
      return { slot, validatorIndex, pubKey: pubKeyOf(pubkey) };
    });
    return { dependentRoot: parseRoot(meta.dependentRoot), duties };
  });
}

const wei = z
  .string()
  .regex(/^\d{1,78}$/)
  .transform(BigInt)
  .refine((amount) => amount < 1n << 256n)
  .default(0n);
const metadata = z.object({
  version: z.enum(FORK_NAMES),
  isBlinded: z.union([z.boolean(), z.enum(["true", "false"]).transform((text) => text === "true")]),
  executionPayloadValue: wei,
  consensusBlockValue: wei,
});
const jsonAnswer = z.object({ data: z.unknown() }).loose();

/** Whom the block pays is known by {@link prepareProposersCall}; its graffiti is the node's own. */
export function produceBlockCall(slot: Slot, randaoReveal: Signature): Call<ProducedBlock> {
  const args = { slot, randaoReveal };
  return {
    ...requestOf("produceBlock", ROUTES.produceBlock, args),
    decode: (json) => {
      const answer = jsonAnswer.parse(json);
      const meta = metadata.parse({
        version: answer["version"],
        isBlinded: answer["execution_payload_blinded"],
        executionPayloadValue: answer["execution_payload_value"],
        consensusBlockValue: answer["consensus_block_value"],
      });
      return produced(slot, meta, blockSszFromJson(meta.version, meta.isBlinded, answer.data));
    },
    decodeSsz: (ssz, headers) => {
      const meta = metadata.parse({
        version: headers["eth-consensus-version"],
        isBlinded: headers["eth-execution-payload-blinded"],
        executionPayloadValue: headers["eth-execution-payload-value"],
        consensusBlockValue: headers["eth-consensus-block-value"],
      });
      return produced(slot, meta, ssz);
    },
  };
}

function produced(
  slot: Slot,
  { version, ...meta }: z.infer<typeof metadata>,
  ssz: Uint8Array,
): ProducedBlock {
  const block = { ...meta, fork: version, ssz };
  const proposal = decodeProposal(FORKS[version], encodeProposal(block));
  if (proposal === null) return fail(`the answer is no ${version} block`);
  if (proposal.slot !== slot) fail(`the block is of slot ${proposal.slot}, asked was ${slot}`);
  return block;
}

/** `body` is the signed block as JSON text or SSZ bytes. */
export function publishBlockCall(block: SignedBlock, body: string | Uint8Array): Call<void> {
  const route = block.isBlinded ? "publishBlindedBlock" : "publishBlock";
  return {
    route,
    method: "POST",
    path: ROUTES[route].url,
    headers: { "eth-consensus-version": block.fork },
    body,
    timeoutMs: BEACON_REQUEST_TIMEOUT_MS,
    decode: () => undefined,
  };
}

export function prepareProposersCall(preparations: readonly ProposerPreparation[]): Call<void> {
  const args = { proposers: [...preparations] };
  const request = requestOf("prepareProposers", ROUTES.prepareProposers, args);
  return { ...request, decode: () => undefined };
}
