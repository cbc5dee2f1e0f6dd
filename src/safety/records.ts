/**
 * The slashing store's layout on disk. Keys are text, ordered by validator, kind, epoch or slot:
 *
 *     slashing/head                                                  schema, chain, entry count
 *     slashing/<pubkey>/attestation/<target>/<source>/<root or "unknown">
 *     slashing/<pubkey>/block/<slot>/<root or "unknown">
 *     slashing/<pubkey>/watermark
 *
 * Epochs and slots have 16 digits. A message without root is known by its epochs alone, so both are
 * part of the key.
 *
 * Values have fixed widths, begin with their version and end with a CRC-32 over key and value:
 * LevelDB neither verifies the blocks that it reads nor reports records that recovery dropped.
 */
import {
  bytesOf,
  PUBLIC_KEY_BYTES,
  type PubKey,
  type PubShare,
  pubShareOf,
  ROOT_BYTES,
  type Root,
  rootOf,
} from "../domain/keys.ts";
import type { Epoch } from "../domain/units.ts";
import type { KeyRange } from "../ports/keyValueStore.ts";
import { BoundedCache } from "../util/boundedCache.ts";
import { crc32 } from "../util/crc32.ts";
import { err, ok, type Result } from "../util/result.ts";
import { sortable } from "../util/sortable.ts";
import {
  type AttestationWatermark,
  type BlockWatermark,
  ORIGINS,
  type RecordFields,
  type SignedMessage,
} from "./history.ts";

/** Raised whenever an older release could misread what is written here. */
export const SLASHING_SCHEMA = 2;

export const SLASHING_RANGE: KeyRange = { gte: "slashing/", lt: "slashing0" };
export const HEAD_KEY = "slashing/head";

/** What the store says about itself; rewritten with every batch. */
export type StoreHead = {
  readonly schema: number;
  readonly genesisValidatorsRoot: Root;
  /** Entries beside the head: a batch that went missing as a whole changes it (STORE-4). */
  readonly entries: number;
};
export type Watermarks = {
  readonly attestation: AttestationWatermark | null;
  readonly block: BlockWatermark | null;
};
export type StoreEntry =
  | { readonly type: "message"; readonly pubKey: PubKey; readonly message: SignedMessage }
  | { readonly type: "watermarks"; readonly pubKey: PubKey; readonly watermarks: Watermarks };

const RECORD_VERSION = 1;
const RECORD_BYTES = 5;
/** From schema 2 on: a record that says which share signed, and over which message. */
const SIGNED_VERSION = 2;
const SIGNED_BYTES = RECORD_BYTES + 4 + PUBLIC_KEY_BYTES + ROOT_BYTES;
const WATERMARK_BYTES = 26;
const HEAD_BYTES = 4 + ROOT_BYTES + 8;
const CRC_BYTES = 4;
const UNKNOWN = "unknown";
const VALIDATOR_PREFIX = /^slashing\/([0-9a-f]{96})\//;
/** Of what follows the validator. */
const ATTESTATION_KEY = /^attestation\/(\d{16})\/(\d{16})\/([0-9a-f]{64}|unknown)$/;
const BLOCK_KEY = /^block\/(\d{16})\/([0-9a-f]{64}|unknown)$/;

export function messageKey(pubKey: PubKey, message: SignedMessage): string {
  const root = message.signingRoot?.slice(2) ?? UNKNOWN;
  if (message.kind === "block") {
    return `slashing/${pubKey.slice(2)}/block/${sortable(message.slot)}/${root}`;
  }
  return `slashing/${pubKey.slice(2)}/attestation/${epochsOf(message)}/${root}`;
}

export function watermarkKey(pubKey: PubKey): string {
  return `slashing/${pubKey.slice(2)}/watermark`;
}

/**
 * Who signed, as far as the record is for people and later releases: the rules ask for none of it,
 * and memory holds none of it.
 */
export type Provenance = {
  /** How often the cluster's keys were shared anew before this share was made. */
  readonly shareEpoch: number;
  readonly pubShare: PubShare;
  /** The block's or the attestation data's own root: what the cluster decided. */
  readonly messageRoot: Root;
};

export function encodeMessage(
  key: string,
  message: SignedMessage,
  signed: Provenance | null = null,
): Uint8Array {
  const value = Buffer.allocUnsafe((signed === null ? RECORD_BYTES : SIGNED_BYTES) + CRC_BYTES);
  if (signed !== null) {
    writeUint(value, { at: RECORD_BYTES, bytes: 4, number: signed.shareEpoch });
    value.set(rememberedBytesOf(signed.pubShare), RECORD_BYTES + 4);
    value.set(rememberedBytesOf(signed.messageRoot), RECORD_BYTES + 4 + PUBLIC_KEY_BYTES);
  }
  value[0] = signed === null ? RECORD_VERSION : SIGNED_VERSION;
  value[1] = ORIGINS.indexOf(message.origin);
  value[2] = message.isRepeatable ? 1 : 0;
  writeUint(value, { at: 3, bytes: 2, number: message.shareIndex ?? 0 });
  return seal(key, value);
}

