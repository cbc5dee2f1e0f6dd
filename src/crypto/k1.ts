/**
 * ECDSA on secp256k1, the curve of node identities, ENRs and cluster files. Signatures are
 * R ‖ S ‖ V over a 32-byte digest that is signed as it is (RFC 6979 nonces, low S, V 0 or 1).
 *
 * libsecp256k1 (an optional dependency, 35 µs) does the work where it has a prebuilt binary; the
 * portable implementation gives the same results in 1 ms (ID-2).
 */
import { secp256k1 } from "@noble/curves/secp256k1.js";
import type { Random } from "../ports/random.ts";
import { assert } from "../util/assert.ts";
import { equalBytes } from "../util/bytes.ts";
import { keccak256 } from "./keccak.ts";

const K1_SECRET_KEY_BYTES = 32;
const K1_PUBLIC_KEY_BYTES = 33;
const K1_SIGNATURE_BYTES = 65;
const DIGEST_BYTES = 32;
const COMPACT_BYTES = 64;

/** Order n of the curve; a signature's S lies in its lower half. */
const ORDER: bigint = secp256k1.Point.Fn.ORDER;
/** V as Ethereum wallets write it: 27 plus the recovery id. */
const WALLET_V = 27;

/** What both implementations offer; inputs are well formed, see the exported functions. */
export interface K1Backend {
  readonly name: "native" | "portable";
  publicKey(secretKey: Uint8Array): Uint8Array;
  /** Whether 33 bytes are a compressed point. */
  isPublicKey(bytes: Uint8Array): boolean;
  sign(digest: Uint8Array, secretKey: Uint8Array): Uint8Array;
  /** secretKey·publicKey, compressed; in constant time. */
  sharedPoint(secretKey: Uint8Array, publicKey: Uint8Array): Uint8Array;
  /** The compressed key under which R ‖ S over the digest verifies; null when there is none. */
  recover(digest: Uint8Array, compact: Uint8Array, recoveryId: 0 | 1): Uint8Array | null;
}

export const portableBackend: K1Backend = {
  name: "portable",
  publicKey: (secretKey) => secp256k1.getPublicKey(secretKey, true),
  isPublicKey: (bytes) => secp256k1.utils.isValidPublicKey(bytes, true),
  sign: (digest, secretKey) => {
    const out = secp256k1.sign(digest, secretKey, { prehash: false, format: "recovered" });
    return join(out.subarray(1), out[0] ?? 0);
  },
  sharedPoint: (secretKey, publicKey) => secp256k1.getSharedSecret(secretKey, publicKey, true),
  recover: (digest, compact, recoveryId) => {
    const recovered = new Uint8Array([recoveryId, ...compact]);
    return orNull(() => secp256k1.recoverPublicKey(recovered, digest, { prehash: false }));
  },
};

/** The backend in use on this machine. */
export const k1Backend: K1Backend = (await loadNativeBackend()) ?? portableBackend;

/** Whether the 32 bytes are a secret key: 0 < key < n. */
export function isK1SecretKey(bytes: Uint8Array): boolean {
  return bytes.length === K1_SECRET_KEY_BYTES && secp256k1.utils.isValidSecretKey(bytes);
}

/** A new secret key: 32 uniformly random bytes that are a key, as all but 2^-128 are. */
export function generateK1SecretKey(random: Random): Uint8Array {
  const key = random.bytes(K1_SECRET_KEY_BYTES);
  assert(isK1SecretKey(key), "32 random bytes are a secp256k1 key");
  return key;
}

/** The 33-byte compressed public key. */
export function k1PublicKey(secretKey: Uint8Array): Uint8Array {
  assert(isK1SecretKey(secretKey), "a secp256k1 secret key lies in 1…n−1");
  return k1Backend.publicKey(secretKey);
}

/** R ‖ S ‖ V over a 32-byte digest: 65 bytes, low S, V 0 or 1. */
export function k1Sign(digest: Uint8Array, secretKey: Uint8Array): Uint8Array {
  assert(digest.length === DIGEST_BYTES, "a digest has 32 bytes");
  assert(isK1SecretKey(secretKey), "a secp256k1 secret key lies in 1…n−1");
  return k1Backend.sign(digest, secretKey);
}

/**
 * The compressed public key whose owner made the 65-byte signature; null for none. Reads what Obol
 * files hold: V 0, 1, 27 or 28, and any S.
 */
export function k1Recover(digest: Uint8Array, signature: Uint8Array): Uint8Array | null {
  if (digest.length !== DIGEST_BYTES || signature.length !== K1_SIGNATURE_BYTES) return null;
  const v = signature[COMPACT_BYTES] ?? 0;
  const recoveryId = v >= WALLET_V ? v - WALLET_V : v;
  if (recoveryId !== 0 && recoveryId !== 1) return null;
  return k1Backend.recover(digest, signature.subarray(0, COMPACT_BYTES), recoveryId);
}

