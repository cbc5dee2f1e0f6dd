/**
 * Heartbeats: every node says each second, signed, that it lives, how far its records reach, whom
 * it reaches and whether it can do its duties (BEAT-1). Peers that hear two sessions of one
 * identity show each of them the other's, and the one that is behind stops (TWIN-1 to TWIN-3).
 */
import type { RefusalReason, RejectionCode } from "../domain/errors.ts";
import type { PeerIndex, Root } from "../domain/keys.ts";
import { HEARTBEAT_MS, SESSION_SILENCE_MS } from "../domain/limits.ts";
import type { Millis } from "../domain/units.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import type { Identity } from "../ports/identity.ts";
import type { Logger } from "../ports/logger.ts";
import type { Gauge, Metrics } from "../ports/metrics.ts";
import type { Network } from "../ports/network.ts";
import type { Random } from "../ports/random.ts";
import { toHex } from "../util/bytes.ts";
import { Listeners } from "../util/listeners.ts";
import { SESSION_BYTES } from "../wire/heartbeats.ts";
import type { Heartbeat, Profile, Scope, SessionToken, SignedHeartbeat } from "../wire/profile.ts";
import { givesWay, Sessions } from "./sessions.ts";
import type { Answer, StatusChannel, Way } from "./statusChannel.ts";

/** What a heartbeat says beside the session itself. */
export type OwnState = {
  readonly progress: number;
  readonly auditHead: Root;
  readonly isReady: boolean;
  readonly asks: readonly PeerIndex[];
};

type HeartbeatParts = {
  readonly profile: Profile;
  readonly scope: Scope;
  readonly channel: StatusChannel;
  readonly clock: Clock;
  readonly random: Random;
  readonly identity: Identity;
  readonly network: Network;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly version: string;
  readonly state: () => OwnState;
  readonly signal: AbortSignal;
};
/** Two sessions say something each second, and at once what changed. */
const INTRODUCTIONS_PER_BEAT = 8;
type Twin = { readonly heartbeat: Heartbeat; readonly heardAt: Millis };
/** Shows what this node knows to one session of a peer. */
export type HeartbeatHandler = (signed: SignedHeartbeat, answer: Answer) => void;

/** Between two warnings about one operator's twins: long enough for somebody to read them. */
const WARNING_PAUSE_MS: Millis = 60_000;

/** BEAT-1: one of this node's session, and what it hears of the others'. */
export class Heartbeats {
  readonly session: SessionToken;
  readonly #parts: HeartbeatParts;
  readonly #startedAt: Millis;
  readonly #sessions = new Sessions();
  /** The way back to each session that was heard, by its token; replaced with every heartbeat. */
  readonly #answers = new Map<PeerIndex, Map<SessionToken, Answer>>();
  readonly #introductions = new Map<PeerIndex, { since: Millis; count: number }>();
  readonly #heard = new Listeners<[SignedHeartbeat, Answer]>();
  readonly #warnedAt = new Map<PeerIndex, Millis>();
  readonly #givenWay = new Listeners<[string]>();
  readonly #alive: Gauge;
  #number = 0;
  #timer: Timer | null = null;
  #twin: Twin | null = null;
  #toldOfTwin: SessionToken | null = null;
  #toldAt: Millis = -Infinity;
  #isLost = false;

