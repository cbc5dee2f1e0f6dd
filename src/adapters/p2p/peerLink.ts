/**
 * Keeps one peer reachable: connect, open a stream per channel, wait until something breaks, pause,
 * again (NET-3). Either side may dial, so that one reachable side is enough.
 */
import type { Connection, Stream } from "@libp2p/interface";
import type { PeerIndex } from "../../domain/keys.ts";
import {
  CONNECT_TIMEOUT_MS,
  MAX_CONNECTIONS_PER_PEER,
  MAX_RECONNECT_DELAY_MS,
  MAX_RELAY_RETRY_MS,
} from "../../domain/limits.ts";
import type { Millis } from "../../domain/units.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import type { Path } from "../../ports/network.ts";
import { Bug } from "../../util/assert.ts";
import { Lane, type MayLeave } from "./lane.ts";
import type { AnyChannel, Scope } from "./scope.ts";
import type { Traffic } from "./traffic.ts";

/** Connections opened within this time were dialled crosswise; a later one replaces them. */
const CROSSED_DIALS_MS = 10_000;
/** Head start of the dialler with the smaller index, so that dials seldom cross. */
const HEAD_START_MS = 300;
const FIRST_RECONNECT_DELAY_MS = 250;
/** A relayed path works: there is no hurry to find a better one. */
const FIRST_UPGRADE_DELAY_MS = 1_000;
/** A link that held this long has worked: its next failure is a new one. */
const LASTING_MS = MAX_RECONNECT_DELAY_MS;
/** How long a peer may take for what waits, when somebody waits for that: a command's patience. */
const MAX_SETTLING_MS = 2_000;
const SETTLING_POLL_MS = 5;
/** A peer that restarts is back before that; one that is away longer is worth a look. */
const OUT_OF_REACH_MS = 60_000;

export type PeerLinkOptions<Name extends AnyChannel> = {
  readonly peer: PeerIndex;
  readonly isFirstDialler: boolean;
  readonly scope: Scope<Name>;
  /** Null when the peer has no address, or none that may be dialled now: wait for it to dial us. */
  readonly dial: (signal: AbortSignal) => Promise<Connection> | null;
  /** The same without relays, for a peer that is reached through one. */
  readonly dialDirect: (signal: AbortSignal) => Promise<Connection | null>;
  readonly onPath: (path: Path) => void;
  /** A new outbound stream on which the peer answers. */
  readonly onReplies: (channel: Name, stream: Stream) => void;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly traffic: Traffic;
  readonly mayLeave: MayLeave<Name>;
};

export class PeerLink<Name extends AnyChannel> {
  readonly #options: PeerLinkOptions<Name>;
  readonly #lanes: ReadonlyMap<Name, Lane<Name>>;
  /** Oldest first. */
  #connections: readonly Connection[] = [];
  #served: Connection | null = null;
  #path: Path = "none";
  /** Set while a relayed path is given up for a direct one. */
  #isMoving = false;
  /** Aborted, and replaced, when a connection of the peer arrives. */
  #arrival = new AbortController();
  #downSince: Millis;
  /** How much of the outage was told: nothing, that it is, that it lasts. */
  #told: "nothing" | "down" | "lasting" = "nothing";

