import type { PeerIndex } from "../domain/keys.ts";
import type { CeremonyFacts } from "./facts.ts";

/** What one operator's part in an attempt is made with. */
export type CeremonyConfig = {
  readonly facts: CeremonyFacts;
  readonly self: PeerIndex;
  /** The program's version, for the other operators to read; at most 64 bytes. */
  readonly version: string;
  /** The 65-byte signature of a digest by this node's identity key. */
  readonly sign: (digest: Uint8Array) => Uint8Array;
};
