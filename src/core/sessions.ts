/**
 * Which session of each operator is alive, as one node hears it: pure bookkeeping over heartbeats
 * whose signature was checked (BEAT-2). Two that live at once are one identity in two places
 * (TWIN-1).
 */
import type { PeerIndex } from "../domain/keys.ts";
import { SESSION_SILENCE_MS } from "../domain/limits.ts";
import type { Millis } from "../domain/units.ts";
import { BoundedCache } from "../util/boundedCache.ts";
import type { Heartbeat, SessionToken, SignedHeartbeat } from "../wire/profile.ts";

/** Sessions of one operator whose last number is remembered, so that none is replayed. */
const MAX_REMEMBERED = 64;

export type Heard =
  /** Seen before, or older than what was heard of its session. */
  | { readonly kind: "stale" }
  /** The one live session of its operator. */
  | { readonly kind: "live" }
  /**
   * A second one beside `other`, which lives, too, as far as anybody can tell: only where it spoke
   * again since the newer one began it is `certain` that it was not killed a moment ago.
   */
  | { readonly kind: "twin"; readonly other: SignedHeartbeat; readonly isCertain: boolean };

type Life = {
  readonly signed: SignedHeartbeat;
  readonly since: Millis;
  readonly heardAt: Millis;
  /** Whether it ever spoke to this node itself: gossip may bring what a dead session once said. */
  readonly isDirect: boolean;
};
type Known = {
  /** The session that is answered: the first one, until it falls silent. */
  live: Life | null;
  /** The last other session that was heard. */
  other: Life | null;
  readonly lastNumbers: BoundedCache<SessionToken, number>;
};

export class Sessions {
  readonly #known = new Map<PeerIndex, Known>();

  /** `now` is monotonic. */
  hear(signed: SignedHeartbeat, now: Millis, via: "direct" | "gossip" = "direct"): Heard {
    const known = this.#of(signed.author);
    const { session, number, isClosing } = signed.heartbeat;
    if (number <= (known.lastNumbers.get(session) ?? 0)) return { kind: "stale" };
    known.lastNumbers.set(session, number);
    const before = [known.live, known.other].find((each) => sessionOf(each) === session);
    const isDirect = via === "direct" || before?.isDirect === true;
    const life = { signed, since: before?.since ?? now, heardAt: now, isDirect };
    const isOther = sessionOf(known.live) !== session;
    const rival = isOther && isAlive(known.live, now) ? known.live : null;
    // BEAT-2: a session that was never heard but by gossip may be long dead and replayed.
    const isFirst = rival === null || (isDirect && !rival.isDirect && !isClosing);
    if (isFirst) {
      if (sessionOf(known.other) === session) known.other = null;
      if (rival !== null) known.other = rival;
      known.live = isClosing ? null : life;
    } else {
      known.other = isClosing ? null : life;
    }
    const beside = isFirst ? known.other : known.live;
    if (isClosing || beside === null || !isAlive(beside, now)) return { kind: "live" };
    const isCertain = beside.heardAt > life.since && now > beside.since;
    return { kind: "twin", other: beside.signed, isCertain };
  }

  /** The newest heartbeat of the operator's live session; null while none lives. */
  live(author: PeerIndex, now: Millis): Heartbeat | null {
    const { live } = this.#of(author);
    return live !== null && isAlive(live, now) ? live.signed.heartbeat : null;
  }

  #of(author: PeerIndex): Known {
    const known = this.#known.get(author);
    if (known !== undefined) return known;
    const created: Known = {
      live: null,
      other: null,
      lastNumbers: new BoundedCache(MAX_REMEMBERED),
    };
    this.#known.set(author, created);
    return created;
  }
}

function sessionOf(life: Life | null): SessionToken | null {
  return life?.signed.heartbeat.session ?? null;
}

function isAlive(life: Life | null, now: Millis): boolean {
  return life !== null && now - life.heardAt < SESSION_SILENCE_MS;
}

/**
 * TWIN-3: of two live sessions of one identity the one whose records are behind gives way; where
 * they are level, the one that began later. Both sides answer alike.
 */
export function givesWay(own: Heartbeat, twin: Heartbeat): boolean {
  if (own.progress !== twin.progress) return own.progress < twin.progress;
  if (own.startedAt !== twin.startedAt) return own.startedAt > twin.startedAt;
  return own.session > twin.session;
}