export function encodeWatermarks(key: string, { attestation, block }: Watermarks): Uint8Array {
  const value = new Uint8Array(WATERMARK_BYTES + CRC_BYTES);
  value[0] = RECORD_VERSION;
  value[1] = (attestation === null ? 0 : 1) | (block === null ? 0 : 2);
  writeUint(value, { at: 2, bytes: 8, number: attestation?.source ?? 0 });
  writeUint(value, { at: 10, bytes: 8, number: attestation?.target ?? 0 });
  writeUint(value, { at: 18, bytes: 8, number: block?.slot ?? 0 });
  return seal(key, value);
}

export function encodeHead(head: StoreHead): Uint8Array {
  const value = new Uint8Array(HEAD_BYTES + CRC_BYTES);
  writeUint(value, { at: 0, bytes: 4, number: head.schema });
  value.set(bytesOf(head.genesisValidatorsRoot), 4);
  writeUint(value, { at: 4 + ROOT_BYTES, bytes: 8, number: head.entries });
  return seal(HEAD_KEY, value);
}

/** The schema alone, which every release past and future writes first. */
export function decodeSchema(value: Uint8Array): Result<number, string> {
  if (value.length < 4) return err(`${HEAD_KEY} has ${value.length} bytes`);
  return ok(readUint(value, { at: 0, bytes: 4 }));
}

export function decodeHead(value: Uint8Array): Result<StoreHead, string> {
  const body = unseal(HEAD_KEY, value, HEAD_BYTES);
  if (!body.ok) return body;
  return ok({
    schema: readUint(body.value, { at: 0, bytes: 4 }),
    genesisValidatorsRoot: rootOf(body.value.subarray(4, 4 + ROOT_BYTES)),
    entries: readUint(body.value, { at: 4 + ROOT_BYTES, bytes: 8 }),
  });
}

/**
 * Reads entries in the order of their keys. What many validators signed alike, as all of a slot do,
 * is one message in memory: of half a million records a few thousand are left.
 */
export class EntryDecoder {
  /** By what their key says of them. */
  readonly #messages = new Map<string, SignedMessage>();
  /** Of the last entry: what its key begins with, and its validator. */
  #prefix = "";
  #pubKey = "" as PubKey;

