/** Whether what an operator signed in a phase is right, given what was said before (DKG-4). */
import type { ClusterLock } from "../cluster/lock.ts";
import { batchVerify } from "../crypto/bls.ts";
import { parseCommitments } from "../crypto/feldman.ts";
import { isK1PublicKey, k1Verify } from "../crypto/k1.ts";
import type { RejectionReason } from "../domain/errors.ts";
import { bytesOf, type PeerIndex } from "../domain/keys.ts";
import { assert } from "../util/assert.ts";
import { equalBytes, fromHex } from "../util/bytes.ts";
import { err, ok, type Result } from "../util/result.ts";
import type { CeremonyMessage, CeremonyPhase } from "../wire/ceremony.ts";
import {
  type AgreeBody,
  type CommitBody,
  type DepositsBody,
  decodeAgree,
  decodeCommit,
  decodeDeposits,
  decodeKeys,
  decodeLock,
  decodeNodes,
  decodeReveal,
  decodeVerdict,
  type KeysBody,
  type LockBody,
  type NodesBody,
  type RevealBody,
  type VerdictBody,
} from "../wire/ceremonyBodies.ts";
import { dealingDigest, possessionDigest, proofMessage } from "./digests.ts";
import type { CeremonyFacts } from "./facts.ts";
import { type DealingFor, type Dealt, type Judgement, judgeComplaint } from "./judge.ts";
import type { CeremonyKeys } from "./keys.ts";

/** The checked body of each phase. */
export type Bodies = {
  agree: AgreeBody;
  commit: CommitBody;
  reveal: Dealt;
  verdict: VerdictBody;
  keys: KeysBody;
  deposits: DepositsBody;
  lock: LockBody;
  nodes: NodesBody;
};

/** A message whose signature and content were checked. */
export type Accepted<Phase extends CeremonyPhase = CeremonyPhase> = {
  readonly message: CeremonyMessage;
  /** SHA-256 of the body. */
  readonly hash: Uint8Array;
  readonly body: Bodies[Phase];
};

/** What was said before: all messages of all earlier phases. */
export type Said = {
  readonly facts: CeremonyFacts;
  context(phase: CeremonyPhase): Uint8Array | null;
  get<Phase extends CeremonyPhase>(phase: Phase, author: PeerIndex): Accepted<Phase> | undefined;
  keys(): Result<CeremonyKeys, string>;
  unsignedLock(): ClusterLock;
  isSignedBy(author: PeerIndex, digest: Uint8Array, signature: Uint8Array): boolean;
};

/** A body whose author's signature was verified under `context`. */
export type SignedBody<Phase extends CeremonyPhase = CeremonyPhase> = {
  readonly phase: Phase;
  readonly author: PeerIndex;
  readonly context: Uint8Array;
  readonly body: Uint8Array;
};

type Read<Body> = Result<Body, Judgement>;
type Reader<Phase extends CeremonyPhase> = (said: Said, signed: SignedBody) => Read<Bodies[Phase]>;

/** Proofs of one dealing that are verified by one call; each costs a pairing. */
const PROOF_BATCH = 256;

const READERS: { readonly [Phase in CeremonyPhase]: Reader<Phase> } = {
  agree: (_, signed) => readAgree(signed),
  commit: (_, signed) => decoded(signed, decodeCommit(signed.body)),
  reveal: readReveal,
  verdict: readVerdict,
  keys: readKeys,
  deposits: (said, signed) => decoded(signed, decodeDeposits(signed.body, said.facts.shape)),
  lock: readLock,
  nodes: readNodes,
};

/**
 * The error names the culprit: the author, or the dealer whom the author's complaint convicts. The
 * signatures of key shares are not looked at here, they are verified for all operators at once.
 */
export function readBody(said: Said, signed: SignedBody): Read<Bodies[CeremonyPhase]> {
  return READERS[signed.phase](said, signed);
}

function readAgree(signed: SignedBody): Read<AgreeBody> {
  const body = decoded(signed, decodeAgree(signed.body));
  if (!body.ok) return body;
  const { receivingKey, possession } = body.value;
  if (!isK1PublicKey(receivingKey)) return guilty(signed, "its receiving key is no point");
  const digest = possessionDigest(signed.context, signed.author, receivingKey);
  if (!k1Verify({ publicKey: receivingKey, digest, signature: possession })) {
    return guilty(signed, "it does not show that it holds its receiving key");
  }
  return body;
}

