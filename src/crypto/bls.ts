/**
 * BLS signatures on BLS12-381 with 48-byte public keys and 96-byte signatures, in the
 * proof-of-possession scheme that Ethereum uses (draft-irtf-cfrg-bls-signature-05; consensus specs,
 * phase 0, "BLS signatures"). All point operations are blst's.
 *
 * Everything here is synchronous: a result that arrives on another thread's schedule would make a
 * recorded run impossible to replay.
 */
import {
  aggregateSignatures,
  aggregateWithRandomness,
  type PublicKey as BlstPublicKey,
  verify as blstVerify,
  type SignatureSet,
  aggregateVerify as verifyDistinct,
  fastAggregateVerify as verifyFast,
  verifyMultipleAggregateSignatures,
} from "@chainsafe/blst";
import {
  bytesOf,
  type PubKey,
  type PubShare,
  SIGNATURE_BYTES,
  type Signature as SignatureBytes,
} from "../domain/keys.ts";
import { MAX_CACHED_PUBLIC_KEYS, MAX_VERIFIED_SIGNATURES } from "../domain/limits.ts";
import type { Bls, SignatureCheck } from "../ports/bls.ts";
import { BoundedCache } from "../util/boundedCache.ts";
import { toHex } from "../util/bytes.ts";
import { decode, parsePublicKey, parseSecretKey, parseSignature } from "./points.ts";
import { combineSignatures } from "./threshold.ts";

/** The blst implementation of the Bls port; one instance per process, it caches parsed keys. */
export function createBls(): Bls {
  const keys: KeyCache = new BoundedCache(MAX_CACHED_PUBLIC_KEYS);
  const verified = new VerifiedChecks();
  return {
    verify: async (check) => {
      if (verified.has(check)) return true;
      const isValid = verifyOne(check, keys);
      if (isValid) verified.add(check);
      return isValid;
    },
    verifyBatch: async (checks) => {
      const open = checks.filter((check) => !verified.has(check));
      const areValid = verifyMany(open, keys);
      if (areValid) for (const check of open) verified.add(check);
      return areValid;
    },
    combine: async (shares) => combineSignatures(shares),
  };
}

/** The signature of `message` under a 32-byte secret key; null when that is no valid key. */
export function sign(secretKey: Uint8Array, message: Uint8Array): SignatureBytes | null {
  return parseSecretKey(secretKey)?.sign(message) ?? null;
}

/** Whether `signature` over `message` verifies; false for any malformed input. */
export function verify(input: {
  readonly publicKey: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}): boolean {
  const publicKey = parsePublicKey(input.publicKey);
  const signature = parseSignature(input.signature);
  if (publicKey === null || signature === null) return false;
  return blstVerify(input.message, publicKey, signature, false, false);
}

/**
 * The sum of at least one signature; null for none and when one lies outside G2. As the standard
 * has it, infinity adds nothing, and a sum of infinity verifies for no key (BLS-2).
 */
export function aggregate(signatures: readonly Uint8Array[]): SignatureBytes | null {
  const points = parseAll(signatures, (bytes) => parseSignature(bytes, "infinity allowed"));
  if (points === null || points.length === 0) return null;
  return aggregateSignatures(points, false).toBytes();
}

/**
 * Whether the aggregate of signatures by all `publicKeys` over one message verifies. Only for keys
 * whose possession was proved: anybody can choose a key that cancels the others' (rogue key).
 */
export function fastAggregateVerify(input: {
  readonly publicKeys: readonly Uint8Array[];
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}): boolean {
  const keys = parseAll(input.publicKeys, parsePublicKey);
  const signature = parseSignature(input.signature);
  if (keys === null || keys.length === 0 || signature === null) return false;
  return verifyFast(input.message, keys, signature, false);
}

/** Whether an aggregate over one message per public key verifies. */
export function aggregateVerify(input: {
  readonly publicKeys: readonly Uint8Array[];
  readonly messages: readonly Uint8Array[];
  readonly signature: Uint8Array;
}): boolean {
  const keys = parseAll(input.publicKeys, parsePublicKey);
  const signature = parseSignature(input.signature);
  if (keys === null || keys.length === 0 || signature === null) return false;
  if (keys.length !== input.messages.length) return false;
  return verifyDistinct([...input.messages], keys, signature, false, false);
}

