/** What goes over the wire, counted where it is handed to and taken from the streams (NET-7). */
import type { PeerIndex } from "../../domain/keys.ts";
import type { Metrics } from "../../ports/metrics.ts";
import { CEREMONY_CHANNELS, CHANNELS, type Inbound, type Path } from "../../ports/network.ts";
import type { AnyChannel } from "./scope.ts";

export type Direction = "in" | "out";
export type Flow = {
  readonly channel: AnyChannel;
  readonly via: Inbound["via"];
  readonly direction: Direction;
};
export type Volume = { readonly frames: number; readonly bytes: number };
export type DropReason =
  | "no_path"
  | "queue_full"
  | "path_lost"
  | "malformed"
  | "no_handler"
  | "over_budget"
  | "withheld";

export class Traffic {
  readonly #volumes = new Map<string, Volume>();
  readonly #frames;
  readonly #bytes;
  readonly #dropped;
  readonly #connected;
  readonly #relayed;
  readonly #penalties;
  readonly #strangers;
  readonly #throttled;

  constructor(metrics: Metrics) {
    const labels = ["channel", "via", "direction"];
    this.#frames = metrics.counter({ name: "p2p_frames_total", help: "Frames by channel", labels });
    this.#bytes = metrics.counter({
      name: "p2p_bytes_total",
      help: "Bytes of frames with their length prefix, before encryption",
      labels,
    });
    this.#dropped = metrics.counter({
      name: "p2p_dropped_frames_total",
      help: "Frames that did not travel or were not understood, by reason",
      labels: ["channel", "reason"],
    });
    this.#connected = metrics.gauge({
      name: "p2p_peer_connected",
      help: "1 while frames to the peer (0-based index in the cluster lock) have a path",
      labels: ["peer"],
    });
    this.#relayed = metrics.gauge({
      name: "p2p_peer_relayed",
      help: "1 while the path to the peer leads over a relay or another member",
      labels: ["peer"],
    });
    this.#penalties = metrics.counter({
      name: "p2p_penalties_total",
      help: "Unacceptable frames by peer and error code",
      labels: ["peer", "code"],
    });
    this.#strangers = metrics.counter({
      name: "p2p_refused_connections_total",
      help: "Connections refused after the handshake, by reason",
      labels: ["reason"],
    });
    this.#throttled = metrics.counter({
      name: "p2p_throttled_total",
      help: "How often a peer had to wait because it sent more frames than it may",
      labels: ["peer"],
    });
  }

  count(flow: Flow, volume: Volume): void {
    const key = keyOf(flow);
    const { frames, bytes } = this.volume(flow);
    this.#volumes.set(key, { frames: frames + volume.frames, bytes: bytes + volume.bytes });
    this.#frames.add(volume.frames, flow);
    this.#bytes.add(volume.bytes, flow);
  }

  drop(channel: AnyChannel, reason: DropReason, frames = 1): void {
    if (frames > 0) this.#dropped.add(frames, { channel, reason });
  }

  path(peer: PeerIndex, path: Path): void {
    this.#connected.set(path === "none" ? 0 : 1, { peer: String(peer) });
    this.#relayed.set(path === "relayed" ? 1 : 0, { peer: String(peer) });
  }

  penalty(peer: PeerIndex, code: string): void {
    this.#penalties.add(1, { peer: String(peer), code });
  }

  throttled(peer: PeerIndex): void {
    this.#throttled.add(1, { peer: String(peer) });
  }

  refused(reason: "not_a_member" | "banned"): void {
    this.#strangers.add(1, { reason });
  }

  volume(flow: Flow): Volume {
    return this.#volumes.get(keyOf(flow)) ?? { frames: 0, bytes: 0 };
  }

  /** All channels and both ways together. */
  total(direction: Direction): Volume {
    const flows = [...CHANNELS, ...CEREMONY_CHANNELS].flatMap((channel) =>
      (["direct", "gossip"] as const).map((via) => this.volume({ channel, via, direction })),
    );
    return {
      frames: flows.reduce((sum, { frames }) => sum + frames, 0),
      bytes: flows.reduce((sum, { bytes }) => sum + bytes, 0),
    };
  }
}

function keyOf({ channel, via, direction }: Flow): string {
  return `${channel}/${via}/${direction}`;
}
