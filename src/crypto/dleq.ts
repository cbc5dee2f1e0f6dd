/**
 * Proof that a point is the one which two secp256k1 keys share (Chaum and Pedersen, CRYPTO '92,
 * made non-interactive by Fiat and Shamir): whoever holds the secret of `publicKey` shows that
 * `sharedPoint` = secret·`base`, and nothing else about the secret.
 */
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { concatBytes, equalBytes } from "../util/bytes.ts";
import { isK1PublicKey } from "./k1.ts";
import { seededRandom } from "./seededRandom.ts";
import { sha256 } from "./sha256.ts";

const { Point } = secp256k1;
const { Fn } = Point;
type K1Point = InstanceType<typeof Point>;

const SCALAR_BYTES = 32;

/** Compressed points, 33 bytes each; `context` keeps proofs of different purposes apart. */
export type SharedPointClaim = {
  readonly context: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly base: Uint8Array;
  readonly sharedPoint: Uint8Array;
};

/** Challenge and response, 64 bytes. Deterministic: a claim has one proof. */
export function proveSharedPoint(claim: SharedPointClaim, secretKey: Uint8Array): Uint8Array {
  const nonceBytes = seededRandom(secretKey, transcriptOf(claim)).bytes(48);
  const nonce = Fn.create(integerOf(nonceBytes) % (Fn.ORDER - 1n)) + 1n;
  const commitments = [Point.BASE.multiply(nonce), Point.fromBytes(claim.base).multiply(nonce)];
  const challenge = challengeOf(claim, commitments);
  const response = Fn.add(nonce, Fn.mul(challenge, integerOf(secretKey)));
  return concatBytes(Fn.toBytes(challenge), Fn.toBytes(response));
}

/** False for anything malformed. */
export function verifySharedPoint(claim: SharedPointClaim, proof: Uint8Array): boolean {
  const keys = [claim.publicKey, claim.base, claim.sharedPoint];
  if (proof.length !== 2 * SCALAR_BYTES || !keys.every(isK1PublicKey)) return false;
  const challenge = integerOf(proof.subarray(0, SCALAR_BYTES));
  const response = integerOf(proof.subarray(SCALAR_BYTES));
  if (!Fn.isValidNot0(challenge) || !Fn.isValidNot0(response)) return false;
  const [publicKey, base, sharedPoint] = keys.map((key) => Point.fromBytes(key));
  if (publicKey === undefined || base === undefined || sharedPoint === undefined) return false;
  const minus = Fn.neg(challenge);
  const first = Point.BASE.multiplyUnsafe(response).add(publicKey.multiplyUnsafe(minus));
  const second = base.multiplyUnsafe(response).add(sharedPoint.multiplyUnsafe(minus));
  if (first.is0() || second.is0()) return false;
  const expected = Fn.toBytes(challengeOf(claim, [first, second]));
  return equalBytes(expected, proof.subarray(0, SCALAR_BYTES));
}

function transcriptOf({ context, publicKey, base, sharedPoint }: SharedPointClaim): Uint8Array {
  return sha256(sha256(context), publicKey, base, sharedPoint);
}

function challengeOf(claim: SharedPointClaim, commitments: readonly K1Point[]): bigint {
  const digest = sha256(transcriptOf(claim), ...commitments.map((point) => point.toBytes(true)));
  return Fn.create(integerOf(digest));
}

function integerOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
}