  constructor(parts: HeartbeatParts) {
    this.#parts = parts;
    this.session = toHex(parts.random.bytes(SESSION_BYTES));
    this.#startedAt = Math.floor(parts.clock.now());
    this.#alive = parts.metrics.gauge({
      name: "peer_alive",
      help: "Whether a peer's heartbeat was heard within the last seconds",
      labels: ["peer"],
    });
    parts.channel.on("heartbeat", (from, { signed }, way) => this.#hear(from, signed, way));
    parts.network.onPath((_peer, path) => {
      // The new peer is greeted, and the others hear whom they can reach over this node.
      if (path !== "none") this.tell();
    });
  }

  /** Heartbeats of a peer's one live session, each once. */
  onHeard(handler: HeartbeatHandler): void {
    this.#heard.add(handler);
  }

  /** This session must stop: another one of the same identity is ahead of it. */
  onGivenWay(handler: (reason: string) => void): void {
    this.#givenWay.add(handler);
  }

  start(): void {
    this.#parts.signal.addEventListener("abort", () => this.#stop(), { once: true });
    this.#beat();
  }

  /** Says at once what changed. */
  tell(): void {
    if (this.#timer !== null) this.#broadcast(false);
  }

  /** The newest heartbeat of each live peer. */
  live(peer: PeerIndex): Heartbeat | null {
    return this.#sessions.live(peer, this.#parts.clock.monotonic());
  }

  /** BEAT-4: a peer with a path that has not spoken yet may reach anybody. */
  isBridged(peer: PeerIndex): boolean {
    const { identity, network } = this.#parts;
    for (let via = 0; via < identity.nodes; via++) {
      if (via === identity.self || via === peer) continue;
      const heartbeat = this.live(via);
      if (heartbeat?.reaches.includes(peer) === true) return true;
      if (heartbeat === null && network.path(via) !== "none") return true;
    }
    return false;
  }

  /** Why this process must not sign: its identity lives elsewhere. */
  get twinProblem(): string | null {
    const twin = this.#liveTwin();
    if (this.#isLost) return `${TWIN}; this one is behind it and stops`;
    return twin?.heartbeat.twin === this.session ? `${TWIN}; this one is ahead and goes on` : null;
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  #beat(): void {
    const { clock, identity } = this.#parts;
    // The next beat is armed first: what one of them throws is a bug, and does not end the others.
    this.#timer = clock.at(clock.now() + HEARTBEAT_MS, () => this.#beat());
    this.#broadcast(false);
    for (let peer = 0; peer < identity.nodes; peer++) {
      if (peer === identity.self) continue;
      this.#alive.set(this.live(peer) === null ? 0 : 1, { peer: String(peer) });
    }
  }

  /** BEAT-3: a session that ends says so, and the next one is answered at once. */
  #stop(): void {
    this.#timer?.cancel();
    if (this.#timer !== null) this.#broadcast(true);
    this.#timer = null;
  }

  #broadcast(isClosing: boolean): void {
    this.#parts.channel.broadcast({ kind: "heartbeat", signed: this.#sign(isClosing) });
  }

  #sign(isClosing: boolean): SignedHeartbeat {
    const { profile, scope, identity } = this.#parts;
    this.#number += 1;
    return profile.signHeartbeat(scope, this.#heartbeat(isClosing), identity);
  }

  #heartbeat(isClosing: boolean): Heartbeat {
    const { identity, network, state, version } = this.#parts;
    const peers = Array.from({ length: identity.nodes }, (_, peer) => peer);
    return {
      session: this.session,
      number: this.#number,
      startedAt: this.#startedAt,
      ...state(),
      reaches: peers.filter((p) => p === identity.self || network.path(p) !== "none"),
      isClosing,
      twin: this.#liveTwin()?.heartbeat.session ?? null,
      version,
    };
  }

  #hear(from: PeerIndex, signed: SignedHeartbeat, { answer, isDirect }: Way): RejectionCode | null {
    const { identity, profile, scope, clock } = this.#parts;
    if (signed.author >= identity.nodes) return "wrong_author";
    const isOwn = signed.author === identity.self;
    // A peer speaks for itself, or shows somebody another session of that one's identity.
    if (signed.author !== from && !isOwn) return "duplicate";
    if (isOwn && signed.heartbeat.session === this.session) return "duplicate";
    if (!profile.isSignedHeartbeat(scope, signed, identity)) return "bad_signature";
    if (isOwn) return this.#hearOfTwin(signed);
    const via = isDirect ? "direct" : "gossip";
    const heard = this.#sessions.hear(signed, clock.monotonic(), via);
    // Direct and gossiped copies of one heartbeat arrive side by side.
    if (heard.kind === "stale") return null;
    this.#remember(signed, answer);
    if (heard.kind === "twin") {
      if (heard.isCertain) this.#warnOfTwins(signed, heard.other);
      this.#introduce(signed, heard.other);
    }
    const live = this.#sessions.live(signed.author, clock.monotonic());
    if (live?.session === signed.heartbeat.session) this.#heard.emit(signed, answer);
    return null;
  }

  #remember({ author, heartbeat }: SignedHeartbeat, answer: Answer): void {
    const answers = this.#answers.get(author) ?? new Map<SessionToken, Answer>();
    answers.set(heartbeat.session, answer);
    // Two live at a time, and those before them are over.
    const [oldest] = answers.keys();
    if (answers.size > 3 && oldest !== undefined) answers.delete(oldest);
    this.#answers.set(author, answers);
  }

  /**
   * Not for a process that was killed and is back: there is nothing for anybody to look at. Once in
   * a while, for whoever wants to fill a log can name two sessions of its own in turn.
   */
  #warnOfTwins({ author, heartbeat }: SignedHeartbeat, other: SignedHeartbeat): void {
    const now = this.#parts.clock.monotonic();
    if (now - (this.#warnedAt.get(author) ?? -Infinity) < WARNING_PAUSE_MS) return;
    this.#warnedAt.set(author, now);
    this.#parts.logger.warn("Two processes use one operator's identity at once; both are told.", {
      peer: author,
      sessions: [heartbeat.session, other.heartbeat.session],
    });
  }

  /** TWIN-1: each of the two hears of the other, signed by their common key. */
  #introduce(one: SignedHeartbeat, other: SignedHeartbeat): void {
    if (!this.#mayIntroduce(one.author)) return;
    const answers = this.#answers.get(one.author);
    answers?.get(one.heartbeat.session)?.({ kind: "heartbeat", signed: other });
    answers?.get(other.heartbeat.session)?.({ kind: "heartbeat", signed: one });
  }

  /** An answer may have to go by gossip, to everybody: no peer makes more of them than changes. */
  #mayIntroduce(author: PeerIndex): boolean {
    const now = this.#parts.clock.monotonic();
    const known = this.#introductions.get(author);
    const isOver = known === undefined || now - known.since >= HEARTBEAT_MS;
    const { since, count } = isOver ? { since: now, count: 0 } : known;
    this.#introductions.set(author, { since, count: count + 1 });
    return count < INTRODUCTIONS_PER_BEAT;
  }

  /** TWIN-2: only a session that names this one lives now; a dead one cannot have heard of it. */
  #hearOfTwin({ heartbeat, author }: SignedHeartbeat): RejectionCode | null {
    const { clock } = this.#parts;
    const known = this.#liveTwin()?.heartbeat;
    if (known?.session === heartbeat.session && heartbeat.number <= known.number) {
      return "duplicate";
    }
    if (heartbeat.isClosing) {
      if (known?.session === heartbeat.session) this.#twin = null;
      return null;
    }
    const isNew = known?.session !== heartbeat.session;
    // A peer can show heartbeats of dead sessions for ever: they hide none that knows of this one.
    const isKnowing = heartbeat.twin === this.session;
    if (isNew && known?.twin === this.session && !isKnowing) return null;
    this.#twin = { heartbeat, heardAt: clock.monotonic() };
    if (isNew) this.#tellOfTwin();
    if (isKnowing) this.#face(heartbeat, author);
    return null;
  }

  /** Once in a beat, however many sessions a peer shows: the next beat names the last of them. */
  #tellOfTwin(): void {
    const now = this.#parts.clock.monotonic();
    if (now - this.#toldAt < HEARTBEAT_MS) return;
    this.#toldAt = now;
    this.tell();
  }

  #face(twin: Heartbeat, peer: PeerIndex): void {
    if (this.#isLost) return;
    const own = this.#heartbeat(false);
    const isBehind = givesWay(own, twin);
    if (this.#toldOfTwin !== twin.session) {
      this.#toldOfTwin = twin.session;
      this.#parts.logger.error(`${TWIN}. ${isBehind ? STOPS : GOES_ON}`, {
        toldBy: peer,
        startedAt: twin.startedAt,
        session: twin.session,
      });
    }
    if (!isBehind) return;
    this.#isLost = true;
    this.#givenWay.emit(`${TWIN}. ${STOPS}`);
  }

  #liveTwin(): Twin | null {
    const now = this.#parts.clock.monotonic();
    return this.#twin !== null && now - this.#twin.heardAt < SESSION_SILENCE_MS ? this.#twin : null;
  }
}

const TWIN = "another process signs with this operator's identity right now";
const FIND_OUT =
  "Find out which machine is the right one before anything is started again, and delete the " +
  "copied data directory.";
/** TWIN-3: of every signature, once this session has given way. */
export const GAVE_WAY: RefusalReason = {
  code: "identity_in_use",
  detail: `${TWIN}, and its records reach further. ${FIND_OUT}`,
};
const STOPS = `The other one's records are further along, so this one stops. ${FIND_OUT}`;
const GOES_ON =
  "This one's records are further along, so it goes on and the other one stops. Find the other " +
  "machine and delete the copied data directory.";
