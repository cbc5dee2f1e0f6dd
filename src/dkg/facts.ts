/** What all operators know of an attempt before its first message. */
import type { ClusterDefinition } from "../cluster/definition.ts";
import { depositAmountsOf } from "../cluster/depositAmounts.ts";
import type { ClusterFault } from "../cluster/fault.ts";
import { fieldBytes } from "../cluster/fields.ts";
import { decodeEnr } from "../crypto/enr.ts";
import { PUBLIC_KEY_BYTES, type Root, rootOf, SIGNATURE_BYTES } from "../domain/keys.ts";
import {
  MAX_CEREMONY_VALIDATORS,
  MAX_CLUSTER_FILE_BYTES,
  MAX_FRAME_BYTES,
  MIN_NODES,
} from "../domain/limits.ts";
import { err, ok, type Result } from "../util/result.ts";
import { type CeremonyShape, sealedSharesBytes } from "../wire/ceremonyBodies.ts";

export type CeremonyFacts = {
  readonly definition: ClusterDefinition;
  readonly definitionHash: Root;
  /** 1-based. */
  readonly attempt: number;
  readonly shape: CeremonyShape;
  /** Compressed secp256k1 keys in the operators' order. */
  readonly identityKeys: readonly Uint8Array[];
  /** Addresses in lower case whose wallet signatures only an execution client can judge. */
  readonly contractWallets: ReadonlySet<string>;
};

/** Room for a frame's other fields, and for those of a complaint beside the sealed shares. */
const FRAME_OVERHEAD_BYTES = 8 * 1024;
const COMPLAINT_OVERHEAD_BYTES = 256;
/** Room for the rest of a transcript: eight phases of signatures. */
const FILE_OVERHEAD_BYTES = 1024 * 1024;

/**
 * The facts of attempt `attempt` under a definition that `verifyDefinition` accepted; or why no
 * ceremony can be held for it (DKG-1).
 */
export function ceremonyFacts(
  definition: ClusterDefinition,
  attempt: number,
  contractWallets: ReadonlySet<string> = new Set(),
): Result<CeremonyFacts, ClusterFault> {
  const { threshold, num_validators: validators } = definition;
  const nodes = definition.operators.length;
  const identityKeys: Uint8Array[] = [];
  for (const [i, { enr }] of definition.operators.entries()) {
    const record = decodeEnr(enr);
    const path = `operators[${i}].enr`;
    if (!record.ok) return err({ path, reason: `is invalid: ${record.error}` });
    identityKeys.push(record.value.publicKey);
  }
  const distinct = new Set(identityKeys.map((key) => Buffer.from(key).toString("hex")));
  if (nodes < MIN_NODES || distinct.size !== nodes) {
    return err({ path: "operators", reason: `are not at least ${MIN_NODES} different nodes` });
  }
  if (threshold < 2 || threshold > nodes || 2 * threshold <= nodes) {
    const reason = `is ${threshold}: it must be more than half of the ${nodes} operators, and 2`;
    return err({ path: "threshold", reason });
  }
  const preSigned = depositAmountsOf(definition).length + 1;
  const shape = { nodes, threshold, validators, preSigned };
  const fault = sizeFault(shape);
  if (fault !== null) return err(fault);
  return ok({
    definition,
    definitionHash: rootOf(fieldBytes(definition.definition_hash)),
    attempt,
    shape,
    identityKeys,
    contractWallets,
  });
}

/** Each message of the ceremony fits into one frame, and what is written of all into a file. */
function sizeFault({ nodes, threshold, validators, preSigned }: CeremonyShape) {
  const perDealing = PUBLIC_KEY_BYTES * threshold + SIGNATURE_BYTES;
  const largest = Math.max(
    validators * perDealing,
    validators * preSigned * SIGNATURE_BYTES,
    (nodes - 1) * (sealedSharesBytes(validators) + COMPLAINT_OVERHEAD_BYTES),
  );
  // The dealings of all, in hex, are most of the transcript and of an accusation.
  const dealings = nodes * (validators * perDealing + FRAME_OVERHEAD_BYTES);
  const fits =
    largest + FRAME_OVERHEAD_BYTES <= MAX_FRAME_BYTES &&
    2 * dealings + FILE_OVERHEAD_BYTES <= MAX_CLUSTER_FILE_BYTES;
  if (fits && validators <= MAX_CEREMONY_VALIDATORS) return null;
  const reason = "are too many for one ceremony: make several clusters, or fewer deposit amounts";
  return { path: "num_validators", reason };
}
