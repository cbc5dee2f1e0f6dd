/** The effects of one step as they collect, in the order in which they are to be performed. */
import type { RejectionReason } from "../domain/errors.ts";
import type { PeerIndex } from "../domain/keys.ts";
import { MAX_FRAME_BYTES } from "../domain/limits.ts";
import { type CeremonyContent, encodeCeremonyFrame } from "../wire/ceremony.ts";
import type { CeremonyFacts } from "./facts.ts";
import type { CeremonyEffect, JournalEntry } from "./messages.ts";

/** Room for a frame's header beside an accusation. */
const FRAME_OVERHEAD_BYTES = 1024;

export class EffectList {
  readonly #facts: CeremonyFacts;
  #effects: CeremonyEffect[] = [];

  constructor(facts: CeremonyFacts) {
    this.#facts = facts;
  }

  /** The effects since the last call. */
  take(): readonly CeremonyEffect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  push(effect: CeremonyEffect): void {
    this.#effects.push(effect);
  }

  persist(entry: JournalEntry): void {
    this.push({ kind: "persist", entry });
  }

  persistFrame(content: CeremonyContent): void {
    this.persist({ kind: "frame", frame: this.#frame(content) });
  }

  send(peer: PeerIndex, content: CeremonyContent): void {
    this.push({ kind: "send", peer, frame: this.#frame(content) });
  }

  broadcast(content: CeremonyContent): void {
    this.push({ kind: "broadcast", frame: this.#frame(content) });
  }

  /** Evidence that exceeds a frame stays with its finder, who can show it otherwise. */
  broadcastBlame(blame: Uint8Array): void {
    if (blame.length + FRAME_OVERHEAD_BYTES > MAX_FRAME_BYTES) return;
    this.broadcast({ kind: "blame", blame });
  }

  reject(from: PeerIndex, reason: RejectionReason): void {
    this.push({ kind: "reject", from, reason });
  }

  #frame(content: CeremonyContent): Uint8Array {
    const { definitionHash, attempt } = this.#facts;
    return encodeCeremonyFrame({ definitionHash, attempt, content });
  }
}
