/**
 * The Network port of an operator that lies: its node's own code runs unchanged behind it (BYZ-1).
 * While the behaviour is not active everything passes as it is.
 */
import type { PeerIndex } from "../../src/domain/keys.ts";
import { MAX_GOSSIP_PAYLOAD_BYTES } from "../../src/domain/limits.ts";
import type { Channel, Inbound, Network, Path } from "../../src/ports/network.ts";
import { nativeProfile as profile } from "../../src/wire/nativeProfile.ts";
import type { Sent } from "./frames.ts";
import type { Behaviour, Operator, OperatorContext } from "./operator.ts";

export class ByzantineNetwork implements Network {
  readonly #inner: Network;
  readonly #operator: Operator;
  readonly #behaviour: Behaviour;

  constructor(context: OperatorContext, create: (operator: Operator) => Behaviour) {
    const { network, conspiracy, identity } = context;
    const { self, nodes } = identity;
    conspiracy.join(self);
    this.#inner = network;
    this.#operator = {
      ...context,
      peers: Array.from({ length: nodes }, (_, node) => node).filter((node) => node !== self),
      say: (peer, channel, bytes) => void network.send(peer, channel, bytes),
      shout: (channel, bytes) => network.gossip(channel, bytes),
    };
    this.#behaviour = create(this.#operator);
  }

  send(peer: PeerIndex, channel: Channel, bytes: Uint8Array): boolean {
    const frames = this.#rewritten({ channel, to: peer, via: "direct", bytes });
    // A node that is silenced here does not take to gossip instead.
    if (frames.length === 0) return this.#inner.path(peer) === "direct";
    return frames.map((frame) => this.#inner.send(peer, channel, frame)).every((sent) => sent);
  }

  gossip(channel: Channel, bytes: Uint8Array): void {
    const { scope, identity } = this.#operator;
    const opened = this.#isRewriting() ? profile.openGossip(scope, bytes, identity) : null;
    if (!opened?.ok) {
      this.#inner.gossip(channel, bytes);
      return;
    }
    const { payload } = opened.value;
    for (const frame of this.#rewritten({ channel, to: null, via: "gossip", bytes: payload })) {
      if (frame.length > MAX_GOSSIP_PAYLOAD_BYTES) continue;
      this.#inner.gossip(channel, profile.sealGossip(scope, { channel, payload: frame }, identity));
    }
  }

  onLeaving(channel: Channel, mayLeave: (frame: Uint8Array) => boolean): void {
    this.#inner.onLeaving(channel, mayLeave);
  }

  settled(channel: Channel): Promise<void> {
    return this.#inner.settled(channel);
  }

  onFrame(channel: Channel, handler: (frame: Inbound) => void): void {
    this.#inner.onFrame(channel, (frame) => {
      this.#hear(frame);
      handler(frame);
    });
  }

  onPath(handler: (peer: PeerIndex, path: Path) => void): void {
    this.#inner.onPath(handler);
  }

  path(peer: PeerIndex): Path {
    return this.#inner.path(peer);
  }

  penalise(peer: PeerIndex, code: string): void {
    this.#inner.penalise(peer, code);
  }

  #hear({ channel, from, via, bytes }: Inbound): void {
    const { hear } = this.#behaviour;
    if (hear === undefined) return;
    if (via === "direct") {
      hear({ channel, author: from, bytes });
      return;
    }
    const { scope, identity } = this.#operator;
    const opened = profile.openGossip(scope, bytes, identity);
    if (opened.ok) hear({ channel, author: opened.value.author, bytes: opened.value.payload });
  }

  #isRewriting(): boolean {
    return this.#behaviour.rewrite !== undefined && this.#operator.isActive();
  }

  #rewritten(sent: Sent): readonly Uint8Array[] {
    return this.#isRewriting() ? (this.#behaviour.rewrite?.(sent) ?? []) : [sent.bytes];
  }
}
