/**
 * Signatures of one duty's statements that were verified before: justifications repeat what came
 * earlier. An author may sign any number of different statements, so each has a bounded share.
 */
import type { PeerIndex } from "../domain/keys.ts";
import { MAX_MESSAGES_PER_PEER } from "../domain/limits.ts";

export class CheckedSignatures {
  readonly #bySource = new Map<PeerIndex, Set<string>>();

  has(source: PeerIndex, key: string): boolean {
    return this.#bySource.get(source)?.has(key) ?? false;
  }

  /** What exceeds an honest author's number is not remembered, and verified each time it comes. */
  add(source: PeerIndex, key: string): void {
    const known = this.#bySource.get(source) ?? new Set<string>();
    if (known.size < MAX_MESSAGES_PER_PEER) this.#bySource.set(source, known.add(key));
  }
}
