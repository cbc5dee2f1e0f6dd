/**
 * The cluster definition: who the operators are and what the validators will be, agreed and signed
 * before any key exists. Obol's JSON format (LOCK-1); the types are the file's own fields.
 */
import { z } from "zod";
import { MAX_JSON_DEPTH, MAX_NODES, MAX_VALIDATORS } from "../domain/limits.ts";
import { type Json, parseJson, writeJson } from "../util/json.ts";
import { err, ok, type Result } from "../util/result.ts";
import { type ClusterFault, faultsOf } from "./fault.ts";
import { hexField, textField, uint64Field, uint64TextField } from "./fields.ts";
import { type ClusterVersion, clusterVersion, READABLE_VERSIONS } from "./versions.ts";

/** Lists of the format hold at most 256 entries where no limit of ours is lower. */
export const MAX_LIST = 256;
/** One wallet signature, R ‖ S ‖ V. */
export const WALLET_SIGNATURE_BYTES = 65;
/** A Safe's owners may sign with up to 32 keys. */
export const MAX_WALLET_SIGNATURES = 32;

const walletSignature = hexField(MAX_WALLET_SIGNATURES * WALLET_SIGNATURE_BYTES);
const operatorSchema = z.object({
  address: hexField(20),
  enr: textField(1024),
  config_signature: walletSignature,
  enr_signature: walletSignature,
});
const definitionSchema = z.object({
  name: textField(256),
  uuid: textField(64),
  version: textField(16),
  timestamp: textField(32),
  num_validators: z.int().min(1).max(MAX_VALIDATORS),
  threshold: z.int().min(1).max(MAX_NODES),
  dkg_algorithm: textField(32),
  fork_version: hexField(4),
  creator: z.object({ address: hexField(20), config_signature: walletSignature }),
  operators: z.array(operatorSchema).min(1).max(MAX_NODES),
  validators: z
    .array(z.object({ fee_recipient_address: hexField(20), withdrawal_address: hexField(20) }))
    .max(MAX_VALIDATORS),
  deposit_amounts: z.array(uint64TextField).max(MAX_LIST).nullable().optional(),
  consensus_protocol: textField(256).optional(),
  target_gas_limit: uint64Field.optional(),
  compounding: z.boolean().optional(),
  config_hash: hexField(32),
  definition_hash: hexField(32),
});

/** Names of the format: a file may hold others, which mean nothing. */
export const DEFINITION_FIELDS: ReadonlySet<string> = new Set(
  Object.keys({ ...definitionSchema.shape, ...operatorSchema.shape }),
);

type ReadonlyDeep<T> = T extends object ? { readonly [K in keyof T]: ReadonlyDeep<T[K]> } : T;

/** The JSON of a definition; fields that its version does not know are kept and mean nothing. */
export type ClusterDefinition = ReadonlyDeep<z.infer<typeof definitionSchema>>;

/** Parses a definition file; hashes and signatures are {@link verifyDefinition}'s matter. */
export function parseDefinition(text: string): Result<ClusterDefinition, readonly ClusterFault[]> {
  const json = parseJson(text, MAX_JSON_DEPTH);
  if (!json.ok) return err([{ path: "", reason: `the file is no JSON: ${json.error}` }]);
  return readDefinition(json.value);
}

/** Checks parsed JSON; what it returns is the given tree itself, so that nothing is lost. */
export function readDefinition(json: Json): Result<ClusterDefinition, readonly ClusterFault[]> {
  const named = z.object({ version: z.string() }).safeParse(json);
  if (!named.success) return err([{ path: "version", reason: "is missing" }]);
  const version = clusterVersion(named.data.version);
  if (version === undefined) {
    const reason = `${named.data.version} is not supported; supported are ${READABLE_VERSIONS}`;
    return err([{ path: "version", reason }]);
  }
  const parsed = definitionSchema.safeParse(json);
  if (!parsed.success) return err(faultsOf(parsed.error));
  const faults = versionFaults(parsed.data, version);
  // The schema has no transformations: the tree has the type that it infers.
  return faults.length > 0 ? err(faults) : ok(json as unknown as ClusterDefinition);
}

/** The file's text: every field that was read, numbers digit for digit. */
export function writeDefinition(definition: ClusterDefinition): string {
  return `${writeJson(definition as unknown as Json, 1)}\n`;
}

/** The row of a definition's version; it was checked when the file was read. */
export function versionOf(definition: ClusterDefinition): ClusterVersion {
  const version = clusterVersion(definition.version);
  if (version === undefined) throw new TypeError(`unread version ${definition.version}`);
  return version;
}

/** Whether withdrawal credentials are 0x02: only versions whose hashes cover it can say so. */
export function isCompounding(definition: ClusterDefinition): boolean {
  return versionOf(definition).validatorSettings && definition.compounding === true;
}

function versionFaults(
  definition: ClusterDefinition,
  version: ClusterVersion,
): readonly ClusterFault[] {
  const faults: ClusterFault[] = [];
  const require = (needed: boolean, name: keyof ClusterDefinition): void => {
    if (!needed || definition[name] !== undefined) return;
    faults.push({ path: name, reason: `is missing, ${definition.version} has it` });
  };
  require(version.depositAmounts, "deposit_amounts");
  require(version.consensusProtocol, "consensus_protocol");
  require(version.validatorSettings, "target_gas_limit");
  require(version.validatorSettings, "compounding");
  if (definition.validators.length !== definition.num_validators) {
    const reason = `is not the number of entries in validators, ${definition.validators.length}`;
    faults.push({ path: "num_validators", reason });
  }
  for (const { path, signature } of walletSignatures(definition)) {
    const bytes = Math.max(0, (signature.length - 2) / 2);
    const valid = version.multiSignatures
      ? bytes % WALLET_SIGNATURE_BYTES === 0
      : bytes <= WALLET_SIGNATURE_BYTES;
    if (!valid) faults.push({ path, reason: `has ${bytes} bytes` });
  }
  return faults;
}

function walletSignatures(
  definition: ClusterDefinition,
): readonly { readonly path: string; readonly signature: string }[] {
  return [
    { path: "creator.config_signature", signature: definition.creator.config_signature },
    ...definition.operators.flatMap((operator, i) => [
      { path: `operators[${i}].config_signature`, signature: operator.config_signature },
      { path: `operators[${i}].enr_signature`, signature: operator.enr_signature },
    ]),
  ];
}
