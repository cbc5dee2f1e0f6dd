/**
 * Slashing histories as files: the interchange format of EIP-3076, version 5.
 *
 * https://eips.ethereum.org/EIPS/eip-3076
 */
import { PUBLIC_KEY_BYTES, type PubKey, ROOT_BYTES, type Root, rootOf } from "../domain/keys.ts";
import { MAX_INTERCHANGE_BYTES, MAX_JSON_DEPTH } from "../domain/limits.ts";
import { fromHex, toHex } from "../util/bytes.ts";
import { type Json, parseJson } from "../util/json.ts";
import { err, ok, type Result } from "../util/result.ts";
import type { AttestationWatermark, SignedMessage } from "./history.ts";
import type { HistorySnapshot, ImportedMessage, SlashingStore } from "./slashingStore.ts";

const FORMAT_VERSION = "5";

type SignedBlockJson = { readonly slot: string; readonly signing_root?: string };
type SignedAttestationJson = {
  readonly source_epoch: string;
  readonly target_epoch: string;
  readonly signing_root?: string;
};
/** The file's content as EIP-3076 spells it. */
export type Interchange = {
  readonly metadata: {
    readonly interchange_format_version: string;
    readonly genesis_validators_root: string;
  };
  readonly data: readonly {
    readonly pubkey: string;
    readonly signed_blocks: readonly SignedBlockJson[];
    readonly signed_attestations: readonly SignedAttestationJson[];
  }[];
};

export type ImportOptions = {
  /**
   * Validator of a key in the file: the group key itself, or the owner of a key share whose history
   * a validator client kept. Null for a key that is neither; the whole file is then refused.
   */
  readonly validatorOf: (publicKey: `0x${string}`) => PubKey | null;
};
export type ImportSummary = { readonly validators: number; readonly added: number };

/**
 * Adds the file's history to the store's, all of it or nothing (SLASH-8). An error names the field
 * of the file that is wrong; throws `FaultError` when the disk fails.
 */
export async function importInterchange(
  store: SlashingStore,
  text: string,
  { validatorOf }: ImportOptions,
): Promise<Result<ImportSummary, string>> {
  const parsed = parseInterchange(text);
  if (!parsed.ok) return parsed;
  const { genesisValidatorsRoot, histories } = parsed.value;
  if (genesisValidatorsRoot !== store.genesisValidatorsRoot) {
    return err(
      `metadata.genesis_validators_root is ${genesisValidatorsRoot}, this node's chain has ` +
        `${store.genesisValidatorsRoot}: the file is of another chain`,
    );
  }
  const merged = new Map<PubKey, ImportedMessage[]>();
  for (const { field, publicKey, messages } of histories) {
    const pubKey = validatorOf(publicKey);
    if (pubKey === null) {
      return err(
        `${field}.pubkey ${publicKey} is no validator of the cluster lock and no share of one`,
      );
    }
    const sofar = merged.get(pubKey) ?? [];
    merged.set(pubKey, sofar);
    for (const message of messages) sofar.push(message);
  }
  const added = await store.transact((transaction) =>
    [...merged].reduce((sum, [pubKey, messages]) => sum + transaction.merge(pubKey, messages), 0),
  );
  return ok({ validators: merged.size, added });
}

/**
 * The store's content from the watermarks on. The low watermark of a validator is written as one
 * more message without root and as the lowest, which makes every importer refuse what this node
 * refuses (SLASH-10).
 */
export function exportInterchange(store: SlashingStore): Interchange {
  return {
    metadata: {
      interchange_format_version: FORMAT_VERSION,
      genesis_validators_root: store.genesisValidatorsRoot,
    },
    data: store.snapshot().map(([pubkey, history]) => ({
      pubkey,
      signed_blocks: exportBlocks(history),
      signed_attestations: exportAttestations(history),
    })),
  };
}

function exportBlocks({ blocks, blockWatermark: low }: HistorySnapshot): SignedBlockJson[] {
  const above = blocks.filter(({ slot }) => low === null || slot >= low.slot);
  const isShown = above.some(({ slot }) => slot === low?.slot);
  const watermark = low === null || isShown ? [] : [low];
  return [
    ...watermark.map(({ slot }) => ({ slot: slot.toString() })),
    ...above.map((block) => ({ slot: block.slot.toString(), ...rootJson(block) })),
  ];
}

function exportAttestations({
  attestations,
  attestationWatermark,
}: HistorySnapshot): SignedAttestationJson[] {
  const low = attestations.reduce(coveredBy, attestationWatermark);
  const above = attestations.filter(({ target }) => low === null || target >= low.target);
  const isShown = above.some(
    ({ source, target }) => source === low?.source && target === low.target,
  );
  const watermark = low === null || isShown ? [] : [low];
  return [
    ...watermark.map((epochs) => epochsJson(epochs)),
    ...above.map((record) => ({ ...epochsJson(record), ...rootJson(record) })),
  ];
}

/** What lies under the watermark matters by its source alone, as in an import (SLASH-8). */
function coveredBy(
  low: AttestationWatermark | null,
  { source, target }: AttestationWatermark,
): AttestationWatermark | null {
  if (low === null || target >= low.target) return low;
  return { source: Math.max(low.source, source), target: low.target };
}

function epochsJson({ source, target }: AttestationWatermark): SignedAttestationJson {
  return { source_epoch: source.toString(), target_epoch: target.toString() };
}

