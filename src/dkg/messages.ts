/**
 * The vocabulary of a ceremony (SPEC, "The ceremony"): events in, effects out. Frames, bodies and
 * accusations are bytes here; `wire/ceremony.ts` says what is in them.
 */
import type { VerifiedLock } from "../cluster/verify.ts";
import type { RejectionReason } from "../domain/errors.ts";
import type { PeerIndex, PubKey, PubShare } from "../domain/keys.ts";
import type { DepositData } from "../eth2/deposit.ts";
import type { CeremonyPhase } from "../wire/ceremony.ts";
import type { Transcript } from "./transcript.ts";

/** What one operator has of the keys. `secrets` has 32 bytes for each validator. */
export type CeremonyShares = {
  readonly secrets: readonly Uint8Array[];
  readonly groupKeys: readonly PubKey[];
  /** For each validator the public share of every operator, in their order. */
  readonly pubShares: readonly (readonly PubShare[])[];
};

/**
 * One line of the journal. `entropy` and `sealedShares` are secret: the journal is encrypted, and
 * erased once the ceremony is finished.
 */
export type JournalEntry =
  /** 32 bytes from which everything secret of the attempt follows. */
  | { readonly kind: "entropy"; readonly seed: Uint8Array }
  /** A frame with a message or an echo, own or received, as it counts for this node. */
  | { readonly kind: "frame"; readonly frame: Uint8Array }
  | {
      readonly kind: "sealedShares";
      readonly dealer: PeerIndex;
      readonly sealedShares: Uint8Array;
    }
  /** The shares are on disk and were read back: from here on they are never deleted. */
  | { readonly kind: "sharesStored" }
  /** The attempt is over; group keys that were known by then must never be used. */
  | {
      readonly kind: "aborted";
      readonly reason: string;
      readonly groupKeys: readonly PubKey[];
    };

export type CeremonyEvent =
  /** First of all: 32 unpredictable bytes, never used before. */
  | { readonly kind: "entropy"; readonly seed: Uint8Array }
  /** `from`: who sent the frame, as the transport authenticated it. */
  | { readonly kind: "receive"; readonly from: PeerIndex; readonly frame: Uint8Array }
  /** There is a (new) connection with the peer: what it may have missed is sent again. */
  | { readonly kind: "connected"; readonly peer: PeerIndex }
  /** Some time went by without progress: ask the peers for what is missing. */
  | { readonly kind: "nudge" }
  /** The time for `phase` is over. */
  | { readonly kind: "deadline"; readonly phase: CeremonyPhase }
  /** Answers `storeShares`: the secrets as read back from disk and decrypted. */
  | { readonly kind: "sharesStored"; readonly secrets: readonly Uint8Array[] };

export type CeremonyAbort = {
  readonly phase: CeremonyPhase;
  /** One sentence for the operator. */
  readonly reason: string;
  /** Who is proved guilty; null where nobody is. */
  readonly culprit: PeerIndex | null;
  /** The content of `blame.json`, to be judged by anybody; null without a culprit. */
  readonly blame: Uint8Array | null;
  /** Whom this node was waiting for, where silence ended the attempt. */
  readonly missing: readonly PeerIndex[];
  /** Keys that somebody may have seen and that must never get a deposit. */
  readonly groupKeys: readonly PubKey[];
  /** Others may hold a complete key certificate: the shares stay, `resume` may complete. */
  readonly keepsShares: boolean;
};

/** What is still missing of the current phase. */
export type CeremonyProgress = {
  readonly phase: CeremonyPhase;
  readonly messages: readonly PeerIndex[];
  readonly echoes: readonly PeerIndex[];
  readonly sealedShares: readonly PeerIndex[];
};

export type CeremonyOutcome = {
  readonly lock: VerifiedLock;
  /** One for each validator and amount. */
  readonly deposits: readonly DepositData[];
  readonly transcript: Transcript;
};

/** Performed in order. What follows a `persist` waits until it is durable. */
export type CeremonyEffect =
  | { readonly kind: "persist"; readonly entry: JournalEntry }
  /** May get lost: `connected` and `nudge` repair it. */
  | { readonly kind: "send"; readonly peer: PeerIndex; readonly frame: Uint8Array }
  /** To all peers. */
  | { readonly kind: "broadcast"; readonly frame: Uint8Array }
  /** Encrypt, write, sync, read back, decrypt, and step `sharesStored` with what was read. */
  | { readonly kind: "storeShares"; readonly shares: CeremonyShares }
  /** A phase began; replaces the previous timer. */
  | { readonly kind: "setTimer"; readonly phase: CeremonyPhase }
  | { readonly kind: "progress"; readonly progress: CeremonyProgress }
  | {
      readonly kind: "reject";
      readonly from: PeerIndex;
      readonly reason: RejectionReason;
    }
  /** Final. */
  | { readonly kind: "abort"; readonly abort: CeremonyAbort }
  /** Final: all n hold the certificate's signatures. Write the outputs, then erase the journal. */
  | { readonly kind: "finish"; readonly outcome: CeremonyOutcome };
