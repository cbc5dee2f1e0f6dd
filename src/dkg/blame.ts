/**
 * Accusations and who judges them (DKG-11): the operators during the ceremony, and anybody with the
 * definition and `blame.json` afterwards, by the same checks.
 */
import type { PeerIndex } from "../domain/keys.ts";
import { equalBytes } from "../util/bytes.ts";
import { err, ok, type Result } from "../util/result.ts";
import { CEREMONY_PHASES, type CeremonyEcho, type CeremonyPhase } from "../wire/ceremony.ts";
import {
  type CeremonyBlame,
  decodeBlame,
  type Equivocation,
  encodeBlame,
  type Offence,
} from "../wire/ceremonyBlame.ts";
import { echoDigest, messageDigest, witnessDigest } from "./digests.ts";
import type { CeremonyFacts } from "./facts.ts";
import type { Judgement } from "./judge.ts";
import { wrongSignersOf } from "./partials.ts";
import { PublicRecord } from "./record.ts";

/** Who is guilty of what, in which phase. */
export type Conviction = Judgement & { readonly phase: CeremonyPhase };

/** The error says why the evidence proves nothing. */
export function judgeBlame(facts: CeremonyFacts, bytes: Uint8Array): Result<Conviction, string> {
  const decoded = decodeBlame(bytes, facts.shape.nodes);
  if (!decoded.ok) return err(`the evidence is malformed: ${decoded.error.detail ?? ""}`);
  const blame = decoded.value;
  const phase = phaseOf(blame.offence);
  const record = contextOf(facts, blame, phase);
  if (!record.ok) return record;
  const judged = judgeOffence(record.value, blame);
  if (!judged.ok) return judged;
  if (judged.value.culprit !== blame.culprit) {
    return err(`the evidence convicts operator ${judged.value.culprit}, not ${blame.culprit}`);
  }
  return ok({ ...judged.value, phase });
}

/** The bytes of an accusation; the phases before the offence are held. */
export function accuse(record: PublicRecord, culprit: PeerIndex, offence: Offence): Uint8Array {
  const context = phasesBefore(phaseOf(offence)).flatMap((phase) => record.messages(phase));
  return encodeBlame({ culprit, context, offence });
}

function phasesBefore(phase: CeremonyPhase): readonly CeremonyPhase[] {
  return CEREMONY_PHASES.slice(0, CEREMONY_PHASES.indexOf(phase));
}

function phaseOf(offence: Offence): CeremonyPhase {
  switch (offence.kind) {
    case "message":
      return offence.message.phase;
    case "equivocation":
      return offence.equivocation.phase;
    case "echo":
      return offence.echo.phase;
  }
}

/** The earlier phases, complete and right; what the culprit signed is bound to exactly these. */
function contextOf(
  facts: CeremonyFacts,
  { context }: CeremonyBlame,
  phase: CeremonyPhase,
): Result<PublicRecord, string> {
  const record = new PublicRecord(facts);
  for (const earlier of phasesBefore(phase)) {
    for (const message of context.filter((each) => each.phase === earlier)) {
      const added = record.add(message);
      if (added.kind !== "added") {
        return err(
          `operator ${message.author}'s ${earlier} message in the evidence: ${added.kind}`,
        );
      }
    }
    const missing = record.missing(earlier);
    if (missing.length > 0) return err(`the evidence lacks ${earlier} messages: ${missing}`);
    if (earlier === "reveal" && !record.keys().ok) return err("the evidence makes no keys");
    if (wrongSignersOf(record, earlier).length > 0) {
      return err(`the evidence holds wrong ${earlier} signatures of another operator`);
    }
  }
  return ok(record);
}

function judgeOffence(record: PublicRecord, blame: CeremonyBlame): Result<Judgement, string> {
  const { offence } = blame;
  switch (offence.kind) {
    case "message": {
      const { phase, author } = offence.message;
      const added = record.add(offence.message);
      if (added.kind === "fault") return ok({ culprit: added.culprit, reason: added.reason });
      if (added.kind !== "added") return err(`the accused message is ${added.kind}`);
      if (wrongSignersOf(record, phase).includes(author)) {
        return ok({ culprit: author, reason: wrongSignatureReason(phase) });
      }
      return err("the accused message is right");
    }
    case "equivocation":
      return judgeEquivocation(record, blame.culprit, offence.equivocation);
    case "echo":
      return judgeEcho(record, offence.echo);
  }
}

export function wrongSignatureReason(phase: CeremonyPhase): string {
  return `a signature of its key shares in its ${phase} message does not verify`;
}

function judgeEquivocation(
  record: PublicRecord,
  author: PeerIndex,
  equivocation: Equivocation,
): Result<Judgement, string> {
  const { phase, firstHash, firstSignature, secondHash, secondSignature } = equivocation;
  const context = record.context(phase);
  if (context === null || equalBytes(firstHash, secondHash)) return err("the two are one");
  const areSigned = [
    [firstHash, firstSignature] as const,
    [secondHash, secondSignature] as const,
  ].every(([hash, signature]) =>
    record.isSignedBy(author, messageDigest(context, { phase, author, hash }), signature),
  );
  if (!areSigned) return err("one of the two is not signed by the accused");
  return ok({ culprit: author, reason: `it signed two different ${phase} messages` });
}

/** An echo carries each author's signature; one that does not verify was made up. */
function judgeEcho(record: PublicRecord, echo: CeremonyEcho): Result<Judgement, string> {
  const context = record.context(echo.phase);
  if (context === null || !isSignedEcho(record, context, echo)) {
    return err("the echo is not signed by the accused");
  }
  const madeUp = echo.hashes.findIndex((_, author) => !isWitnessed(record, echo, author));
  if (madeUp < 0) return err("each author did sign what the echo names");
  const reason = `its echo names a message that operator ${madeUp} did not sign`;
  return ok({ culprit: echo.author, reason });
}

export function isSignedEcho(
  record: PublicRecord,
  context: Uint8Array,
  echo: CeremonyEcho,
): boolean {
  const digest = echoDigest(context, { ...echo, witnessDigest: witnessDigest(echo.witnesses) });
  return record.isSignedBy(echo.author, digest, echo.signature);
}

/** Whether `author` signed the message that the echo names as his. */
export function isWitnessed(record: PublicRecord, echo: CeremonyEcho, author: PeerIndex): boolean {
  const { phase } = echo;
  const context = record.context(phase);
  const hash = echo.hashes[author];
  const signature = echo.witnesses[author];
  if (context === null || hash === undefined || signature === undefined) return false;
  return record.isSignedBy(author, messageDigest(context, { phase, author, hash }), signature);
}