  /** Any entry but the head; an error names the key and what is wrong with it. */
  decode(key: string, value: Uint8Array): Result<StoreEntry, string> {
    if (this.#prefix === "" || !key.startsWith(this.#prefix)) {
      const [prefix, digits] = VALIDATOR_PREFIX.exec(key) ?? [];
      if (prefix === undefined || digits === undefined) return notOurs(key);
      this.#prefix = detached(prefix);
      this.#pubKey = detached(`0x${digits}`) as PubKey;
    }
    const pubKey = this.#pubKey;
    const rest = key.slice(this.#prefix.length);
    if (rest === "watermark") {
      const watermarks = decodeWatermarks(key, value);
      if (!watermarks.ok) return watermarks;
      return ok({ type: "watermarks", pubKey, watermarks: watermarks.value });
    }
    const fields = decodeFields(key, value);
    if (!fields.ok) return fields;
    const known = this.#messages.get(rest);
    if (known !== undefined && hasFields(known, fields.value)) {
      return ok({ type: "message", pubKey, message: known });
    }
    const message = decodeMessage(rest, fields.value);
    if (message === null) return notOurs(key);
    if (known === undefined) this.#messages.set(detached(rest), message);
    return ok({ type: "message", pubKey, message });
  }
}

type ValueFields = Omit<RecordFields, "signingRoot">;

function decodeFields(key: string, value: Uint8Array): Result<ValueFields, string> {
  const version = value[0];
  const body = unseal(key, value, version === SIGNED_VERSION ? SIGNED_BYTES : RECORD_BYTES);
  if (!body.ok) return body;
  const origin = ORIGINS[body.value[1] ?? ORIGINS.length];
  if ((version !== RECORD_VERSION && version !== SIGNED_VERSION) || origin === undefined) {
    return err(`${key} has an unknown version or origin`);
  }
  const shareIndex = readUint(body.value, { at: 3, bytes: 2 });
  return ok({
    origin,
    shareIndex: shareIndex === 0 ? null : shareIndex,
    isRepeatable: body.value[2] === 1,
  });
}

function hasFields(message: SignedMessage, { origin, shareIndex, isRepeatable }: ValueFields) {
  return (
    message.origin === origin &&
    message.shareIndex === shareIndex &&
    message.isRepeatable === isRepeatable
  );
}

/** The message that the rest of a key, behind its validator, names. */
function decodeMessage(rest: string, fields: ValueFields): SignedMessage | null {
  const attestation = ATTESTATION_KEY.exec(rest);
  if (attestation !== null) {
    const [, target, source, root] = attestation;
    const signingRoot = signingRootOf(root);
    return {
      kind: "attestation",
      source: Number(source),
      target: Number(target),
      signingRoot,
      ...fields,
    };
  }
  const [, slot, root] = BLOCK_KEY.exec(rest) ?? [];
  if (slot === undefined) return null;
  return { kind: "block", slot: Number(slot), signingRoot: signingRootOf(root), ...fields };
}

function signingRootOf(digits = UNKNOWN): Root | null {
  return digits === UNKNOWN ? null : (detached(`0x${digits}`) as Root);
}

/** A text of its own: a part of a key's would keep all of the key in memory. */
function detached(text: string): string {
  return Buffer.from(text, "latin1").toString("latin1");
}

function notOurs(key: string): Result<never, string> {
  return err(`${key} is no key of the slashing store`);
}

/** What a message's record says of its signer; null where it says nothing. */
export function decodeProvenance(key: string, value: Uint8Array): Provenance | null {
  if (value[0] !== SIGNED_VERSION) return null;
  const body = unseal(key, value, SIGNED_BYTES);
  if (!body.ok) return null;
  const pubShareAt = RECORD_BYTES + 4;
  const rootAt = pubShareAt + PUBLIC_KEY_BYTES;
  return {
    shareEpoch: readUint(body.value, { at: RECORD_BYTES, bytes: 4 }),
    pubShare: pubShareOf(body.value.subarray(pubShareAt, rootAt)),
    messageRoot: rootOf(body.value.subarray(rootAt)),
  };
}

function decodeWatermarks(key: string, value: Uint8Array): Result<Watermarks, string> {
  const body = unseal(key, value, WATERMARK_BYTES);
  if (!body.ok) return body;
  if (body.value[0] !== RECORD_VERSION) return err(`${key} has an unknown version`);
  const present = body.value[1] ?? 0;
  const attestation = {
    source: readUint(body.value, { at: 2, bytes: 8 }),
    target: readUint(body.value, { at: 10, bytes: 8 }),
  };
  return ok({
    attestation: (present & 1) === 0 ? null : attestation,
    block: (present & 2) === 0 ? null : { slot: readUint(body.value, { at: 18, bytes: 8 }) },
  });
}

/** The validators of a duty have the same epochs, in what they sign and in what is forgotten. */
const EPOCHS_REMEMBERED = 64;
const epochsByPlace: ({ readonly source: Epoch; readonly target: Epoch; text: string } | null)[] =
  new Array(EPOCHS_REMEMBERED).fill(null);

function epochsOf({ source, target }: { readonly source: Epoch; readonly target: Epoch }): string {
  const place = target % EPOCHS_REMEMBERED;
  const known = epochsByPlace[place];
  if (known?.source === source && known.target === target) return known.text;
  const text = `${sortable(target)}/${sortable(source)}`;
  epochsByPlace[place] = { source, target, text };
  return text;
}

/** They sign one message with as many shares as there are: neither is decoded each time. */
const KEYS_REMEMBERED = 16_384;
const bytesByKey = new BoundedCache<PubShare | Root, Uint8Array>(KEYS_REMEMBERED);

function rememberedBytesOf(text: PubShare | Root): Uint8Array {
  const known = bytesByKey.get(text);
  if (known !== undefined) return known;
  const bytes = bytesOf(text);
  bytesByKey.set(text, bytes);
  return bytes;
}

/** Fills in the checksum at the value's end. */
function seal(key: string, value: Uint8Array): Uint8Array {
  const at = value.length - CRC_BYTES;
  writeUint(value, { at, bytes: CRC_BYTES, number: checksumOf(key, value.subarray(0, at)) });
  return value;
}

type Field = { readonly at: number; readonly bytes: number };

/**
 * Big-endian. Written by hand: a DataView would move each of these small arrays off the heap, at
 * more than the cost of all else here.
 */
function writeUint(
  value: Uint8Array,
  { at, bytes, number }: Field & { readonly number: number },
): void {
  for (let i = at + bytes - 1, rest = number; i >= at; i--, rest = Math.floor(rest / 256)) {
    value[i] = rest % 256;
  }
}

function readUint(value: Uint8Array, { at, bytes }: Field): number {
  let number = 0;
  for (let i = at; i < at + bytes; i++) number = number * 256 + (value[i] ?? 0);
  return number;
}

function unseal(key: string, value: Uint8Array, bodyBytes: number): Result<Uint8Array, string> {
  if (value.length !== bodyBytes + CRC_BYTES) return err(`${key} has ${value.length} bytes`);
  const body = value.subarray(0, bodyBytes);
  const expected = readUint(value, { at: bodyBytes, bytes: CRC_BYTES });
  return checksumOf(key, body) === expected ? ok(body) : err(`${key} does not match its checksum`);
}

function checksumOf(key: string, body: Uint8Array): number {
  return crc32(body, crc32(key));
}
