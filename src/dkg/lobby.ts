/**
 * The room in which operators wait for each other (LOBBY-2): who is there and, when all of them
 * are, which attempt comes next. State and arithmetic only; `runner.ts` sends and receives.
 */
import type { ClusterDefinition } from "../cluster/definition.ts";
import { type RejectionReason, UsageError } from "../domain/errors.ts";
import type { PeerIndex } from "../domain/keys.ts";
import { MAX_CEREMONY_ATTEMPTS_AHEAD } from "../domain/limits.ts";
import type { Millis } from "../domain/units.ts";
import type { Path } from "../ports/network.ts";
import { assert } from "../util/assert.ts";
import { err, ok, type Result } from "../util/result.ts";
import { operatorsText } from "./ending.ts";
import {
  decodeHello,
  differingFields,
  encodeHello,
  fieldDigests,
  type Hello,
  type HelloState,
} from "./hello.ts";

/** Why a peer that is connected is not in. */
export type Obstacle =
  | { readonly kind: "definition"; readonly fields: readonly string[] }
  | { readonly kind: "protocol"; readonly theirs: number; readonly ours: number };

/** One place at the table. */
export type Seat = {
  readonly peer: PeerIndex;
  readonly path: Path;
  /** Since when the path is what it is, by our clock. */
  readonly since: Millis;
  readonly hasBeenSeen: boolean;
  readonly version: string | null;
  /** How far the peer's clock is ahead of ours; null before a round trip. */
  readonly clockOffsetMs: Millis | null;
  readonly obstacle: Obstacle | null;
  /** Null: not in. */
  readonly state: HelloState | null;
};

type Guest = {
  path: Path;
  since: Millis;
  hasBeenSeen: boolean;
  hello: Hello | null;
  receivedAt: Millis;
  clockOffsetMs: Millis | null;
};

export type LobbyOptions = {
  readonly definition: ClusterDefinition;
  readonly self: PeerIndex;
  readonly protocol: number;
  readonly version: string;
  readonly now: Millis;
};

/** This operator's own standing. */
export type Standing = {
  /** The last attempt that is over; 0 for none. */
  readonly ended: number;
  /** The attempt that is under way or can be resumed; 0 for none. */
  readonly current: number;
  readonly state: HelloState;
  /** Whose messages of the current attempt are held. */
  readonly heard: ReadonlySet<PeerIndex>;
};

/** Nothing was begun yet. */
const NEWCOMER: Standing = { ended: 0, current: 0, state: "waiting", heard: new Set() };

export class Lobby {
  readonly #options: LobbyOptions;
  readonly #fields: Hello["fields"];
  readonly #guests: ReadonlyMap<PeerIndex, Guest>;
  readonly #done = new Map<PeerIndex, number>();
  standing: Standing = NEWCOMER;

