/**
 * What a wire fixes (DESIGN §6): leader order, round deadlines, and how values and messages become
 * bytes and digests. The rest of the program knows consensus only through this type, so that
 * another implementation's wire can stand beside the native one.
 */
import type { PartialSignatureSet } from "../domain/data.ts";
import type { Duty, DutyType } from "../domain/duty.ts";
import type { RejectionReason } from "../domain/errors.ts";
import type { LockIndex, PeerIndex, Root, ShareIndex, Signature } from "../domain/keys.ts";
import type { BasisPoints, Millis, Round } from "../domain/units.ts";
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
  /** Asks who decided for the DECIDED message with its certificate and the value. */
  | { readonly kind: "decision"; readonly duty: Duty }
  /** Answers a pull where nothing signed is at hand. */
  | { readonly kind: "value"; readonly duty: Duty; readonly value: Uint8Array };

/** A frame whose author is proved by a signature, whoever forwarded it. */
export type GossipFrame = {
  readonly channel: Channel;
  readonly author: PeerIndex;
  readonly payload: Uint8Array;
};

/** Name of one life of a node: 16 random bytes as 0x hex. */
export type SessionToken = `0x${string}`;

/** A node's signed sign of life (BEAT-1). */
export type Heartbeat = {
  readonly session: SessionToken;
  /** Rises with each heartbeat of a session, from 1. */
  readonly number: number;
  /** When the session began, by its own clock. */
  readonly startedAt: Millis;
  /** How far the data directory's records reach; never falls (see `progressOf`). */
  readonly progress: number;
  readonly auditHead: Root;
  /** Operators to whom the author has a direct path, itself included; ascending. */
  readonly reaches: readonly PeerIndex[];
  readonly isReady: boolean;
  /** Operators that have not told yet what they know of the author's signatures; ascending. */
  readonly asks: readonly PeerIndex[];
  readonly isClosing: boolean;
  /** Another live session of the same identity, as the author heard. */
  readonly twin: SessionToken | null;
  readonly version: string;
};
/** A heartbeat with the bytes that its author signed; whoever forwards it proves it. */
export type SignedHeartbeat = {
  readonly author: PeerIndex;
  readonly heartbeat: Heartbeat;
  readonly encoded: Uint8Array;
  readonly signature: Uint8Array;
};

/** One message that the receiver's share signed, with what shows it. */
export type WitnessStatement = {
  readonly validator: LockIndex;
  /** 128-byte AttestationData, or 112-byte block header. */
  readonly data: Uint8Array;
  readonly signature: Signature;
};
/** Part `part` of `parts` of what is known of operator `to`'s signatures. */
export type WitnessPart = {
  readonly to: PeerIndex;
  readonly session: SessionToken;
  readonly parts: number;
  readonly part: number;
  readonly isBlocks: boolean;
  readonly statements: readonly WitnessStatement[];
};

/** A quorum of COMMITs, and the part of the value that explains signatures. */
export type Certificate = {
  readonly duty: Duty;
  readonly round: Round;
  readonly valueRoot: Root;
  /** Distinct authors, ascending. */
  readonly commits: readonly { readonly source: PeerIndex; readonly signature: Uint8Array }[];
  /** 128-byte AttestationData, or 112-byte block header. */
  readonly data: Uint8Array;
};
/** A message that somebody saw signed by one of the cluster's validators. */
export type Sighting = {
  readonly duty: Duty;
  readonly validator: LockIndex;
  readonly messageRoot: Root;
};

export type StatusFrame =
  | { readonly kind: "heartbeat"; readonly signed: SignedHeartbeat }
  | { readonly kind: "witnesses"; readonly witnesses: WitnessPart }
  | { readonly kind: "query"; readonly sighting: Sighting }
  | {
      readonly kind: "answer";
      readonly sighting: Sighting;
      readonly isKnown: boolean;
      readonly certificate: Certificate | null;
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
  /** Encodes and signs one of our heartbeats. */
  signHeartbeat(scope: Scope, heartbeat: Heartbeat, identity: Identity): SignedHeartbeat;
  /** Whether its author signed the heartbeat's bytes. */
  isSignedHeartbeat(scope: Scope, signed: SignedHeartbeat, identity: Identity): boolean;
  /** Each frame fits into one gossip frame when sealed. */
  encodeStatus(frame: StatusFrame): Uint8Array;
  decodeStatus(bytes: Uint8Array): Result<StatusFrame, RejectionReason>;
  /** A certificate alone, as it is kept on disk. */
  encodeCertificate(certificate: Certificate): Uint8Array;
  decodeCertificate(bytes: Uint8Array): Result<Certificate, RejectionReason>;
  /** Cuts statements of one kind so that each part fits when encoded and sealed; none for none. */
  splitWitnesses(statements: readonly WitnessStatement[]): readonly (readonly WitnessStatement[])[];
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
