/**
 * Ethereum node records (EIP-778), identity scheme v4: `enr:` and the base64url of
 * RLP [signature, seq, k₁, v₁, …], signed with the node's secp256k1 key over Keccak-256 of the list
 * without its signature. An operator's record in a cluster file holds its public key and, as Charon
 * writes it, sequence number 0 and nothing else.
 */
import { RLP } from "micro-eth-signer/core/rlp.js";
import { compareBytes, equalBytes, toHex } from "../util/bytes.ts";
import { err, ok, type Result } from "../util/result.ts";
import { isK1PublicKey, k1PublicKey, k1Recover, k1Sign, uncompressedK1 } from "./k1.ts";
import { keccak256 } from "./keccak.ts";

export type Enr = {
  /** The record as it was read. */
  readonly text: string;
  /** 33 bytes, compressed. */
  readonly publicKey: Uint8Array;
  readonly seq: bigint;
  /** Values by key; `id` and `secp256k1` are always there. */
  readonly pairs: ReadonlyMap<string, Uint8Array>;
};

const PREFIX = "enr:";
/** EIP-778: "The maximum encoded size of a node record is 300 bytes." */
const MAX_ENR_BYTES = 300;
const SIGNATURE_BYTES = 64;
const SEQ_BYTES = 8;

/** The record of a node, deterministic in its inputs; `extra` holds pairs besides the identity. */
export function encodeEnr(input: {
  readonly secretKey: Uint8Array;
  readonly seq?: bigint;
  readonly extra?: ReadonlyMap<string, Uint8Array>;
}): string {
  const { secretKey, seq = 0n, extra } = input;
  const pairs = new Map<string, Uint8Array>([
    ...(extra ?? []),
    ["id", Buffer.from("v4")],
    ["secp256k1", k1PublicKey(secretKey)],
  ]);
  const sorted = [...pairs].sort(([a], [b]) => compareBytes(Buffer.from(a), Buffer.from(b)));
  const content = [seq, ...sorted.flat()];
  const signature = k1Sign(keccak256(RLP.encode(content)), secretKey).subarray(0, SIGNATURE_BYTES);
  const record = RLP.encode([signature, ...content]);
  return PREFIX + Buffer.from(record).toString("base64url");
}

/** Decodes and verifies a record: canonical encoding, keys in order, signature (ID-3). */
export function decodeEnr(text: string): Result<Enr, string> {
  const body = text.slice(PREFIX.length).replace(/={1,2}$/, "");
  const record = new Uint8Array(Buffer.from(body, "base64url"));
  if (!text.startsWith(PREFIX) || Buffer.from(record).toString("base64url") !== body) {
    return err("an ENR is `enr:` followed by base64url text");
  }
  if (record.length > MAX_ENR_BYTES) return err(`an ENR has at most ${MAX_ENR_BYTES} bytes`);
  const items = decodeByteList(record);
  const [signature, seqBytes, ...flat] = items ?? [];
  if (signature === undefined || seqBytes === undefined || flat.length % 2 !== 0) {
    return err("an ENR is an RLP list of a signature, a sequence number and pairs");
  }
  if (signature.length !== SIGNATURE_BYTES || seqBytes.length > SEQ_BYTES || seqBytes[0] === 0) {
    return err("an ENR has a 64-byte signature and a 64-bit sequence number");
  }
  const pairs = pairsOf(flat);
  if (pairs === null) return err("an ENR's keys are distinct and sorted");
  const publicKey = pairs.get("secp256k1");
  if (!equalBytes(pairs.get("id") ?? new Uint8Array(), Buffer.from("v4"))) {
    return err("the only known ENR identity scheme is v4");
  }
  if (publicKey === undefined || !isK1PublicKey(publicKey)) {
    return err("an ENR of scheme v4 has a compressed secp256k1 public key");
  }
  const digest = keccak256(RLP.encode([seqBytes, ...flat]));
  if (!isSignedBy(publicKey, digest, signature)) return err("the ENR's signature does not verify");
  const seq = BigInt(`0x0${toHex(seqBytes).slice(2)}`);
  return ok({ text, publicKey, seq, pairs });
}

/** The v4 node id: Keccak-256 of the uncompressed public key, 32 bytes. */
export function nodeIdOf(publicKey: Uint8Array): Uint8Array {
  return keccak256(uncompressedK1(publicKey));
}

/** ENR signatures carry no V: one of the two keys that R ‖ S admits must be the record's. */
function isSignedBy(publicKey: Uint8Array, digest: Uint8Array, compact: Uint8Array): boolean {
  return [0, 1].some((v) => {
    const signer = k1Recover(digest, new Uint8Array([...compact, v]));
    return signer !== null && equalBytes(signer, publicKey);
  });
}

/** The byte strings of a flat RLP list, or null; micro-eth-signer throws for what is not RLP. */
function decodeByteList(bytes: Uint8Array): Uint8Array[] | null {
  const list = decodeRlp(bytes);
  if (!Array.isArray(list)) return null;
  const items = list.filter((item) => item instanceof Uint8Array);
  return items.length === list.length ? items : null;
}

function decodeRlp(bytes: Uint8Array): unknown {
  try {
    return RLP.decode(bytes);
  } catch (error) {
    if (error instanceof Error) return null;
    throw error;
  }
}

function pairsOf(flat: readonly Uint8Array[]): Map<string, Uint8Array> | null {
  const pairs = new Map<string, Uint8Array>();
  let last: Uint8Array | null = null;
  for (let i = 0; i + 1 < flat.length; i += 2) {
    const [key, value] = flat.slice(i, i + 2);
    if (key === undefined || value === undefined) return null;
    if (last !== null && compareBytes(last, key) >= 0) return null;
    pairs.set(Buffer.from(key).toString("utf8"), value);
    last = key;
  }
  return pairs;
}