  constructor(options: PeerLinkOptions<Name>) {
    this.#options = options;
    this.#lanes = new Map(
      options.scope.channels.map((name) => [
        name,
        new Lane(name, options.traffic, options.mayLeave),
      ]),
    );
    this.#downSince = options.clock.monotonic();
  }

  get path(): Path {
    return this.#path;
  }

  send(channel: Name, frame: Uint8Array): boolean {
    const lane = this.#lanes.get(channel);
    if (this.#path === "none" || lane?.isOpen !== true) {
      this.#options.traffic.drop(channel, "no_path");
      return false;
    }
    return lane.push(frame);
  }

  /**
   * Resolves once nothing of the channel waits in this process. A peer that does not take what
   * waits is cut off: what it has not taken by then, it never gets.
   */
  async settled(channel: Name): Promise<void> {
    const { clock } = this.#options;
    const giveUpAt = clock.monotonic() + MAX_SETTLING_MS;
    while ((this.#lanes.get(channel)?.waitingBytes ?? 0) > 0) {
      if (clock.monotonic() >= giveUpAt) {
        this.disconnect(new Error("it does not take what was sent"));
        this.#lanes.get(channel)?.reset(new Error("it does not take what was sent"));
        return;
      }
      await clock.sleep(SETTLING_POLL_MS, new AbortController().signal);
    }
  }

  /** Runs until `signal` aborts; rejects with nothing but a bug of ours. */
  async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      const startedAt = this.#options.clock.monotonic();
      try {
        await this.#serve(failures, signal);
      } catch (error) {
        if (error instanceof Bug) throw error;
        if (!signal.aborted) this.#tellFailure(error);
      }
      this.#unserve();
      // What breaks again at once is paused for like what never worked.
      const lastedMs = this.#options.clock.monotonic() - startedAt;
      failures = lastedMs > LASTING_MS ? 1 : failures + 1;
    }
  }

  connected(connection: Connection): void {
    this.#warnOfTwin(connection);
    this.#connections = [...this.#connections, connection];
    const excess = this.#connections.length - MAX_CONNECTIONS_PER_PEER;
    // Relayed ones first, and the oldest of each kind.
    const ranked = [...this.#connections].sort((a, b) => Number(a.direct) - Number(b.direct));
    for (const old of ranked.slice(0, Math.max(0, excess))) {
      old.abort(new Error("replaced by a newer connection"));
    }
    this.#giveWayTo(connection);
    this.#announceArrival();
  }

  /**
   * To a direct connection in place of a relayed one (NET-12), and to a new one in place of an old
   * one: a peer that crashed dials again long before its old connection times out.
   */
  #giveWayTo(newer: Connection): void {
    const served = this.#served;
    if (served === null) return;
    this.#isMoving = newer.direct && !served.direct;
    const age = newer.timeline.open - served.timeline.open;
    if (this.#isMoving || age > CROSSED_DIALS_MS) this.#unserve();
  }

  disconnected(connection: Connection): void {
    this.#connections = this.#connections.filter((other) => other !== connection);
  }

  /** Closes every connection; the link goes on trying. */
  disconnect(reason: Error): void {
    for (const connection of this.#connections) connection.abort(reason);
  }

  /** Connects and stays until the link breaks; throws where it does not come about. */
  async #serve(failures: number, signal: AbortSignal): Promise<void> {
    const { logger } = this.#options;
    const isMoving = this.#isMoving;
    this.#isMoving = false;
    const isPaused = failures > 0 || !this.#options.isFirstDialler;
    if (isPaused && !isMoving) await this.#pause(failures, signal);
    const connection = await this.#connect(signal);
    const lost = await this.#openLanes(connection, signal);
    if (this.#served !== connection) throw new Error("replaced by a newer connection");
    this.#setPath(connection.direct ? "direct" : "relayed");
    this.#told = "nothing";
    const fields = { address: connection.remoteAddr.toString(), path: this.#path };
    logger.info("Connected to a peer.", fields);
    const ended = AbortSignal.any([lost, signal]);
    if (connection.direct) this.#closeRelayed();
    else await this.#upgrade(ended, signal);
    // Each for itself: what waits on nothing but a combined signal may be collected with it.
    await Promise.race([untilAborted(lost), untilAborted(signal)]);
    this.#downSince = this.#options.clock.monotonic();
    if (signal.aborted || this.#isMoving) return;
    logger.warn("Lost the connection to a peer; connecting again.");
  }

  /** The newest open connection, direct if there is one, or one that we dial or that arrives. */
  async #connect(signal: AbortSignal): Promise<Connection> {
    for (let waits = 1; ; waits++) {
      const open = this.#connections.filter((connection) => connection.status === "open");
      const best = open.findLast(({ direct }) => direct) ?? open.at(-1);
      if (best !== undefined) return best;
      const dialling = this.#options.dial(signal);
      if (dialling !== null) return dialling;
      this.#tellFailure(new Error("none of its addresses may be dialled; it has to connect to us"));
      await this.#pause(waits, signal);
    }
  }

  /** NET-12: tries to reach a relayed peer directly until it is, or the relayed path ends. */
  async #upgrade(ended: AbortSignal, signal: AbortSignal): Promise<void> {
    let pauseMs = FIRST_UPGRADE_DELAY_MS;
    while (!ended.aborted) {
      try {
        await this.#options.clock.sleep(pauseMs * jitter(), ended);
        // The new connection takes over as soon as it is open, which is before this dial is done:
        // the end of the relayed path must not end it.
        await this.#options.dialDirect(signal);
      } catch (error) {
        if (error instanceof Bug) throw error;
        if (ended.aborted) return;
        this.#options.logger.debug("A relayed peer is not reached directly yet.", { error });
      }
      pauseMs = Math.min(2 * pauseMs, MAX_RELAY_RETRY_MS);
    }
  }

  #closeRelayed(): void {
    for (const relayed of this.#connections.filter(({ direct }) => !direct)) {
      relayed.abort(new Error("replaced by a direct connection"));
    }
  }

  /** Exponential with jitter, so that the nodes of a cluster do not dial in step. */
  async #pause(failures: number, signal: AbortSignal): Promise<void> {
    const base = failures === 0 ? HEAD_START_MS : FIRST_RECONNECT_DELAY_MS * 2 ** (failures - 1);
    await this.#sleep(Math.min(base, MAX_RECONNECT_DELAY_MS) * jitter(), signal);
  }

  /** Cut short when the peer connects to us. */
  async #sleep(delayMs: Millis, signal: AbortSignal): Promise<void> {
    const arrival = this.#arrival.signal;
    try {
      await this.#options.clock.sleep(delayMs, AbortSignal.any([signal, arrival]));
    } catch (error) {
      if (signal.aborted || !arrival.aborted) throw error;
    }
  }

  /** Opens a stream per channel; the result aborts when the first of them is gone. */
  async #openLanes(connection: Connection, signal: AbortSignal): Promise<AbortSignal> {
    const lost = new AbortController();
    const timeout = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_TIMEOUT_MS)]);
    this.#served = connection;
    const openings = [...this.#lanes].map(async ([channel, lane]) => {
      const stream = await this.#openStream(connection, channel, timeout);
      if (stream === null) return;
      // NET-14: of outbound streams only those on which peers answer are read.
      if (this.#options.scope.isAnswered(channel)) this.#options.onReplies(channel, stream);
      else stream.maxReadBufferLength = 0;
      lane.attach(stream, () => lost.abort());
    });
    // All settled: a lane must not get a stream after the link gave up on another lane's.
    const failed = (await Promise.allSettled(openings)).find(({ status }) => status === "rejected");
    if (failed?.status === "rejected") throw failed.reason;
    return lost.signal;
  }

  /** Null where the peer does not speak a channel that a link can do without. */
  async #openStream(
    connection: Connection,
    channel: Name,
    signal: AbortSignal,
  ): Promise<Stream | null> {
    const { scope } = this.#options;
    try {
      const options = { signal, runOnLimitedConnection: true };
      return await connection.newStream(scope.protocolOf(channel), options);
    } catch (error) {
      const isUnspoken = error instanceof Error && error.name === "UnsupportedProtocolError";
      if (scope.isOptional(channel) && isUnspoken) return null;
      throw error;
    }
  }

  #unserve(): void {
    this.#served = null;
    this.#setPath("none");
    for (const lane of this.#lanes.values()) lane.reset(new Error("the stream is given up"));
  }

  #setPath(path: Path): void {
    if (path === this.#path) return;
    this.#path = path;
    this.#options.onPath(path);
  }

  #announceArrival(): void {
    const arrival = this.#arrival;
    this.#arrival = new AbortController();
    arrival.abort();
  }

  /**
   * Nodes of a cluster start one after the other, so a first failure alarms nobody. One that lasts
   * is told once; the repetitions are for those who debug.
   */
  #tellFailure(error: unknown): void {
    const { clock, logger } = this.#options;
    const fields = { reason: error instanceof Error ? error.message : String(error) };
    const isLasting = clock.monotonic() - this.#downSince >= OUT_OF_REACH_MS;
    if (isLasting && this.#told !== "lasting") {
      this.#told = "lasting";
      logger.warn(
        "A peer has been out of reach for a minute. Check with its operator that it runs, and " +
          "its address in --p2p-peers.",
        fields,
      );
    } else if (this.#told === "nothing") {
      this.#told = "down";
      logger.info("A peer cannot be reached yet; trying again.", fields);
    } else {
      logger.debug("A peer cannot be reached; trying again.", fields);
    }
  }

  /** NET-9: an identity key that is used in two places is the road to a slashing. */
  #warnOfTwin(connection: Connection): void {
    const address = connection.remoteAddr.toString();
    const host = ipOf(address);
    const others = this.#connections.map((other) => other.remoteAddr.toString());
    const elsewhere = others.find((other) => ipOf(other) !== null && ipOf(other) !== host);
    if (host === null || elsewhere === undefined) return;
    this.#options.logger.warn(
      "One operator is connected from two addresses; unless it moved, its key is in use twice.",
      { addresses: [elsewhere, address] },
    );
  }
}

function jitter(): number {
  return 0.75 + Math.random() / 2;
}

/**
 * `1.2.3.4` of `/ip4/1.2.3.4/tcp/3610/p2p/…`; null for a host name and for a circuit, whose address
 * is the relay's: they say nothing here.
 */
function ipOf(address: string): string | null {
  if (address.includes("/p2p-circuit")) return null;
  const [, protocol, host] = address.split("/");
  return (protocol === "ip4" || protocol === "ip6") && host !== undefined ? host : null;
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