  constructor(options: LobbyOptions) {
    this.#options = options;
    this.#fields = fieldDigests(options.definition);
    this.#guests = new Map(
      options.definition.operators.flatMap((_, peer): [PeerIndex, Guest][] =>
        peer === options.self ? [] : [[peer, emptyGuest(options.now)]],
      ),
    );
  }

  peers(): readonly PeerIndex[] {
    return [...this.#guests.keys()];
  }

  /** What `peer` is told now. */
  helloFor(peer: PeerIndex, now: Millis): Uint8Array {
    const { definition, protocol, version } = this.#options;
    const { ended, current, state, heard } = this.standing;
    const { hello, receivedAt } = this.#guest(peer);
    return encodeHello({
      protocol,
      version,
      definitionHash: definition.definition_hash.toLowerCase(),
      fields: this.#fields,
      ended,
      current,
      state,
      knowsYou: heard.has(peer),
      sentAt: now,
      echo: hello === null ? null : { sentAt: hello.sentAt, heldMs: now - receivedAt },
    });
  }

  receive(from: PeerIndex, bytes: Uint8Array, now: Millis): Result<Hello, RejectionReason> {
    const hello = decodeHello(bytes);
    if (!hello.ok) return err(hello.error);
    const claimed = Math.max(hello.value.ended, hello.value.current);
    const known = Math.max(this.standing.ended, this.standing.current);
    // Numbers count up on every disk that hears them, and there is an end to them (DKG-15).
    if (claimed > known + MAX_CEREMONY_ATTEMPTS_AHEAD) {
      return err({
        code: "malformed",
        detail: `attempt ${claimed} is far from the last, ${known}`,
      });
    }
    const guest = this.#guest(from);
    guest.hello = hello.value;
    guest.receivedAt = now;
    guest.hasBeenSeen = true;
    const { echo, sentAt, state, current } = hello.value;
    if (state === "done" && this.#mayHaveFinished(from, current)) this.#done.set(from, current);
    if (echo !== null) {
      const roundTripMs = now - echo.sentAt - echo.heldMs;
      // An echo of a hello before our clock was set says nothing.
      if (roundTripMs >= 0) guest.clockOffsetMs = Math.round(sentAt + roundTripMs / 2 - now);
    }
    return ok(hello.value);
  }

  setPath(peer: PeerIndex, path: Path, now: Millis): void {
    const guest = this.#guest(peer);
    if (guest.path === path) return;
    guest.path = path;
    guest.since = now;
    // What it said before may not be true when it comes back.
    if (path === "none") guest.hello = null;
    else guest.hasBeenSeen = true;
  }

  seats(): readonly Seat[] {
    return [...this.#guests].map(([peer, guest]) => ({
      peer,
      path: guest.path,
      since: guest.since,
      hasBeenSeen: guest.hasBeenSeen,
      version: guest.hello?.version ?? null,
      clockOffsetMs: guest.clockOffsetMs,
      obstacle: this.#obstacleOf(guest),
      state: this.#isIn(guest) ? (guest.hello?.state ?? null) : null,
    }));
  }

  /** Whether everybody is connected, with this definition and protocol. */
  get isComplete(): boolean {
    return [...this.#guests.values()].every((guest) => this.#isIn(guest));
  }

  /** Peers that said that everything of the attempt is written, whether or not they are here. */
  done(attempt: number): readonly PeerIndex[] {
    return this.peers().filter((peer) => this.#done.get(peer) === attempt);
  }

  /** An attempt that a peer says it finished, one of `own` before any other; 0 for none. */
  finished(own: ReadonlySet<number>): number {
    const claims = [...this.#done.values()];
    const known = claims.filter((claim) => own.has(claim));
    return Math.max(0, ...(known.length > 0 ? known : claims));
  }

  /**
   * The attempt to be in (LOBBY-3): the highest that somebody is in, unless it ended for anybody,
   * or somebody there remembers us and we do not: then our messages in it are lost, others would
   * differ from them, and only a new attempt can do.
   */
  attempt(): number {
    const hellos = this.#agreeing().flatMap(([, { hello }]) => hello ?? []);
    const ended = Math.max(this.standing.ended, ...hellos.map((hello) => hello.ended));
    const current = Math.max(this.standing.current, ...hellos.map((hello) => hello.current));
    const isForgotten =
      this.standing.current < current &&
      hellos.some((hello) => hello.current === current && hello.knowsYou);
    return current > ended && !isForgotten ? current : Math.max(ended, current) + 1;
  }

  /** The last attempt that other operators remember, and who they are; 0 for none. */
  remembered(): { readonly attempt: number; readonly peers: readonly PeerIndex[] } {
    const claims = this.#agreeing().map(([peer, { hello }]) => ({
      peer,
      attempt: Math.max(0, hello?.ended ?? 0, hello?.current ?? 0),
    }));
    const attempt = Math.max(0, ...claims.map((claim) => claim.attempt));
    const peers = claims.filter((claim) => claim.attempt === attempt).map(({ peer }) => peer);
    return { attempt, peers };
  }

  /** What one says of another definition's attempts is of no concern here. */
  #agreeing(): readonly (readonly [PeerIndex, Guest])[] {
    return [...this.#guests].filter(([, guest]) => this.#obstacleOf(guest) === null);
  }

  /** Nobody who finished an attempt speaks in a later one (OUT-3). */
  #mayHaveFinished(peer: PeerIndex, attempt: number): boolean {
    const { current, heard } = this.standing;
    const isElsewhere = current > 0 && attempt !== current && heard.has(peer);
    return this.#obstacleOf(this.#guest(peer)) === null && !isElsewhere;
  }

  #isIn(guest: Guest): boolean {
    return guest.path !== "none" && guest.hello !== null && this.#obstacleOf(guest) === null;
  }

  #obstacleOf({ hello }: Guest): Obstacle | null {
    if (hello === null) return null;
    const { protocol, definition } = this.#options;
    if (hello.protocol !== protocol) {
      return { kind: "protocol", theirs: hello.protocol, ours: protocol };
    }
    if (hello.definitionHash === definition.definition_hash.toLowerCase()) return null;
    const fields = differingFields(this.#fields, hello.fields);
    return { kind: "definition", fields };
  }

  #guest(peer: PeerIndex): Guest {
    const guest = this.#guests.get(peer);
    assert(guest !== undefined, `peer ${peer} is another operator of the definition`);
    return guest;
  }
}

/** All who were in a finished attempt have shares of it: they are lost, or `peers` are wrong. */
export function finishedElsewhere(attempt: number, peers: readonly PeerIndex[]): UsageError {
  const who = operatorsText(peers);
  return new UsageError(`${who} finished attempt ${attempt}, of which there is no key share here`, {
    fix:
      "if this node took part in it, restore the data directory from your backup; if it did not, " +
      `what ${who} told is wrong: talk to each other`,
  });
}

function emptyGuest(now: Millis): Guest {
  return {
    path: "none",
    since: now,
    hasBeenSeen: false,
    hello: null,
    receivedAt: 0,
    clockOffsetMs: null,
  };
}
