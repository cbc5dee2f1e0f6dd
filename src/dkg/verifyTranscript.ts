/**
 * Anybody's check of a finished ceremony, offline (DKG-13): from what the operators signed to the
 * commitments, the public shares and group keys, the lock and the deposits. Faults name the place.
 */

import { below, type ClusterFault } from "../cluster/fault.ts";
import { fieldBytes, sameBytes } from "../cluster/fields.ts";
import type { ClusterLock } from "../cluster/lock.ts";
import { depositSignings } from "../cluster/preSigned.ts";
import { verifyLock } from "../cluster/verify.ts";
import { batchVerify } from "../crypto/bls.ts";
import { bytesOf } from "../domain/keys.ts";
import type { DepositData, DepositMessage } from "../eth2/deposit.ts";
import { equalBytes, toHex } from "../util/bytes.ts";
import type { CeremonyPhase } from "../wire/ceremony.ts";
import { decodeNodes } from "../wire/ceremonyBodies.ts";
import { echoDigest } from "./digests.ts";
import { ceremonyFacts } from "./facts.ts";
import { PublicRecord } from "./record.ts";
import { phasesOf, type TranscribedPhase, type Transcript } from "./transcript.ts";

export type TranscriptClaims = {
  readonly transcript: Transcript;
  readonly lock: ClusterLock;
  /** Of the deposit files; null where none are at hand. */
  readonly deposits: readonly DepositData[] | null;
  /** Addresses in lower case whose wallet signatures only an execution client can judge. */
  readonly contractWallets?: ReadonlySet<string>;
};

/** None when every claim holds; the first fault of a phase hides what follows from it. */
export function verifyTranscript(claims: TranscriptClaims): readonly ClusterFault[] {
  const { transcript, lock, deposits, contractWallets = new Set<string>() } = claims;
  const verified = verifyLock(lock, contractWallets);
  if (!verified.ok) return below("lock", verified.error);
  const definition = lock.cluster_definition;
  const facts = ceremonyFacts(definition, transcript.attempt, contractWallets);
  if (!facts.ok) return below("lock.cluster_definition", [facts.error]);
  const faults: ClusterFault[] = [];
  const expect = (path: "definition_hash" | "lock_hash", expected: string): void => {
    if (sameBytes(transcript[path], expected)) return;
    faults.push({ path, reason: `is ${transcript[path]}, the lock has ${expected}` });
  };
  expect("definition_hash", definition.definition_hash);
  expect("lock_hash", lock.lock_hash);
  const record = new PublicRecord(facts.value);
  record.assumeLock(lock);
  for (const [phase, transcribed] of phasesOf(transcript)) {
    const found = phaseFaults(record, phase, transcribed);
    const isWhole = found.length === 1 && found[0]?.path === "" && phase === "agree";
    faults.push(...below(isWhole ? "attempt" : phase, found));
    if (found.length > 0) break;
  }
  if (faults.length > 0) return faults;
  return [
    ...keyFaults(record, lock),
    ...nodeSignatureFaults(transcript, lock),
    ...(deposits === null ? [] : depositFaults(lock, deposits)),
  ];
}

function phaseFaults(
  record: PublicRecord,
  phase: CeremonyPhase,
  { messages, echoes }: TranscribedPhase,
): readonly ClusterFault[] {
  const { nodes } = record.facts.shape;
  if (messages.length !== nodes || (echoes ?? messages).length !== nodes) {
    return [{ path: "", reason: `has not one message and echo of each of ${nodes} operators` }];
  }
  const faults: ClusterFault[] = [];
  for (const [author, message] of messages.entries()) {
    const signature = fieldBytes(message.signature);
    const path = `messages[${author}]`;
    const added =
      message.body === undefined
        ? record.assume({ phase, author, hash: fieldBytes(message.hash ?? ""), signature })
        : record.add({ phase, author, body: fieldBytes(message.body), signature });
    if (added.kind === "added") continue;
    const reason = "reason" in added ? added.reason : added.kind;
    if (typeof reason === "string") faults.push({ path, reason });
    else faults.push({ path, reason: "is not signed by its author: body or signature differ" });
  }
  if (phase === "agree" && faults.length === nodes) {
    // The number is in every signature: nobody's verifies under another.
    const reason = `${record.facts.attempt} is not the attempt that the operators signed for`;
    return [{ path: "", reason }];
  }
  if (faults.length > 0) return faults;
  return (echoes ?? []).flatMap(({ witnesses, signature }, author) => {
    const context = record.context(phase);
    const hashes = record.vector(phase);
    if (context === null || hashes === null) return [];
    const echo = { phase, author, hashes, witnessDigest: fieldBytes(witnesses) };
    const digest = echoDigest(context, echo);
    if (record.isSignedBy(author, digest, fieldBytes(signature))) return [];
    const reason = "is not the operator's signature of all messages of the phase";
    return [{ path: `echoes[${author}]`, reason }];
  });
}

