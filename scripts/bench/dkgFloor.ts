/**
 * What one operator of a ceremony has to compute at least: the primitives that the protocol cannot
 * do without, each measured where the ceremony is.
 */
import {
  aggregatePublicKeys,
  aggregateWithRandomness,
  PublicKey,
  SecretKey,
  Signature,
  verify,
  verifyMultipleAggregateSignatures,
} from "@chainsafe/blst";
import { k1PublicKey, k1SharedPoint, k1Sign, k1Verify } from "../../src/crypto/k1.ts";
import { sealBytes } from "../../src/crypto/sealing.ts";
import { combineSignatures } from "../../src/crypto/threshold.ts";
import { ECHOED_PHASES } from "../../src/dkg/transcript.ts";
import { assert } from "../../src/util/assert.ts";
import { CEREMONY_PHASES } from "../../src/wire/ceremony.ts";
import { median } from "./statistics.ts";

export type CeremonySize = {
  readonly nodes: number;
  readonly threshold: number;
  readonly validators: number;
};

const MESSAGES = CEREMONY_PHASES.length;
const ECHOES = ECHOED_PHASES.size;
/** Proofs of one dealer, and validators whose shares' signatures, are verified by one call. */
const PROOF_BATCH = 256;
const SHARE_BATCH = 64;
/** One deposit and one registration. */
const PRE_SIGNED = 2;
/** Digits of the weights of a batch of shares, each one addition. */
const WEIGHT_DIGITS = 34;
const BATCH = 256;
const ROUNDS = 5;

type CurveCost =
  | "baseMultiply"
  | "sign"
  | "decodeKey"
  | "decodeSignature"
  | "verify"
  | "verifyAlone"
  | "fold"
  | "add";
type IdentityCost = "identitySign" | "identityVerify" | "identityKey" | "sharedPoint" | "seal";

/** CPU milliseconds of one operation each. */
type Costs = Readonly<Record<CurveCost | IdentityCost, number>> & {
  readonly combine: (threshold: number) => number;
};

/** What one operator has to do at least, in the order of the phases. */
export function floorOf({ nodes, threshold, validators }: CeremonySize, costs: Costs): number {
  const others = nodes - 1;
  const dealing = validators * (threshold * costs.baseMultiply + costs.sign);
  const dealings = others * validators * (threshold * costs.decodeKey + costs.verify);
  const shares = others * validators * threshold * WEIGHT_DIGITS * costs.add;
  // Sums over the dealers, then Horner's rule for every operator.
  const horner = (threshold - 1) * (nodes * (nodes + 3)) * costs.add;
  const keys = validators * (threshold * nodes * costs.add + horner + costs.baseMultiply);
  const roots = validators * PRE_SIGNED;
  const preSigned =
    roots * (costs.sign + nodes * costs.fold + costs.verify + costs.combine(threshold));
  const lock = validators * (costs.sign + nodes * costs.fold);
  const tests = validators * nodes * costs.decodeSignature;
  // The finished file by the verifier of such files: every key, every signature.
  const file =
    roots * costs.verify +
    validators * nodes * (2 * costs.decodeKey + costs.decodeSignature) +
    validators * threshold * costs.add;
  const curves = dealing + dealings + shares + keys + preSigned + lock + tests + file;
  return curves + fixedFloorOf({ nodes, threshold, validators }, costs);
}

/** What does not grow with the validators, or only by whole batches. */
function fixedFloorOf({ nodes, validators }: CeremonySize, costs: Costs): number {
  const others = nodes - 1;
  const signed = MESSAGES + ECHOES + 2;
  // Of everybody else: each statement, its receiving key, its signature of the lock; in the
  // finished file once more, with every operator's record.
  const verified = others * (MESSAGES + ECHOES + 2) + 2 * nodes;
  const identity = signed * costs.identitySign + verified * costs.identityVerify;
  const sealing = (1 + others) * costs.identityKey + 2 * others * (costs.sharedPoint + costs.seal);
  const proofs = others * Math.ceil(validators / PROOF_BATCH);
  const shares = 2 * Math.ceil(validators / SHARE_BATCH);
  // The lock's root, and the aggregate and the pre-signed messages of the finished file.
  const pairings = (proofs + shares + 2) * (costs.verifyAlone - costs.verify);
  return identity + sealing + pairings + (1 + shares / 2) * costs.verify;
}

export function measureCosts(): Costs {
  const keys = Array.from({ length: BATCH }, (_, i) =>
    SecretKey.fromKeygen(new Uint8Array(32).fill(i)),
  );
  const publicKeys = keys.map((key) => key.toPublicKey());
  const message = new Uint8Array(32).fill(3);
  const messages = keys.map((_, i) => new Uint8Array(104).fill(i));
  const same = keys.map((key) => key.sign(message));
  const sets = keys.map((key, i) => {
    const msg = messages[i] ?? message;
    return { msg, pk: key.toPublicKey(), sig: key.sign(msg) };
  });
  const encodedKeys = publicKeys.map((key) => key.toBytes());
  const encoded = same.map((signature) => signature.toBytes());
  const pairs = publicKeys.map((pk, i) => ({ pk, sig: encoded[i] ?? new Uint8Array() }));
  const each = (work: () => unknown): number =>
    median(Array.from({ length: ROUNDS }, () => cpuOf(work))) / BATCH;
  const combine = (threshold: number): number =>
    each(() => {
      for (let i = 0; i < BATCH; i++) {
        combineSignatures(
          Array.from({ length: threshold }, (_, j) => ({
            index: j + 1,
            signature: encoded[(i + j) % BATCH] ?? new Uint8Array(),
          })),
        );
      }
    });
  const secretKey = new Uint8Array(32).fill(5);
  const identityKey = k1PublicKey(secretKey);
  const signature = k1Sign(message, secretKey);
  const sharedPoint = k1SharedPoint(secretKey, identityKey);
  const [set] = sets;
  assert(set !== undefined, "there is a batch");
  const all = (work: () => unknown) => () => keys.map(work);
  return {
    identitySign: each(all(() => k1Sign(message, secretKey))),
    identityVerify: each(
      all(() => k1Verify({ publicKey: identityKey, digest: message, signature })),
    ),
    identityKey: each(all(() => k1PublicKey(secretKey))),
    sharedPoint: each(all(() => k1SharedPoint(secretKey, identityKey))),
    seal: each(all(() => sealBytes({ sharedPoint, context: message }, message))),
    verifyAlone: each(all(() => verify(set.msg, set.pk, set.sig, false, true))),
    baseMultiply: each(() => keys.map((key) => key.toPublicKey().toBytes())),
    sign: each(() => keys.map((key) => key.sign(message).toBytes())),
    decodeKey: each(() => encodedKeys.map((bytes) => PublicKey.fromBytes(bytes, true))),
    decodeSignature: each(() => encoded.map((bytes) => Signature.fromBytes(bytes, true, true))),
    verify: each(() => verifyMultipleAggregateSignatures(sets, false, true)),
    fold: each(() => aggregateWithRandomness(pairs)),
    add: each(() => aggregatePublicKeys(publicKeys, false)),
    combine,
  };
}

export function cpuOf(work: () => unknown): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
