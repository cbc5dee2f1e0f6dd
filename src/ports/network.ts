import type { PeerIndex } from "../domain/keys.ts";

/** Classes of traffic; each has its own long-lived stream per peer and its own queue. */
export const CHANNELS = ["consensus", "partials", "status"] as const;
export type Channel = (typeof CHANNELS)[number];

/** What a key ceremony sends: who is there, and the ceremony itself. */
export const CEREMONY_CHANNELS = ["lobby", "ceremony"] as const;
export type CeremonyChannel = (typeof CEREMONY_CHANNELS)[number];

/** How frames reach a peer now: straight, by way of a relay, or not at all. */
export type Path = "direct" | "relayed" | "none";

export type Inbound<Name extends string = Channel> = {
  readonly channel: Name;
  /**
   * Who handed the frame to us. On `direct` (a stream between the two, relayed or not) this peer is
   * authenticated as its author.
   */
  readonly from: PeerIndex;
  /** Gossiped frames may have been forwarded: only a signature inside says who wrote them. */
  readonly via: "direct" | "gossip";
  readonly bytes: Uint8Array;
  /**
   * Answers on the very stream that a direct status frame came on: with two processes behind one
   * identity, {@link Network.send} reaches either of them. False when the stream is gone or full.
   */
  readonly reply?: (bytes: Uint8Array) => boolean;
};

/**
 * Frames between the cluster's nodes. Delivery is at most once, in order per peer and channel, and
 * never guaranteed: protocols repeat, pull or time out.
 */
export interface Network<Name extends string = Channel> {
  /** Queues a frame for `peer`; false when it has no path or its queue is full. */
  send(peer: PeerIndex, channel: Name, bytes: Uint8Array): boolean;
  /**
   * Replaces the check of a channel's direct frames: asked with each frame as it was given to
   * {@link send}, right before its bytes are handed to the socket. A frame that may not leave is
   * dropped. Without a check everything may.
   */
  onLeaving(channel: Name, mayLeave: (frame: Uint8Array) => boolean): void;
  /**
   * Resolves once nothing that was sent on the channel before still waits in this process: it left,
   * was dropped, or its link was cut because the peer did not take it for too long.
   */
  settled(channel: Name): Promise<void>;
  /** Gossips a frame of at most MAX_GOSSIP_FRAME_BYTES to the whole cluster. */
  gossip(channel: Name, bytes: Uint8Array): void;
  /** Replaces the one handler of a channel; called once per inbound frame, in arrival order. */
  onFrame(channel: Name, handler: (frame: Inbound<Name>) => void): void;
  /** Called whenever the path to a peer appears or goes. */
  onPath(handler: (peer: PeerIndex, path: Path) => void): void;
  path(peer: PeerIndex): Path;
  /** Lowers the score of a peer; a peer far below zero is disconnected for a while. */
  penalise(peer: PeerIndex, code: string): void;
}
