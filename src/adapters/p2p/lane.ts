/** The outbound half of one channel to one peer: a queue in front of a long-lived stream. */
import type { Stream } from "@libp2p/interface";
import { MAX_FRAME_BYTES, MAX_PEER_QUEUE_BYTES } from "../../domain/limits.ts";
import { assert } from "../../util/assert.ts";
import { concatBytes } from "../../util/bytes.ts";
import { LENGTH_BYTES, lengthPrefixOf } from "./frames.ts";
import type { AnyChannel } from "./scope.ts";
import type { Traffic } from "./traffic.ts";

/** Below this a frame is copied next to its prefix: one packet is cheaper than two. */
const MAX_COPIED_BYTES = 64 * 1024;

/** Asked with each frame right before its bytes are handed to the stream. */
export type MayLeave<Name extends AnyChannel> = (channel: Name, frame: Uint8Array) => boolean;

export class Lane<Name extends AnyChannel> {
  readonly #channel: Name;
  readonly #traffic: Traffic;
  readonly #mayLeave: MayLeave<Name>;
  readonly #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #stream: Stream | null = null;

  constructor(channel: Name, traffic: Traffic, mayLeave: MayLeave<Name>) {
    this.#channel = channel;
    this.#traffic = traffic;
    this.#mayLeave = mayLeave;
  }

  /** Sends over `stream` from now on, and tells `onLost` once when that stream is gone. */
  attach(stream: Stream, onLost: () => void): void {
    assert(this.#stream === null, "a lane has one stream at a time");
    this.#stream = stream;
    stream.addEventListener("drain", () => this.#pump());
    stream.addEventListener("close", () => {
      if (this.#stream === stream) this.#detach();
      onLost();
    });
  }

  get isOpen(): boolean {
    return this.#stream !== null;
  }

  /** False when the queue is full; what waits in the stream's own buffer counts too. */
  push(frame: Uint8Array): boolean {
    assert(frame.length > 0 && frame.length <= MAX_FRAME_BYTES, "a frame is within its limit");
    if (this.waitingBytes + LENGTH_BYTES + frame.length > MAX_PEER_QUEUE_BYTES) {
      this.#traffic.drop(this.#channel, "queue_full");
      return false;
    }
    this.#queue.push(frame);
    this.#queuedBytes += LENGTH_BYTES + frame.length;
    this.#pump();
    return true;
  }

  /** Bytes of frames that wait here or in the stream's own buffer. */
  get waitingBytes(): number {
    return this.#queuedBytes + (this.#stream?.writeBufferLength ?? 0);
  }

  /** Resets the stream and forgets what waited: by the time of a new one it is out of date. */
  reset(reason: Error): void {
    const stream = this.#stream;
    this.#detach();
    stream?.abort(reason);
  }

  #pump(): void {
    while (this.#stream !== null && !this.#stream.writableNeedsDrain) {
      const frame = this.#queue.shift();
      if (frame === undefined) return;
      const bytes = LENGTH_BYTES + frame.length;
      this.#queuedBytes -= bytes;
      // GATE-9: what was admitted long ago, or is frozen by now, goes no further.
      if (!this.#mayLeave(this.#channel, frame)) {
        this.#traffic.drop(this.#channel, "withheld");
        continue;
      }
      if (!writeFrame(this.#stream, frame)) return;
      this.#traffic.count(
        { channel: this.#channel, via: "direct", direction: "out" },
        { frames: 1, bytes },
      );
    }
  }

  #detach(): void {
    this.#stream = null;
    this.#traffic.drop(this.#channel, "path_lost", this.#queue.length);
    this.#queue.length = 0;
    this.#queuedBytes = 0;
  }
}

/** False when the stream closed meanwhile; its `close` event settles the rest. */
export function writeFrame(stream: Stream, frame: Uint8Array): boolean {
  if (stream.writeStatus !== "writable") return false;
  const prefix = lengthPrefixOf(frame);
  if (frame.length <= MAX_COPIED_BYTES) {
    stream.send(concatBytes(prefix, frame));
  } else {
    stream.send(prefix);
    stream.send(frame);
  }
  return true;
}