function readReveal(said: Said, signed: SignedBody): Read<Dealt> {
  const { author, body } = signed;
  const session = said.context("commit");
  const committed = said.get("commit", author);
  assert(session !== null && committed !== undefined, "reveals follow all commitments");
  if (!equalBytes(dealingDigest(session, author, body), committed.body.digest)) {
    return guilty(signed, "it reveals something else than it committed to");
  }
  const reveal = decoded(signed, decodeReveal(body, said.facts.shape));
  if (!reveal.ok) return reveal;
  if (!reveal.value.ephemerals.every(isK1PublicKey)) {
    return guilty(signed, "one of its fresh keys is no point");
  }
  const points = reveal.value.commitments.map(parseCommitments);
  const bad = points.indexOf(null);
  if (bad >= 0) {
    return guilty(signed, `a commitment for validator ${bad} is infinity or no point of the group`);
  }
  const unproved = unprovedValidator(reveal.value, { session, dealer: author });
  if (unproved !== null) {
    return guilty(signed, `it does not prove that it knows what it shares for ${unproved}`);
  }
  return ok({ ...reveal.value, points: points.filter((each) => each !== null) });
}

/** The first validator whose constant term is not proved to be known to the dealer (DKG-7). */
function unprovedValidator(
  { commitments, proofs }: RevealBody,
  place: { readonly session: Uint8Array; readonly dealer: PeerIndex },
): string | null {
  const none = new Uint8Array();
  const checks = commitments.map((row, validator) => ({
    publicKey: row[0] ?? none,
    message: proofMessage({ ...place, validator }, row),
    signature: proofs[validator] ?? none,
  }));
  for (let start = 0; start < checks.length; start += PROOF_BATCH) {
    const batch = checks.slice(start, start + PROOF_BATCH);
    if (batchVerify(batch)) continue;
    const wrong = batch.findIndex((check) => !batchVerify([check]));
    return `validator ${start + Math.max(0, wrong)}`;
  }
  return null;
}

function readVerdict(said: Said, signed: SignedBody): Read<VerdictBody> {
  const { author: receiver } = signed;
  const session = said.context("commit");
  const verdict = decoded(signed, decodeVerdict(signed.body, said.facts.shape));
  if (!verdict.ok) return verdict;
  const { complaints, silent } = verdict.value;
  if (silent.includes(receiver) || complaints.some(({ dealer }) => dealer === receiver)) {
    return guilty(signed, "it accuses itself");
  }
  for (const complaint of complaints) {
    const { dealer } = complaint;
    const receivingKey = said.get("agree", receiver)?.body.receivingKey;
    const dealt = said.get("reveal", dealer)?.body;
    assert(session !== null && receivingKey !== undefined, "verdicts follow all agreements");
    assert(dealt !== undefined, "verdicts follow all reveals");
    const dealing: DealingFor = { session, dealer, receiver, dealt, receivingKey };
    return err(judgeComplaint(dealing, complaint));
  }
  return verdict;
}

function readKeys(said: Said, signed: SignedBody): Read<KeysBody> {
  const body = decoded(signed, decodeKeys(signed.body));
  if (!body.ok) return body;
  const keys = said.keys();
  if (!keys.ok || !equalBytes(body.value.keysHash, bytesOf(keys.value.keysHash))) {
    return guilty(signed, "it vouches for other keys than the commitments make");
  }
  return body;
}

function readLock(said: Said, signed: SignedBody): Read<LockBody> {
  const body = decoded(signed, decodeLock(signed.body, said.facts.shape));
  if (!body.ok) return body;
  const expected = fromHex(said.unsignedLock().lock_hash);
  if (expected === null || !equalBytes(body.value.lockHash, expected)) {
    return guilty(signed, "it signs another lock than the deposits make");
  }
  return body;
}

function readNodes(said: Said, signed: SignedBody): Read<NodesBody> {
  const body = decoded(signed, decodeNodes(signed.body));
  if (!body.ok) return body;
  const lockHash = fromHex(said.unsignedLock().lock_hash);
  const { signature } = body.value;
  if (lockHash === null || !said.isSignedBy(signed.author, lockHash, signature)) {
    return guilty(signed, "its signature of the lock hash does not verify");
  }
  return body;
}

function decoded<Body>(signed: SignedBody, body: Result<Body, RejectionReason>): Read<Body> {
  if (body.ok) return body;
  return guilty(signed, `its ${signed.phase} message is malformed: ${body.error.detail ?? ""}`);
}

function guilty(signed: SignedBody, reason: string): Read<never> {
  return err({ culprit: signed.author, reason });
}
