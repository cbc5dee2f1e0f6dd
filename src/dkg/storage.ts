/** What a ceremony keeps on disk, and what the runner may rely on (JOURNAL-4, OUT-2). */
import type { PeerIndex, PubKey } from "../domain/keys.ts";
import type { CeremonyPhase } from "../wire/ceremony.ts";
import type { CeremonyShares } from "./messages.ts";
import type { OutputFile } from "./outputs.ts";

/** An attempt that is over without a cluster. */
export type EndedAttempt = {
  readonly attempt: number;
  readonly phase: CeremonyPhase;
  readonly reason: string;
  readonly culprit: PeerIndex | null;
  /** Operators who said nothing; that blames nobody. */
  readonly missing: readonly PeerIndex[];
  /** Keys that somebody may have seen whole, and that must never get a deposit. */
  readonly groupKeys: readonly PubKey[];
  /** Its journal and shares stay on disk: others may hold what completes it. */
  readonly keepsShares: boolean;
};

export interface CeremonyStorage {
  /** Attempts that are over, oldest first. */
  ended(): readonly EndedAttempt[];
  /** The attempt that was begun and is not over; 0 for none. */
  current(): number;
  /** Whether the outputs of the current attempt are in place. */
  isPublished(): boolean;
  /** Opens or begins the attempt's journal; the records of earlier runs, oldest first. */
  open(attempt: number): Promise<readonly Uint8Array[]>;
  /** Resolves once the record is durable. */
  append(record: Uint8Array): Promise<void>;
  /** Encrypts and writes the shares, and resolves with what reading them back gave. */
  storeShares(shares: CeremonyShares): Promise<readonly Uint8Array[]>;
  /** The attempt is over: recorded, and erased unless its shares are to be kept. */
  end(attempt: EndedAttempt, blame: Uint8Array | null): Promise<void>;
  /** Takes up an attempt that was over and whose shares were kept; false where they were not. */
  reopen(attempt: number): Promise<boolean>;
  /** Puts outputs and shares into place, whole or not at all, as often as it is asked to. */
  publish(files: readonly OutputFile[]): Promise<void>;
  /** The cluster exists for everybody: journal and everything else of the ceremony goes. */
  erase(): Promise<void>;
  /** This run is over; everything that it wrote stays. */
  close(): Promise<void>;
}

/** Attempts whose key shares this disk holds, or may come to hold. */
export function attemptsWithShares(storage: CeremonyStorage): ReadonlySet<number> {
  const kept = storage.ended().filter(({ keepsShares }) => keepsShares);
  return new Set([storage.current(), ...kept.map(({ attempt }) => attempt)]);
}
