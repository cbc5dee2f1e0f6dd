/**
 * The cluster lock: a definition and the keys that were made for it, bound together by a hash that
 * every node and every key share signed. Obol's JSON format (LOCK-1).
 */
import { z } from "zod";
import {
  MAX_CLUSTER_FILE_BYTES,
  MAX_JSON_DEPTH,
  MAX_NODES,
  MAX_VALIDATORS,
} from "../domain/limits.ts";
import { type Json, parseJson, writeJson } from "../util/json.ts";
import { err, ok, type Result } from "../util/result.ts";
import { type ClusterDefinition, MAX_LIST, readDefinition, versionOf } from "./definition.ts";
import { below, type ClusterFault, faultsOf } from "./fault.ts";
import { hexField, uint64Field, uint64TextField } from "./fields.ts";
import type { ClusterVersion } from "./versions.ts";

const depositSchema = z.object({
  pubkey: hexField(48),
  withdrawal_credentials: hexField(32),
  amount: uint64TextField,
  signature: hexField(96),
});
const registrationSchema = z.object({
  message: z.object({
    fee_recipient: hexField(20),
    gas_limit: uint64Field,
    timestamp: uint64Field,
    pubkey: hexField(48),
  }),
  signature: hexField(96),
});
const validatorSchema = z.object({
  distributed_public_key: hexField(48),
  public_shares: z.array(hexField(48)).max(MAX_NODES),
  deposit_data: depositSchema.optional(),
  partial_deposit_data: z.array(depositSchema).max(MAX_LIST).nullable().optional(),
  builder_registration: registrationSchema.optional(),
});
const lockSchema = z.object({
  distributed_validators: z.array(validatorSchema).max(MAX_VALIDATORS),
  signature_aggregate: hexField(96),
  lock_hash: hexField(32),
  node_signatures: z.array(hexField(65)).max(MAX_NODES).optional(),
});

type ReadonlyDeep<T> = T extends object ? { readonly [K in keyof T]: ReadonlyDeep<T[K]> } : T;

export type DepositEntry = ReadonlyDeep<z.infer<typeof depositSchema>>;
export type RegistrationEntry = ReadonlyDeep<z.infer<typeof registrationSchema>>;
export type ValidatorEntry = ReadonlyDeep<z.infer<typeof validatorSchema>>;

/** The JSON of a lock; fields that its version does not know are kept and mean nothing. */
export type ClusterLock = { readonly cluster_definition: ClusterDefinition } & ReadonlyDeep<
  z.infer<typeof lockSchema>
>;

/** Parses a lock file; hashes and signatures are {@link verifyLock}'s matter (LOCK-2). */
export function parseLock(text: string): Result<ClusterLock, readonly ClusterFault[]> {
  if (text.length > MAX_CLUSTER_FILE_BYTES) {
    return err([{ path: "", reason: `the file exceeds ${MAX_CLUSTER_FILE_BYTES} bytes` }]);
  }
  const json = parseJson(text, MAX_JSON_DEPTH);
  if (!json.ok) return err([{ path: "", reason: `the file is no JSON: ${json.error}` }]);
  return readLock(json.value);
}

/** The file's text: every field that was read, numbers digit for digit. */
export function writeLock(lock: ClusterLock): string {
  return `${writeJson(lock as unknown as Json, 1)}\n`;
}

function readLock(json: Json): Result<ClusterLock, readonly ClusterFault[]> {
  const held = z.object({ cluster_definition: z.unknown() }).safeParse(json);
  if (!held.success || held.data.cluster_definition === undefined) {
    return err([{ path: "cluster_definition", reason: "is missing: this is no cluster lock" }]);
  }
  const definition = readDefinition(held.data.cluster_definition as Json);
  if (!definition.ok) return err(below("cluster_definition", definition.error));
  const parsed = lockSchema.safeParse(json);
  if (!parsed.success) return err(faultsOf(parsed.error));
  const version = versionOf(definition.value);
  const faults = parsed.data.distributed_validators.flatMap((validator, i) =>
    below(`distributed_validators[${i}]`, validatorFaults(validator, version)),
  );
  if (version.nodeSignatures && parsed.data.node_signatures === undefined) {
    faults.push({ path: "node_signatures", reason: "is missing" });
  }
  // The schema has no transformations: the tree has the type that it infers.
  return faults.length > 0 ? err(faults) : ok(json as unknown as ClusterLock);
}

/** Fields that the version requires; the hash would otherwise take them for empty. */
function validatorFaults(
  validator: ValidatorEntry,
  version: ClusterVersion,
): readonly ClusterFault[] {
  const faults: ClusterFault[] = [];
  if (version.registrations && validator.builder_registration === undefined) {
    faults.push({ path: "builder_registration", reason: "is missing" });
  }
  const single = version.deposits === "inline" || version.deposits === "single";
  if (single && validator.deposit_data === undefined) {
    faults.push({ path: "deposit_data", reason: "is missing" });
  }
  if (version.deposits === "list" && validator.partial_deposit_data === undefined) {
    faults.push({ path: "partial_deposit_data", reason: "is missing" });
  }
  return faults;
}
