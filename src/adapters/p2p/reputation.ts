/** Who misbehaved lately: a score per peer that recovers with time, and bans that expire. */
import type { PeerIndex } from "../../domain/keys.ts";
import {
  MIN_PEER_SCORE,
  PEER_BAN_MS,
  PEER_PENALTY,
  PEER_RECOVERY_PER_SECOND,
} from "../../domain/limits.ts";
import type { Millis } from "../../domain/units.ts";

type Standing = { readonly score: number; readonly at: Millis; readonly bannedUntil: Millis };

/** NET-8: never permanent, for an honest peer with a bug is still one that the cluster needs. */
export class Reputation {
  readonly #monotonic: () => Millis;
  readonly #standings = new Map<PeerIndex, Standing>();

  constructor(monotonic: () => Millis) {
    this.#monotonic = monotonic;
  }

  /** Lowers the score; true when this very penalty bans the peer. */
  penalise(peer: PeerIndex): boolean {
    const now = this.#monotonic();
    const score = this.score(peer) - PEER_PENALTY;
    if (this.isBanned(peer)) return false;
    const isBan = score <= MIN_PEER_SCORE;
    // Whoever returns from a ban starts afresh.
    this.#standings.set(peer, {
      score: isBan ? 0 : score,
      at: now,
      bannedUntil: isBan ? now + PEER_BAN_MS : 0,
    });
    return isBan;
  }

  /** Zero for a peer in good standing, down to {@link MIN_PEER_SCORE}. */
  score(peer: PeerIndex): number {
    const standing = this.#standings.get(peer);
    if (standing === undefined) return 0;
    const recovered = ((this.#monotonic() - standing.at) / 1000) * PEER_RECOVERY_PER_SECOND;
    return Math.min(0, standing.score + recovered);
  }

  isBanned(peer: PeerIndex): boolean {
    return (this.#standings.get(peer)?.bannedUntil ?? 0) > this.#monotonic();
  }
}
