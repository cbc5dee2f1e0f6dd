/**
 * What is signed and hashed in a ceremony (DKG-3). Every digest is a SHA-256 over fields of fixed
 * width behind a tag of its own. Signatures of a phase are over its *context*, which chains the
 * vectors of hashes of all earlier phases: a signature says with it what its author had seen.
 */
import { sha256 } from "../crypto/sha256.ts";
import {
  bytesOf,
  type PeerIndex,
  type PubKey,
  type PubShare,
  type Root,
  rootOf,
} from "../domain/keys.ts";
import { concatBytes, uint32be } from "../util/bytes.ts";
import {
  CEREMONY_PROTOCOL,
  type CeremonyEcho,
  type CeremonyPhase,
  PHASE_NUMBERS,
} from "../wire/ceremony.ts";
import { domainTag } from "../wire/signing.ts";
import type { CeremonyFacts } from "./facts.ts";

const ATTEMPT = domainTag("coterie/dkg/attempt");
const CONTEXT = domainTag("coterie/dkg/context");
const MESSAGE = domainTag("coterie/dkg/message");
const ECHO = domainTag("coterie/dkg/echo");
const POSSESSION = domainTag("coterie/dkg/receiving-key");
const COMMITMENT = domainTag("coterie/dkg/commitment");
const PROOF = domainTag("coterie/dkg/proof");
const SEALED = domainTag("coterie/dkg/sealed-shares");
const KEYS = domainTag("coterie/dkg/keys");

/** Context of the first phase: the definition, the attempt and everybody in it. */
export function attemptContext(facts: CeremonyFacts): Uint8Array {
  const { nodes, threshold, validators, preSigned } = facts.shape;
  return sha256(
    ATTEMPT,
    ...[CEREMONY_PROTOCOL, facts.attempt, nodes, threshold, validators, preSigned].map(uint32be),
    bytesOf(facts.definitionHash),
    ...facts.identityKeys,
  );
}

/** Context of the phase after `phase`, whose bodies have these hashes. */
export function nextContext(
  context: Uint8Array,
  phase: CeremonyPhase,
  hashes: readonly Uint8Array[],
): Uint8Array {
  return sha256(CONTEXT, context, uint32be(PHASE_NUMBERS[phase]), ...hashes);
}

/** The part of a message that is signed. */
export type MessageHeader = {
  readonly phase: CeremonyPhase;
  readonly author: PeerIndex;
  /** SHA-256 of the body. */
  readonly hash: Uint8Array;
};

export function messageDigest(context: Uint8Array, header: MessageHeader): Uint8Array {
  const { phase, author, hash } = header;
  return sha256(MESSAGE, context, uint32be(PHASE_NUMBERS[phase]), uint32be(author), hash);
}

export function echoDigest(
  context: Uint8Array,
  echo: Pick<CeremonyEcho, "phase" | "author" | "hashes"> & { readonly witnessDigest: Uint8Array },
): Uint8Array {
  const { phase, author, hashes, witnessDigest: witnesses } = echo;
  const numbers = [uint32be(PHASE_NUMBERS[phase]), uint32be(author)];
  return sha256(ECHO, context, ...numbers, sha256(...hashes), witnesses);
}

export function witnessDigest(witnesses: readonly Uint8Array[]): Uint8Array {
  return sha256(...witnesses);
}

/** What the fresh receiving key of `author` signs: nobody else can present it as his own. */
export function possessionDigest(
  context: Uint8Array,
  author: PeerIndex,
  receivingKey: Uint8Array,
): Uint8Array {
  return sha256(POSSESSION, context, uint32be(author), receivingKey);
}

/** What a dealer commits to before anybody reveals; `session` is the commit phase's context. */
export function dealingDigest(session: Uint8Array, dealer: PeerIndex, body: Uint8Array) {
  return sha256(COMMITMENT, session, uint32be(dealer), sha256(body));
}

/** A dealing's place: which attempt, whose, for which validator. */
export type DealingPlace = {
  readonly session: Uint8Array;
  readonly dealer: PeerIndex;
  readonly validator: number;
};

/**
 * What a constant term signs to prove that the dealer knows it (DKG-7): 104 bytes. It names the
 * dealer, so no two dealers share it, and no signing root of the chain has its length.
 */
export function proofMessage(place: DealingPlace, commitments: readonly Uint8Array[]): Uint8Array {
  const { session, dealer, validator } = place;
  return concatBytes(PROOF, session, uint32be(dealer), uint32be(validator), sha256(...commitments));
}

/** What sealed shares are for: one dealer, one receiver, one pair of fresh keys. */
export function sealingContext(input: {
  readonly session: Uint8Array;
  readonly dealer: PeerIndex;
  readonly receiver: PeerIndex;
  readonly ephemeral: Uint8Array;
  readonly receivingKey: Uint8Array;
}): Uint8Array {
  const { session, dealer, receiver, ephemeral, receivingKey } = input;
  const numbers = [uint32be(dealer), uint32be(receiver)];
  return concatBytes(SEALED, session, ...numbers, ephemeral, receivingKey);
}

/** Digest of every group key with its public shares, in order. */
export function keysHashOf(keys: {
  readonly groupKeys: readonly PubKey[];
  readonly pubShares: readonly (readonly PubShare[])[];
}): Root {
  const columns = keys.groupKeys.flatMap((key, v) => [key, ...(keys.pubShares[v] ?? [])]);
  return rootOf(sha256(KEYS, uint32be(keys.groupKeys.length), ...columns.map(bytesOf)));
}
