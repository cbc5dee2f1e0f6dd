/**
 * What was said in an attempt, as anybody could hold it: the operators' signed messages, checked.
 * The node's machine, the judge of an accusation and the verifier of a transcript keep one each.
 */

import { fieldBytes } from "../cluster/fields.ts";
import type { ClusterLock } from "../cluster/lock.ts";
import type { NewValidator, PreSigning } from "../cluster/preSigned.ts";
import { unsignedLock } from "../cluster/preSigned.ts";
import { k1Verify } from "../crypto/k1.ts";
import { sha256 } from "../crypto/sha256.ts";
import type { RejectionReason } from "../domain/errors.ts";
import { type PeerIndex, type Root, rootOf } from "../domain/keys.ts";
import { assert } from "../util/assert.ts";
import { equalBytes } from "../util/bytes.ts";
import type { Result } from "../util/result.ts";
import { CEREMONY_PHASES, type CeremonyMessage, type CeremonyPhase } from "../wire/ceremony.ts";
import { type Accepted, type Bodies, readBody, type Said } from "./bodies.ts";
import { attemptContext, type MessageHeader, messageDigest, nextContext } from "./digests.ts";
import type { CeremonyFacts } from "./facts.ts";
import type { Judgement } from "./judge.ts";
import { type CeremonyKeys, deriveKeys } from "./keys.ts";
import { combinePreSigned, firstOperators, preSignings } from "./partials.ts";

export type Added =
  | { readonly kind: "added" }
  | { readonly kind: "known" }
  /** An earlier phase has to be complete first. */
  | { readonly kind: "early" }
  | { readonly kind: "rejected"; readonly reason: RejectionReason }
  /** The author signed two different bodies; the first stays. */
  | { readonly kind: "equivocation"; readonly first: CeremonyMessage }
  /** The signature is right, and what it is under is not. */
  | ({ readonly kind: "fault" } & Judgement);

export class PublicRecord implements Said {
  readonly facts: CeremonyFacts;
  readonly #accepted = new Map<CeremonyPhase, Map<PeerIndex, Accepted>>();
  readonly #vectors = new Map<CeremonyPhase, readonly Uint8Array[]>();
  /** Hashes of messages whose bodies are not at hand. */
  readonly #assumed = new Map<CeremonyPhase, readonly Uint8Array[]>();
  readonly #contexts = new Map<CeremonyPhase, Uint8Array>();
  #keys: Result<CeremonyKeys, string> | null = null;
  #signings: readonly PreSigning[] | null = null;
  #validators: readonly NewValidator[] | null = null;
  #lock: ClusterLock | null = null;

  constructor(facts: CeremonyFacts) {
    this.facts = facts;
  }

  /** What the phase's signatures are over; null until all earlier phases are held. */
  context(phase: CeremonyPhase): Uint8Array | null {
    const known = this.#contexts.get(phase);
    if (known !== undefined) return known;
    const earlier = CEREMONY_PHASES[CEREMONY_PHASES.indexOf(phase) - 1];
    if (earlier === undefined) return this.#remember(phase, attemptContext(this.facts));
    const context = this.context(earlier);
    const hashes = this.vector(earlier);
    if (context === null || hashes === null) return null;
    return this.#remember(phase, nextContext(context, earlier, hashes));
  }

  /** The hash of each operator's body; null until all are held. */
  vector(phase: CeremonyPhase): readonly Uint8Array[] | null {
    const known = this.#vectors.get(phase);
    if (known !== undefined) return known;
    if (this.missing(phase).length > 0) return null;
    const hashes = this.#operators().flatMap((author) => this.get(phase, author)?.hash ?? []);
    this.#vectors.set(phase, hashes);
    return hashes;
  }

  get<Phase extends CeremonyPhase>(phase: Phase, author: PeerIndex): Accepted<Phase> | undefined {
    // The map of a phase holds bodies of that phase only: `add` reads them by phase.
    return this.#accepted.get(phase)?.get(author) as Accepted<Phase> | undefined;
  }