/** Whether each of the (public key, message, signature) triples verifies. True for none. */
export function batchVerify(
  checks: readonly {
    readonly publicKey: Uint8Array;
    readonly message: Uint8Array;
    readonly signature: Uint8Array;
  }[],
): boolean {
  const sets: SignatureSet[] = [];
  for (const check of checks) {
    const pk = parsePublicKey(check.publicKey);
    const sig = parseSignature(check.signature);
    if (pk === null || sig === null) return false;
    sets.push({ msg: check.message, pk, sig });
  }
  return verifySets(sets);
}

/** Like `Bls.verifyBatch`, at once on this thread; the returned function caches parsed keys. */
export function createBatchVerifier(): (checks: readonly SignatureCheck[]) => boolean {
  const keys: KeyCache = new BoundedCache(MAX_CACHED_PUBLIC_KEYS);
  return (checks) => verifyMany(checks, keys);
}

type KeyCache = BoundedCache<PubKey | PubShare, BlstPublicKey>;

/**
 * BLS-7: what verified once verifies again. A client repeats a submission, and the group's randao
 * reveal comes back inside the block that was built on it.
 */
class VerifiedChecks {
  /** Signing root and key of each signature, which are what it was verified for. */
  readonly #claims = new BoundedCache<string, string>(MAX_VERIFIED_SIGNATURES);

  has({ publicKey, signingRoot, signature }: SignatureCheck): boolean {
    return this.#claims.get(toHex(signature)) === `${signingRoot}${publicKey}`;
  }

  add({ publicKey, signingRoot, signature }: SignatureCheck): void {
    this.#claims.set(toHex(signature), `${signingRoot}${publicKey}`);
  }
}

function verifyOne(check: SignatureCheck, keys: KeyCache): boolean {
  const publicKey = cachedPublicKey(check.publicKey, keys);
  const signature = parseSignature(check.signature);
  if (publicKey === null || signature === null) return false;
  return blstVerify(bytesOf(check.signingRoot), publicKey, signature, false, false);
}

/**
 * Random linear combination (ethresear.ch/t/5407; 64-bit scalars): signatures over one root fold
 * into one pair first, then one pairing per distinct root remains. Keys and signatures are blinded
 * by the same scalars, so neither a rogue key nor two wrong signatures that cancel pass (BLS-3).
 */
function verifyMany(checks: readonly SignatureCheck[], keys: KeyCache): boolean {
  const sets: SignatureSet[] = [];
  for (const [root, group] of Map.groupBy(checks, (check) => check.signingRoot)) {
    const pairs: { pk: BlstPublicKey; sig: Uint8Array }[] = [];
    for (const { publicKey, signature } of group) {
      const pk = cachedPublicKey(publicKey, keys);
      if (pk === null || signature.length !== SIGNATURE_BYTES) return false;
      pairs.push({ pk, sig: signature });
    }
    const folded = fold(pairs);
    if (folded === null) return false;
    sets.push({ msg: bytesOf(root), ...folded });
  }
  return verifySets(sets);
}

/** One pair is what it is: its random factor would cost half as much as its verification. */
function fold(pairs: { pk: BlstPublicKey; sig: Uint8Array }[]): Omit<SignatureSet, "msg"> | null {
  const [first] = pairs;
  if (first === undefined || pairs.length > 1) return decode(() => aggregateWithRandomness(pairs));
  const sig = parseSignature(first.sig);
  return sig === null ? null : { pk: first.pk, sig };
}

function verifySets(sets: SignatureSet[]): boolean {
  const [first] = sets;
  if (first === undefined) return true;
  if (sets.length === 1) return blstVerify(first.msg, first.pk, first.sig, false, false);
  return verifyMultipleAggregateSignatures(sets, false, false);
}

/** Parses and validates a key once: 45 µs, against the 0.7 ms of the verification it serves. */
function cachedPublicKey(text: PubKey | PubShare, keys: KeyCache): BlstPublicKey | null {
  const known = keys.get(text);
  if (known !== undefined) return known;
  const parsed = parsePublicKey(bytesOf(text));
  if (parsed !== null) keys.set(text, parsed);
  return parsed;
}

function parseAll<T>(
  items: readonly Uint8Array[],
  parse: (bytes: Uint8Array) => T | null,
): T[] | null {
  const out: T[] = [];
  for (const item of items) {
    const parsed = parse(item);
    if (parsed === null) return null;
    out.push(parsed);
  }
  return out;
}
