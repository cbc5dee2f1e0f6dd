/**
 * The network of an operator who keeps to no rule: the product's lobby speaks through it, and what
 * the product's machine would say of the ceremony stays here. It only tells which attempt it is.
 */
import type { PeerIndex } from "../../src/domain/keys.ts";
import type { CeremonyChannel, Network } from "../../src/ports/network.ts";
import { assert } from "../../src/util/assert.ts";
import { decodeCeremonyFrame } from "../../src/wire/ceremony.ts";
import type { RogueFrame, RogueOperator } from "./rogueOperator.ts";

export function rogueNetwork(
  inner: Network<CeremonyChannel>,
  nodes: number,
  rogueIn: (attempt: number) => RogueOperator,
): Network<CeremonyChannel> {
  let rogue: RogueOperator | null = null;
  const sendAll = (frames: readonly RogueFrame[]): void => {
    for (const { to, frame } of frames) inner.send(to, "ceremony", frame);
  };
  /** He begins when the machine would. */
  const wake = (attempt: number): void => {
    if (rogue?.view.config.facts.attempt === attempt) return;
    rogue = rogueIn(attempt);
    sendAll(rogue.start());
  };
  return {
    send: (peer: PeerIndex, channel, bytes) => {
      if (channel !== "ceremony") return inner.send(peer, channel, bytes);
      const decoded = decodeCeremonyFrame(bytes, nodes);
      assert(decoded.ok, "the product's frames decode");
      wake(decoded.value.attempt);
      // What came before he woke is asked for, and comes to him.
      return decoded.value.content.kind !== "want" || inner.send(peer, channel, bytes);
    },
    onFrame: (channel, handler) =>
      inner.onFrame(channel, (frame) => {
        if (channel !== "ceremony" || rogue === null) handler(frame);
        else sendAll(rogue.receive(frame.from, frame.bytes));
      }),
    onLeaving: (channel, mayLeave) => inner.onLeaving(channel, mayLeave),
    settled: (channel) => inner.settled(channel),
    gossip: (channel, bytes) => inner.gossip(channel, bytes),
    onPath: (handler) => inner.onPath(handler),
    path: (peer) => inner.path(peer),
    penalise: (peer, code) => inner.penalise(peer, code),
  };
}