/** The point that two keys share, secret·public, compressed: 33 bytes. */
export function k1SharedPoint(secretKey: Uint8Array, publicKey: Uint8Array): Uint8Array {
  assert(isK1SecretKey(secretKey), "a secp256k1 secret key lies in 1…n−1");
  assert(isK1PublicKey(publicKey), "the other key was checked to be one");
  return k1Backend.sharedPoint(secretKey, publicKey);
}

/**
 * Whether `signature` is the one canonical form of a signature over `digest` by `publicKey`: 65
 * bytes, V 0 or 1 and right, S in the lower half (ID-1).
 */
export function k1Verify(input: {
  readonly publicKey: Uint8Array;
  readonly digest: Uint8Array;
  readonly signature: Uint8Array;
}): boolean {
  const { publicKey, digest, signature } = input;
  if (!isCanonical(signature)) return false;
  const signer = k1Recover(digest, signature);
  return signer !== null && equalBytes(signer, publicKey);
}

/** The execution-layer address of a public key: 20 bytes. */
export function addressOf(publicKey: Uint8Array): Uint8Array {
  return keccak256(uncompressedK1(publicKey)).subarray(12);
}

/** The coordinates x ‖ y of a compressed public key: 64 bytes. */
export function uncompressedK1(publicKey: Uint8Array): Uint8Array {
  return secp256k1.Point.fromBytes(publicKey).toBytes(false).subarray(1);
}

/** Whether the bytes are the compressed encoding of a point other than infinity. */
export function isK1PublicKey(bytes: Uint8Array): boolean {
  return bytes.length === K1_PUBLIC_KEY_BYTES && k1Backend.isPublicKey(bytes);
}

function isCanonical(signature: Uint8Array): boolean {
  if (signature.length !== K1_SIGNATURE_BYTES) return false;
  if ((signature[COMPACT_BYTES] ?? 0) > 1) return false;
  const s = BigInt(`0x${Buffer.from(signature.subarray(32, COMPACT_BYTES)).toString("hex")}`);
  return s <= ORDER / 2n;
}

/** Null where no prebuilt binary fits, or where it does not reproduce the portable results. */
async function loadNativeBackend(): Promise<K1Backend | null> {
  try {
    const { default: native } = await import("secp256k1/bindings.js");
    const backend = nativeBackend(native);
    return reproduces(portableBackend, backend) ? backend : null;
  } catch (error) {
    // Not installed, or installed without a binary for this platform (node-gyp-build).
    if (error instanceof Error) return null;
    throw error;
  }
}

type Native = typeof import("secp256k1/bindings.js");

function nativeBackend(native: Native): K1Backend {
  return {
    name: "native",
    publicKey: (secretKey) => native.publicKeyCreate(secretKey, true),
    isPublicKey: (bytes) => native.publicKeyVerify(bytes),
    sign: (digest, secretKey) => {
      const { signature, recid } = native.ecdsaSign(digest, secretKey);
      return join(signature, recid);
    },
    sharedPoint: (secretKey, publicKey) =>
      native.ecdh(
        publicKey,
        secretKey,
        { hashfn: compressedPoint },
        new Uint8Array(K1_PUBLIC_KEY_BYTES),
      ),
    recover: (digest, compact, recoveryId) =>
      orNull(() => native.ecdsaRecover(compact, recoveryId, digest)),
  };
}

function compressedPoint(x: Uint8Array, y: Uint8Array): Uint8Array {
  return Uint8Array.of(2 + ((y.at(-1) ?? 0) & 1), ...x);
}

function reproduces(reference: K1Backend, candidate: K1Backend): boolean {
  const secretKey = new Uint8Array(K1_SECRET_KEY_BYTES).fill(1);
  const digest = new Uint8Array(DIGEST_BYTES).fill(2);
  const expected = reference.sign(digest, secretKey);
  if (!equalBytes(candidate.sign(digest, secretKey), expected)) return false;
  const publicKey = reference.publicKey(secretKey);
  const noPoint = publicKey.with(0, 0);
  if (!candidate.isPublicKey(publicKey) || candidate.isPublicKey(noPoint)) return false;
  const shared = reference.sharedPoint(secretKey, publicKey);
  if (!equalBytes(candidate.sharedPoint(secretKey, publicKey), shared)) return false;
  const recoveryId = expected[COMPACT_BYTES] === 1 ? 1 : 0;
  const signer = candidate.recover(digest, expected.subarray(0, COMPACT_BYTES), recoveryId);
  return signer !== null && equalBytes(signer, publicKey);
}

function join(compact: Uint8Array, recoveryId: number): Uint8Array {
  // A recovery id of 2 or 3 needs R ≥ n before reduction: probability 2^-128 (SEC 1, §4.1.6).
  assert(recoveryId === 0 || recoveryId === 1, "a recovery id is 0 or 1");
  return new Uint8Array([...compact, recoveryId]);
}

/** Both libraries throw a plain Error for a signature that recovers to nothing. */
function orNull<T>(call: () => T): T | null {
  try {
    return call();
  } catch (error) {
    if (error instanceof Error) return null;
    throw error;
  }
}
