/**
 * One dealer's part: a polynomial for each validator, shares sealed for each receiver, proofs. All
 * of it follows from the attempt's seed and the session, so that it can be made again after a crash
 * and is never made differently for one session (DKG-12).
 */

import { type Commitments, commitTo, encodeCommitments } from "../crypto/feldman.ts";
import { generateK1SecretKey, k1PublicKey, k1SharedPoint, k1Sign } from "../crypto/k1.ts";
import { parseSecretKey } from "../crypto/points.ts";
import { sealBytes } from "../crypto/sealing.ts";
import { seededRandom } from "../crypto/seededRandom.ts";
import { sha256 } from "../crypto/sha256.ts";
import { evaluate, randomPolynomial, randomScalar, scalarBytes } from "../crypto/shamir.ts";
import { type PeerIndex, shareIndexOf } from "../domain/keys.ts";
import type { Random } from "../ports/random.ts";
import { assert } from "../util/assert.ts";
import { concatBytes, uint32be } from "../util/bytes.ts";
import type { AgreeBody, CeremonyShape } from "../wire/ceremonyBodies.ts";
import { domainTag } from "../wire/signing.ts";
import { possessionDigest, proofMessage, sealingContext } from "./digests.ts";
import type { Dealt } from "./judge.ts";

const RECEIVING = domainTag("coterie/dkg/seed/receiving");
const POLYNOMIALS = domainTag("coterie/dkg/seed/polynomials");
const EPHEMERALS = domainTag("coterie/dkg/seed/ephemerals");
const WEIGHTS = domainTag("coterie/dkg/seed/weights");

export type Dealing = {
  readonly dealt: Dealt;
  /** By receiver; null for the dealer itself. */
  readonly sealedShares: readonly (Uint8Array | null)[];
  /** The dealer's own share of each validator, 32 bytes. */
  readonly ownShares: readonly Uint8Array[];
};

/** The secret of the key that shares are sealed for in this attempt. */
export function receivingSecret(seed: Uint8Array, attempt: Uint8Array): Uint8Array {
  return generateK1SecretKey(seededRandom(seed, concatBytes(RECEIVING, attempt)));
}

export function agreeBody(input: {
  readonly seed: Uint8Array;
  readonly attempt: Uint8Array;
  readonly author: PeerIndex;
  readonly version: string;
}): AgreeBody {
  const { seed, attempt, author, version } = input;
  const secret = receivingSecret(seed, attempt);
  const receivingKey = k1PublicKey(secret);
  const possession = k1Sign(possessionDigest(attempt, author, receivingKey), secret);
  return { version, receivingKey, possession };
}

/** Weights for batches: unknown to every dealer when it dealt. */
export function checkingRandom(seed: Uint8Array, session: Uint8Array, dealer: PeerIndex): Random {
  return seededRandom(seed, concatBytes(WEIGHTS, session, uint32be(dealer)));
}

export function deal(input: {
  readonly seed: Uint8Array;
  readonly session: Uint8Array;
  readonly dealer: PeerIndex;
  readonly shape: CeremonyShape;
  /** By operator, 33 bytes each. */
  readonly receivingKeys: readonly Uint8Array[];
}): Dealing {
  const { seed, session, dealer, shape, receivingKeys } = input;
  const { nodes, threshold, validators } = shape;
  const random = seededRandom(seed, concatBytes(POLYNOMIALS, session));
  const points: Commitments[] = [];
  const proofs: Uint8Array[] = [];
  const shares: Uint8Array[][] = Array.from({ length: nodes }, () => []);
  for (let validator = 0; validator < validators; validator++) {
    const secret = randomScalar(random);
    const polynomial = randomPolynomial({ secret, threshold, random });
    const committed = commitTo(polynomial);
    points.push(committed);
    const message = proofMessage({ session, dealer, validator }, encodeCommitments(committed));
    proofs.push(prove(scalarBytes(secret), message));
    for (const [receiver, own] of shares.entries()) {
      own.push(scalarBytes(evaluate(polynomial, shareIndexOf(receiver))));
    }
  }
  const ephemeralRandom = seededRandom(seed, concatBytes(EPHEMERALS, session));
  const boxes = receivingKeys.map((receivingKey, receiver) => {
    const plaintext = concatBytes(...(shares[receiver] ?? []));
    return receiver === dealer
      ? null
      : seal({ session, dealer, receiver, receivingKey, plaintext }, ephemeralRandom);
  });
  const sent = boxes.filter((box) => box !== null);
  return {
    dealt: {
      points,
      commitments: points.map(encodeCommitments),
      proofs,
      ephemerals: sent.map(({ ephemeral }) => ephemeral),
      sealedHashes: sent.map(({ sealedShares }) => sha256(sealedShares)),
    },
    sealedShares: boxes.map((box) => box?.sealedShares ?? null),
    ownShares: shares[dealer] ?? [],
  };
}

function seal(
  input: {
    readonly session: Uint8Array;
    readonly dealer: PeerIndex;
    readonly receiver: PeerIndex;
    readonly receivingKey: Uint8Array;
    readonly plaintext: Uint8Array;
  },
  random: Random,
): { readonly ephemeral: Uint8Array; readonly sealedShares: Uint8Array } {
  const secret = generateK1SecretKey(random);
  const ephemeral = k1PublicKey(secret);
  const sharedPoint = k1SharedPoint(secret, input.receivingKey);
  const context = sealingContext({ ...input, ephemeral });
  const sealedShares = sealBytes({ sharedPoint, context }, input.plaintext);
  for (const erased of [secret, sharedPoint, input.plaintext]) erased.fill(0);
  return { ephemeral, sealedShares };
}

function prove(secret: Uint8Array, message: Uint8Array): Uint8Array {
  const key = parseSecretKey(secret);
  assert(key !== null, "a constant term is a secret key");
  secret.fill(0);
  return key.sign(message);
}
