/** Everybody's signature of everybody's hashes: how a phase ends, and how lies show (DKG-5). */
import type { RejectionReason } from "../domain/errors.ts";
import type { PeerIndex } from "../domain/keys.ts";
import { assert } from "../util/assert.ts";
import { equalBytes } from "../util/bytes.ts";
import type { CeremonyEcho, CeremonyPhase } from "../wire/ceremony.ts";
import type { Equivocation } from "../wire/ceremonyBlame.ts";
import { isSignedEcho, isWitnessed } from "./blame.ts";
import { echoDigest, witnessDigest } from "./digests.ts";
import { firstOperators } from "./partials.ts";
import type { PublicRecord } from "./record.ts";

export type EchoAdded =
  | { readonly kind: "added" }
  | { readonly kind: "known" }
  | { readonly kind: "rejected"; readonly reason: RejectionReason };

/** What an echo that differs from the record proves, and about whom. */
export type EchoConflict = { readonly culprit: PeerIndex } & (
  | { readonly kind: "equivocation"; readonly equivocation: Equivocation }
  | { readonly kind: "madeUp"; readonly echo: CeremonyEcho }
);

export class Echoes {
  readonly #record: PublicRecord;
  readonly #byPhase = new Map<CeremonyPhase, Map<PeerIndex, CeremonyEcho>>();

  constructor(record: PublicRecord) {
    this.#record = record;
  }

  get(phase: CeremonyPhase, author: PeerIndex): CeremonyEcho | undefined {
    return this.#byPhase.get(phase)?.get(author);
  }

  of(phase: CeremonyPhase): readonly CeremonyEcho[] {
    return this.#operators().flatMap((author) => this.get(phase, author) ?? []);
  }

  missing(phase: CeremonyPhase): readonly PeerIndex[] {
    return this.#operators().filter((author) => this.get(phase, author) === undefined);
  }

  /** Keeps the first signed echo of each operator; the earlier phases must be held. */
  add(echo: CeremonyEcho): EchoAdded {
    const { phase, author } = echo;
    if (this.get(phase, author) !== undefined) return { kind: "known" };
    const context = this.#record.context(phase);
    if (context === null || !isSignedEcho(this.#record, context, echo)) {
      const detail = `of operator ${author}'s ${phase} echo`;
      return { kind: "rejected", reason: { code: "bad_signature", detail } };
    }
    const ofPhase = this.#byPhase.get(phase) ?? new Map<PeerIndex, CeremonyEcho>();
    this.#byPhase.set(phase, ofPhase.set(author, echo));
    return { kind: "added" };
  }

  /** This node's echo of a phase that it holds whole. */
  own(
    phase: CeremonyPhase,
    author: PeerIndex,
    sign: (digest: Uint8Array) => Uint8Array,
  ): CeremonyEcho {
    const context = this.#record.context(phase);
    const hashes = this.#record.vector(phase);
    assert(context !== null && hashes !== null, "a phase is echoed when it is held");
    const witnesses = this.#record.messages(phase).map(({ signature }) => signature);
    const said = { phase, author, hashes, witnessDigest: witnessDigest(witnesses) };
    return { phase, author, hashes, witnesses, signature: sign(echoDigest(context, said)) };
  }

  /**
   * Compares what others echoed with what is held. Where they differ, either the author of that
   * message signed both, or the echo's author made one up: its witness tells which.
   */
  conflict(phase: CeremonyPhase): EchoConflict | null {
    for (const echo of this.of(phase)) {
      for (const author of this.#operators()) {
        const held = this.#record.get(phase, author);
        const hash = echo.hashes[author];
        const signature = echo.witnesses[author];
        if (held === undefined || hash === undefined || signature === undefined) continue;
        if (equalBytes(held.hash, hash)) continue;
        if (!isWitnessed(this.#record, echo, author)) {
          return { kind: "madeUp", culprit: echo.author, echo };
        }
        const equivocation = {
          phase,
          firstHash: held.hash,
          firstSignature: held.message.signature,
          secondHash: hash,
          secondSignature: signature,
        };
        return { kind: "equivocation", culprit: author, equivocation };
      }
    }
    return null;
  }

  #operators(): readonly PeerIndex[] {
    return firstOperators(this.#record.facts.shape.nodes);
  }
}