/** The lock's keys are those that the commitments make. */
function keyFaults(record: PublicRecord, lock: ClusterLock): readonly ClusterFault[] {
  const keys = record.keys();
  if (!keys.ok) return [{ path: "reveal", reason: keys.error }];
  return lock.distributed_validators.flatMap((validator, v) => {
    const path = `lock.distributed_validators[${v}]`;
    const expected = [keys.value.groupKeys[v], ...(keys.value.pubShares[v] ?? [])];
    const actual = [validator.distributed_public_key, ...validator.public_shares];
    const wrong = expected.findIndex((key, i) => !sameBytes(key ?? "", actual[i] ?? ""));
    if (wrong < 0 && expected.length === actual.length) return [];
    const field = wrong <= 0 ? "distributed_public_key" : `public_shares[${wrong - 1}]`;
    return [{ path: `${path}.${field}`, reason: "is not the key that the commitments make" }];
  });
}

/** The lock carries the very signatures that the final certificate is about. */
function nodeSignatureFaults(transcript: Transcript, lock: ClusterLock): readonly ClusterFault[] {
  return transcript.nodes.messages.flatMap(({ body }, i) => {
    const nodes = decodeNodes(fieldBytes(body));
    const held = fieldBytes(lock.node_signatures?.[i] ?? "");
    if (nodes.ok && equalBytes(nodes.value.signature, held)) return [];
    return [{ path: `lock.node_signatures[${i}]`, reason: "is not the one in the transcript" }];
  });
}

/**
 * Of a lock that verifies: deposits are exactly those that the definition asks for, with each
 * validator's amounts, withdrawal credentials from its address, and the group key's signature on
 * the chain's genesis fork version.
 */
export function depositFaults(
  lock: ClusterLock,
  deposits: readonly DepositData[],
): readonly ClusterFault[] {
  const expected = lock.distributed_validators.flatMap((validator, v) =>
    depositSignings(lock.cluster_definition, v, fieldBytes(validator.distributed_public_key)),
  );
  const faults: ClusterFault[] = [];
  const open = new Map(expected.map(({ message, root }) => [nameOf(message), { message, root }]));
  for (const [i, deposit] of deposits.entries()) {
    const agreed = open.get(nameOf(deposit));
    if (agreed === undefined) {
      faults.push({
        path: `deposits[${i}]`,
        reason: "is of no validator and amount of the definition",
      });
      continue;
    }
    open.delete(nameOf(deposit));
    if (!equalBytes(deposit.withdrawalCredentials, agreed.message.withdrawalCredentials)) {
      const said = toHex(agreed.message.withdrawalCredentials);
      const reason = `are ${toHex(deposit.withdrawalCredentials)}, the definition says ${said}`;
      faults.push({ path: `deposits[${i}].withdrawal_credentials`, reason });
    }
    const { pubkey: publicKey, signature } = deposit;
    if (!batchVerify([{ publicKey, message: bytesOf(agreed.root), signature }])) {
      faults.push({
        path: `deposits[${i}].signature`,
        reason: "does not verify under the group key",
      });
    }
  }
  for (const name of open.keys()) faults.push({ path: "deposits", reason: `lack one for ${name}` });
  return faults;
}

function nameOf({ pubkey, amount }: DepositMessage): string {
  return `${toHex(pubkey)} of ${amount} Gwei`;
}
