/**
 * The inbound half of one channel from one peer: frames out of its stream, no faster than the
 * peer's budget allows (NET-11). What came too soon waits here, and behind it the peer.
 */
import type { Stream } from "@libp2p/interface";
import { MAX_FRAME_BYTES } from "../../domain/limits.ts";
import type { Millis } from "../../domain/units.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import type { FrameBudget } from "./frameBudget.ts";
import { FrameDecoder } from "./frames.ts";

export type InboundLaneParts = {
  readonly stream: Stream;
  readonly budget: FrameBudget;
  readonly clock: Clock;
  readonly onFrame: (bytes: Uint8Array) => void;
  /** A frame had no acceptable length; the stream is reset. */
  readonly onViolation: () => void;
  /** The peer sent more than it may and has to wait. */
  readonly onThrottled: () => void;
};

/**
 * What may arrive while the stream is paused: a little more than the window that the multiplexer
 * opens to everybody. Who keeps more under way loses the stream.
 */
const MAX_PAUSED_BYTES = 512 * 1024;
/** Between two looks at the budget of a peer that waits. */
const RETRY_MS: Millis = 50;

export class InboundLane {
  readonly #parts: InboundLaneParts;
  readonly #decoder = new FrameDecoder(MAX_FRAME_BYTES);
  /** Frames in the order of their arrival, from {@link #next} on. */
  #waiting: Uint8Array[] = [];
  #next = 0;
  #timer: Timer | null = null;

  constructor(parts: InboundLaneParts) {
    this.#parts = parts;
    const { stream } = parts;
    stream.maxReadBufferLength = MAX_PAUSED_BYTES;
    stream.addEventListener("message", ({ data }) => this.#take(data));
    stream.addEventListener("close", () => this.#drop());
  }

  reset(reason: Error): void {
    this.#parts.stream.abort(reason);
  }

  #take(data: Uint8Array | Iterable<Uint8Array>): void {
    for (const chunk of data instanceof Uint8Array ? [data] : data) {
      const frames = this.#decoder.push(chunk);
      if (frames === null) {
        this.#drop();
        this.reset(new Error("a frame of no acceptable length"));
        this.#parts.onViolation();
        return;
      }
      for (const frame of frames) this.#waiting.push(frame);
    }
    if (this.#timer === null) this.#deliver();
  }

  #deliver(): void {
    const { stream, budget, clock, onFrame, onThrottled } = this.#parts;
    for (; this.#next < this.#waiting.length; this.#next++) {
      const frame = this.#waiting[this.#next];
      if (frame === undefined || !budget.trySpend()) break;
      onFrame(frame);
    }
    if (this.#next === this.#waiting.length) {
      this.#drop();
      if (stream.readStatus === "paused") stream.resume();
      return;
    }
    if (stream.readStatus === "readable") {
      stream.pause();
      onThrottled();
    }
    this.#timer = clock.at(clock.now() + RETRY_MS, () => {
      this.#timer = null;
      this.#deliver();
    });
  }

  #drop(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#waiting = [];
    this.#next = 0;
  }
}
