/**
 * The vocabulary of one QBFT instance (arXiv:2002.03613, EIP-650): messages in, effects out.
 * Values travel as 32-byte roots here; their bytes stay with the driver.
 */
import type { PeerIndex, Root } from "../domain/keys.ts";
import type { Round } from "../domain/units.ts";

export type MessageType = "PRE-PREPARE" | "PREPARE" | "COMMIT" | "ROUND-CHANGE" | "DECIDED";

/** What one node states in one message; the part that its identity key signs. */
export type Statement = {
  readonly type: MessageType;
  readonly round: Round;
  /** The proposed, prepared, committed or decided value; null in a ROUND-CHANGE. */
  readonly value: Root | null;
  /** ROUND-CHANGE only: the highest round in which the author prepared, 0 for none. */
  readonly preparedRound: Round;
  /** ROUND-CHANGE only: the value that the author prepared, null for none. */
  readonly preparedValue: Root | null;
};

/**
 * An authenticated statement. `signature` is opaque here: it travels inside justifications so that
 * others can check it, and the driver has verified it before the machine sees the message.
 */
export type SignedStatement = Statement & {
  readonly source: PeerIndex;
  readonly signature: Uint8Array;
};

/**
 * A message with the votes that justify it: ROUND-CHANGE and PREPARE for a PRE-PREPARE of a later
 * round, PREPARE for a prepared ROUND-CHANGE, COMMIT for DECIDED. Justifications never nest.
 */
export type Message = SignedStatement & { readonly justification: readonly SignedStatement[] };

/** How the driver judged a value for a round (DESIGN §6, four kinds of rule). */
export type Verdict =
  | { readonly accepted: true }
  | { readonly accepted: false; readonly reason: string };

export type QbftEvent =
  | { readonly kind: "start" }
  /** Our own input is known; its bytes are with the driver. */
  | { readonly kind: "propose"; readonly value: Root }
  /** The bytes behind `value` arrived (in a PRE-PREPARE or by a pull) and hash to it. */
  | { readonly kind: "value"; readonly value: Root }
  | {
      readonly kind: "validated";
      readonly value: Root;
      readonly round: Round;
      readonly verdict: Verdict;
    }
  /** Authenticated, decoded and of this instance; our own broadcasts come back this way too. */
  | { readonly kind: "receive"; readonly message: Message }
  | { readonly kind: "timeout"; readonly round: Round };

export type QbftRejection =
  | "wrong_leader"
  | "unjustified"
  | "equivocation"
  | "duplicate"
  | "over_limit"
  | "malformed";

export type QbftEffect =
  /** Sign the statement, send it to all peers, and step `receive` with it. */
  | {
      readonly kind: "broadcast";
      readonly statement: Statement;
      readonly justification: readonly SignedStatement[];
    }
  /** Sign the DECIDED and send it, with its certificate, to one late peer; never step it. */
  | {
      readonly kind: "answer";
      readonly peer: PeerIndex;
      readonly statement: Statement;
      readonly justification: readonly SignedStatement[];
    }
  /** Replaces the previous timer; the driver turns the round into an instant. */
  | { readonly kind: "setTimer"; readonly round: Round }
  /** Ask any of `peers` for the bytes behind `value` (and for what proposed it). */
  | { readonly kind: "pull"; readonly value: Root; readonly peers: readonly PeerIndex[] }
  /** Judge the value for this round; `certified` when a PREPARE quorum vouches for it already. */
  | {
      readonly kind: "validate";
      readonly value: Root;
      readonly round: Round;
      readonly certified: boolean;
    }
  /** Final: at most once per instance. The certificate is a quorum of COMMITs of one round. */
  | {
      readonly kind: "decide";
      readonly value: Root;
      readonly round: Round;
      readonly certificate: readonly SignedStatement[];
    }
  | {
      readonly kind: "reject";
      readonly message: Message;
      readonly reason: QbftRejection;
      /** On equivocation: the statement that the author signed before. */
      readonly conflicting?: SignedStatement;
    };
