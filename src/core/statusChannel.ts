/** Frames of the status channel: decoded once, handed to who asked for their kind. */
import type { RejectionCode } from "../domain/errors.ts";
import type { PeerIndex } from "../domain/keys.ts";
import { assert } from "../util/assert.ts";
import type { Profile, StatusFrame } from "../wire/profile.ts";
import type { Courier } from "./courier.ts";

export type StatusKind = StatusFrame["kind"];
/** Answers the sender, and nobody else who shares its identity. */
export type Answer = (frame: StatusFrame) => void;
export type Way = {
  readonly answer: Answer;
  /**
   * Whether the sender itself just said it. A gossiped frame is its author's word of any time:
   * whoever once heard it can bring it again (WIRE-13).
   */
  readonly isDirect: boolean;
};
type Handler<K extends StatusKind> = (
  from: PeerIndex,
  frame: StatusFrame & { readonly kind: K },
  way: Way,
) => RejectionCode | null;

export class StatusChannel {
  readonly #profile: Profile;
  readonly #courier: Courier;
  readonly #handlers = new Map<StatusKind, Handler<never>>();

  constructor({ profile, courier }: { readonly profile: Profile; readonly courier: Courier }) {
    this.#profile = profile;
    this.#courier = courier;
    courier.onFrame("status", (from, bytes, reply) => {
      const decoded = profile.decodeStatus(bytes);
      if (!decoded.ok) return decoded.error.code;
      const frame = decoded.value;
      const handler = this.#handlers.get(frame.kind);
      const answer: Answer = (answered) => this.#answer(answered, reply);
      const way: Way = { answer, isDirect: reply !== undefined };
      return handler?.(from, frame as never, way) ?? null;
    });
  }

  /** One handler per kind. */
  on<K extends StatusKind>(kind: K, handler: Handler<K>): void {
    assert(!this.#handlers.has(kind), `${kind} frames have one handler`);
    this.#handlers.set(kind, handler);
  }

  /** To every peer, around broken links by gossip. */
  broadcast(frame: StatusFrame): void {
    const bytes = this.#profile.encodeStatus(frame);
    this.#courier.broadcast("status", bytes, () => [bytes]);
  }

  /** To one peer over its direct path; lost where there is none. */
  send(peer: PeerIndex, frame: StatusFrame): void {
    this.#courier.send(peer, "status", this.#profile.encodeStatus(frame));
  }

  /** Gossip reaches every process behind the identity, and says itself whom it is for. */
  #answer(frame: StatusFrame, reply: ((bytes: Uint8Array) => boolean) | undefined): void {
    const bytes = this.#profile.encodeStatus(frame);
    if (reply?.(bytes) !== true) this.#courier.gossip("status", bytes);
  }
}