  /** All bodies of a phase in the operators' order; the phase must be held. */
  bodies<Phase extends CeremonyPhase>(phase: Phase): readonly Bodies[Phase][] {
    return this.#operators().map((author) => {
      const accepted = this.get(phase, author);
      assert(accepted !== undefined, `every ${phase} message is held`);
      return accepted.body;
    });
  }

  messages(phase: CeremonyPhase): readonly CeremonyMessage[] {
    return this.#operators().flatMap((author) => this.get(phase, author)?.message ?? []);
  }

  /** Operators whose message of the phase is not held. */
  missing(phase: CeremonyPhase): readonly PeerIndex[] {
    return this.#operators().filter((author) => this.get(phase, author) === undefined);
  }

  /** Checks a message, its signature first, and keeps it when it is right (DKG-4). */
  add(message: CeremonyMessage): Added {
    const context = this.context(message.phase);
    if (context === null) return { kind: "early" };
    const { phase, author, signature } = message;
    const hash = sha256(message.body);
    const known = this.get(phase, author);
    if (known !== undefined && equalBytes(known.hash, hash)) return { kind: "known" };
    if (!this.isSignedBy(author, messageDigest(context, { phase, author, hash }), signature)) {
      const detail = `of operator ${author}'s ${phase} message`;
      return { kind: "rejected", reason: { code: "bad_signature", detail } };
    }
    if (known !== undefined) return { kind: "equivocation", first: known.message };
    const body = readBody(this, { phase, author, context, body: message.body });
    if (!body.ok) return { kind: "fault", ...body.error };
    this.#keep({ message, hash, body: body.value });
    return { kind: "added" };
  }

  /** A message whose body is not at hand: its author's signature of the hash is checked. */
  assume(signed: MessageHeader & { readonly signature: Uint8Array }): Added {
    const { phase, author, hash } = signed;
    const context = this.context(phase);
    if (context === null) return { kind: "early" };
    if (!this.isSignedBy(author, messageDigest(context, signed), signed.signature)) {
      return { kind: "rejected", reason: { code: "bad_signature", detail: `${author}` } };
    }
    const hashes = [...(this.#assumed.get(phase) ?? [])];
    hashes[author] = hash;
    this.#assumed.set(phase, hashes);
    if (this.#operators().every((each) => hashes[each] !== undefined)) {
      this.#vectors.set(phase, hashes);
    }
    return { kind: "added" };
  }

  /** The lock from elsewhere, where the messages that it is made of are not at hand. */
  assumeLock(lock: ClusterLock): void {
    this.#lock = lock;
  }

  /** A message that this node made itself a moment ago: it is right. */
  addOwn<Phase extends CeremonyPhase>(message: CeremonyMessage, body: Bodies[Phase]): void {
    assert(this.get(message.phase, message.author) === undefined, "an operator speaks once");
    this.#keep({ message, hash: sha256(message.body), body });
  }

  isSignedBy(author: PeerIndex, digest: Uint8Array, signature: Uint8Array): boolean {
    const publicKey = this.facts.identityKeys[author];
    return publicKey !== undefined && k1Verify({ publicKey, digest, signature });
  }

  /** From the dealings of all operators, which must be held. */
  keys(): Result<CeremonyKeys, string> {
    this.#keys ??= deriveKeys(
      this.bodies("reveal").map(({ points }) => points),
      this.facts.shape.nodes,
    );
    return this.#keys;
  }

  /** The same where the keys phase was reached: an operator has vouched for them. */
  certainKeys(): CeremonyKeys {
    const keys = this.keys();
    assert(keys.ok, "keys that are none end the attempt before anything is signed with them");
    return keys.value;
  }

  signings(): readonly PreSigning[] {
    this.#signings ??= preSignings(this.facts, this.certainKeys());
    return this.#signings;
  }

  /** With deposits and registrations; all deposits messages must be held and verified. */
  validators(): readonly NewValidator[] {
    this.#validators ??= combinePreSigned({
      facts: this.facts,
      keys: this.certainKeys(),
      signings: this.signings(),
      bodies: firstOperators(this.facts.shape.threshold).flatMap(
        (author) => this.get("deposits", author)?.body ?? [],
      ),
    });
    return this.#validators;
  }

  /** The lock that nobody signed yet. */
  unsignedLock(): ClusterLock {
    this.#lock ??= unsignedLock(this.facts.definition, this.validators());
    return this.#lock;
  }

  /** What all key shares and nodes sign. */
  lockRoot(): Root {
    return rootOf(fieldBytes(this.unsignedLock().lock_hash));
  }

  #keep(accepted: Accepted): void {
    const { phase, author } = accepted.message;
    const ofPhase = this.#accepted.get(phase) ?? new Map<PeerIndex, Accepted>();
    this.#accepted.set(phase, ofPhase.set(author, accepted));
  }

  #remember(phase: CeremonyPhase, context: Uint8Array): Uint8Array {
    this.#contexts.set(phase, context);
    return context;
  }

  #operators(): readonly PeerIndex[] {
    return firstOperators(this.facts.shape.nodes);
  }
}
