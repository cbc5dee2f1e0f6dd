/**
 * What a wire fixes (DESIGN §6): leader order, round deadlines, and how values and messages become
 * bytes and digests. The rest of the program knows consensus only through this type, so that
 * another implementation's wire can stand beside the native one.
 */
import type { PartialSignatureSet } from "../domain/data.ts";
import type { Duty, DutyType } from "../domain/duty.ts";
import type { RejectionReason } from "../domain/errors.ts";
import type { PeerIndex, Root, ShareIndex } from "../domain/keys.ts";
import type { BasisPoints, Round } from "../domain/units.ts";
import type { Identity } from "../ports/identity.ts";
import type { Channel } from "../ports/network.ts";
import type { Message, Statement } from "../qbft/messages.ts";
import type { Result } from "../util/result.ts";

/** The cluster on its chain; part of every signed digest, so that nothing replays elsewhere. */
export type Scope = { readonly genesisValidatorsRoot: Root; readonly lockHash: Root };

/** A statement and who makes it: what an identity signature of consensus covers. */
export type AuthoredStatement = Statement & { readonly source: PeerIndex };

export type ConsensusFrame =
  /** With the value's bytes only in PRE-PREPARE and DECIDED, where they hash to its root. */
  | {
      readonly kind: "message";
      readonly duty: Duty;
      readonly message: Message;
      readonly value: Uint8Array | null;
    }
  /** Asks for the bytes behind a root. */
  | { readonly kind: "pull"; readonly duty: Duty; readonly value: Root }
  /** Answers a pull where nothing signed is at hand. */
  | { readonly kind: "value"; readonly duty: Duty; readonly value: Uint8Array };

/** A frame whose author is proved by a signature, whoever forwarded it. */
export type GossipFrame = {
  readonly channel: Channel;
  readonly author: PeerIndex;
  readonly payload: Uint8Array;
};

/**
 * Decoding is total: it never throws and never builds more than the size of its input. It checks
 * size, form and cheap semantics; time windows, duplicates, lock membership and signatures of
 * statements are the caller's. Decoded arrays may be views of the input, which must not change.
 */
export interface Profile {
  /** Number on the wire and in every signed digest. */
  readonly id: number;
  leaderOf(duty: Duty, round: Round, nodes: number): PeerIndex;
  /** End of a round in basis points of a slot after the duty's due time. */
  roundEnd(type: DutyType, round: Round): BasisPoints;
  /** The name of a value in every message. */
  valueRoot(value: Uint8Array): Root;
  /** The 32 bytes that the author's identity key signs. */
  statementDigest(scope: Scope, duty: Duty, statement: AuthoredStatement): Uint8Array;
  encodeConsensus(frame: ConsensusFrame): Uint8Array;
  decodeConsensus(bytes: Uint8Array): Result<ConsensusFrame, RejectionReason>;
  encodePartials(set: PartialSignatureSet): Uint8Array;
  /** `author` is the authenticated author of the frame; entries come in lock order. */
  decodePartials(
    bytes: Uint8Array,
    author: ShareIndex,
  ): Result<PartialSignatureSet, RejectionReason>;
  /** Cuts a set so that each part fits into one gossip frame when encoded and sealed. */
  splitPartials(set: PartialSignatureSet): readonly PartialSignatureSet[];
  /** Wraps and signs one of our frames of at most {@link MAX_GOSSIP_PAYLOAD_BYTES}. */
  sealGossip(
    scope: Scope,
    frame: { readonly channel: Channel; readonly payload: Uint8Array },
    identity: Identity,
  ): Uint8Array;
  /** Checks the envelope and its signature; the payload is still undecoded. */
  openGossip(
    scope: Scope,
    bytes: Uint8Array,
    identity: Identity,
  ): Result<GossipFrame, RejectionReason>;
}