/** A message that may not be repeated here (SLASH-9) is not offered for repetition elsewhere. */
function rootJson({ signingRoot, isRepeatable }: SignedMessage): { signing_root?: string } {
  return signingRoot === null || !isRepeatable ? {} : { signing_root: signingRoot };
}

type ParsedHistory = {
  /** Where in the file it stands, e.g. `data[3]`. */
  readonly field: string;
  readonly publicKey: `0x${string}`;
  readonly messages: readonly ImportedMessage[];
};
type ParsedInterchange = {
  readonly genesisValidatorsRoot: Root;
  readonly histories: readonly ParsedHistory[];
};

/** SLASH-11: nothing that is malformed is skipped, for what is left out is not protected. */
export function parseInterchange(text: string): Result<ParsedInterchange, string> {
  if (text.length > MAX_INTERCHANGE_BYTES) {
    return err(`the file has ${text.length} characters, the limit is ${MAX_INTERCHANGE_BYTES}`);
  }
  const json = parseJson(text, MAX_JSON_DEPTH);
  if (!json.ok) return err(`the file is no JSON: ${json.error}`);
  try {
    return ok(readInterchange(json.value));
  } catch (error) {
    if (error instanceof FieldError) return err(error.message);
    throw error;
  }
}

/** Names the field that does not fit; never leaves this file. */
class FieldError extends Error {}

function readInterchange(json: Json): ParsedInterchange {
  const file = readObject(json, "the file");
  const metadata = readObject(file["metadata"], "metadata");
  if (metadata["interchange_format_version"] !== FORMAT_VERSION) {
    throw new FieldError(`metadata.interchange_format_version must be "${FORMAT_VERSION}"`);
  }
  const rootField = "metadata.genesis_validators_root";
  const genesisValidatorsRoot = readBytes(metadata["genesis_validators_root"], rootField);
  if (genesisValidatorsRoot.length !== ROOT_BYTES) {
    throw new FieldError(`${rootField} has ${genesisValidatorsRoot.length} bytes, not 32`);
  }
  return {
    genesisValidatorsRoot: rootOf(genesisValidatorsRoot),
    histories: readArray(file["data"], "data").map((item, index) =>
      readHistory(item, `data[${index}]`),
    ),
  };
}

function readHistory(json: Json, field: string): ParsedHistory {
  const history = readObject(json, field);
  const publicKey = readBytes(history["pubkey"], `${field}.pubkey`);
  if (publicKey.length !== PUBLIC_KEY_BYTES) {
    throw new FieldError(`${field}.pubkey has ${publicKey.length} bytes, not ${PUBLIC_KEY_BYTES}`);
  }
  const blocksField = `${field}.signed_blocks`;
  const blocks = readArray(history["signed_blocks"], blocksField).map((item, index) => {
    const block = readObject(item, `${blocksField}[${index}]`);
    return {
      kind: "block",
      slot: readUint(block["slot"], `${blocksField}[${index}].slot`),
      signingRoot: readRoot(block["signing_root"], `${blocksField}[${index}].signing_root`),
    } as const;
  });
  const votesField = `${field}.signed_attestations`;
  const votes = readArray(history["signed_attestations"], votesField).map((item, index) => {
    const vote = readObject(item, `${votesField}[${index}]`);
    return {
      kind: "attestation",
      source: readUint(vote["source_epoch"], `${votesField}[${index}].source_epoch`),
      target: readUint(vote["target_epoch"], `${votesField}[${index}].target_epoch`),
      signingRoot: readRoot(vote["signing_root"], `${votesField}[${index}].signing_root`),
    } as const;
  });
  return { field, publicKey: toHex(publicKey), messages: [...blocks, ...votes] };
}

type JsonField = Json | undefined;

function readObject(json: JsonField, field: string): { readonly [key: string]: Json } {
  if (json === undefined) throw new FieldError(`${field} is missing`);
  if (typeof json !== "object" || json === null || isArray(json)) {
    throw new FieldError(`${field} must be an object`);
  }
  return json;
}

function readArray(json: JsonField, field: string): readonly Json[] {
  if (json === undefined) throw new FieldError(`${field} is missing`);
  if (!isArray(json)) throw new FieldError(`${field} must be an array`);
  return json;
}

function isArray(json: Json): json is readonly Json[] {
  return Array.isArray(json);
}

function readUint(json: JsonField, field: string): number {
  if (json === undefined) throw new FieldError(`${field} is missing`);
  if (typeof json !== "string" || !/^\d{1,20}$/.test(json)) {
    throw new FieldError(`${field} must be a decimal number in quotes`);
  }
  const value = Number(json);
  if (!Number.isSafeInteger(value)) {
    throw new FieldError(`${field} is ${json}: no chain gets that far, and it would bar the key`);
  }
  return value;
}

function readBytes(json: JsonField, field: string): Uint8Array {
  if (json === undefined) throw new FieldError(`${field} is missing`);
  const bytes = typeof json === "string" ? fromHex(json) : null;
  if (bytes === null) throw new FieldError(`${field} must be 0x-prefixed hex`);
  return bytes;
}

/** A root of another length identifies nothing, so it counts as none: that only refuses more. */
function readRoot(json: JsonField, field: string): Root | null {
  if (json === undefined || json === null) return null;
  const bytes = readBytes(json, field);
  return bytes.length === ROOT_BYTES ? rootOf(bytes) : null;
}
