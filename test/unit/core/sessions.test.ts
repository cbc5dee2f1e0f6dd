import assert from "node:assert/strict";
import { test } from "node:test";
import { givesWay, Sessions } from "../../../src/core/sessions.ts";
import { SESSION_SILENCE_MS } from "../../../src/domain/limits.ts";
import type { Heartbeat, SignedHeartbeat } from "../../../src/wire/profile.ts";
import { heartbeatOf } from "../../support/wireFrames.ts";

const A = "0x0a" as const;
const B = "0x0b" as const;

function signed(change: Partial<Heartbeat>): SignedHeartbeat {
  const none = new Uint8Array();
  return { author: 1, heartbeat: heartbeatOf(change), encoded: none, signature: none };
}

test("BEAT-1, BEAT-2: the first session of an operator is its live one while it is heard", () => {
  const sessions = new Sessions();
  assert.equal(sessions.hear(signed({ session: A, number: 1 }), 0).kind, "live");
  assert.equal(sessions.hear(signed({ session: B, number: 1 }), 100).kind, "twin");
  assert.equal(sessions.live(1, 200)?.session, A);
  assert.equal(sessions.live(2, 200), null);
});

test("BEAT-2: a session that fell silent is dead, and the next one that is heard lives", () => {
  const sessions = new Sessions();
  sessions.hear(signed({ session: A, number: 1 }), 0);
  const later = SESSION_SILENCE_MS;
  assert.equal(sessions.live(1, later), null);
  assert.equal(sessions.hear(signed({ session: B, number: 1 }), later).kind, "live");
  assert.equal(sessions.live(1, later)?.session, B);
});

test("BEAT-3: a session that says that it ends gives its place away at once", () => {
  const sessions = new Sessions();
  sessions.hear(signed({ session: A, number: 1 }), 0);
  sessions.hear(signed({ session: A, number: 2, isClosing: true }), 10);
  assert.equal(sessions.live(1, 20), null);
  assert.equal(sessions.hear(signed({ session: B, number: 1 }), 30).kind, "live");
});

test("BEAT-2: a replayed heartbeat of a former session makes nothing live", () => {
  const sessions = new Sessions();
  const old = signed({ session: A, number: 7 });
  sessions.hear(old, 0);
  assert.equal(sessions.hear(old, SESSION_SILENCE_MS).kind, "stale");
  assert.equal(sessions.hear(signed({ session: A, number: 6 }), SESSION_SILENCE_MS).kind, "stale");
  assert.equal(sessions.live(1, SESSION_SILENCE_MS), null);
});

test("BEAT-2: who speaks directly takes the place of a session that only gossip brings", () => {
  const sessions = new Sessions();
  sessions.hear(signed({ session: A, number: 1 }), 0, "gossip");
  assert.equal(sessions.hear(signed({ session: B, number: 1 }), 100).kind, "twin");
  assert.equal(sessions.live(1, 100)?.session, B);
  assert.equal(sessions.hear(signed({ session: A, number: 2 }), 200, "gossip").kind, "twin");
  assert.equal(sessions.live(1, 200)?.session, B, "whatever gossip brings then");
});

test("BEAT-2: a session that ever spoke directly keeps its place when its path breaks", () => {
  const sessions = new Sessions();
  sessions.hear(signed({ session: A, number: 1 }), 0);
  sessions.hear(signed({ session: A, number: 2 }), 100, "gossip");
  assert.equal(sessions.hear(signed({ session: B, number: 1 }), 200).kind, "twin");
  assert.equal(sessions.live(1, 200)?.session, A);
});

test("TWIN-1: both sessions are shown to each other for as long as both live", () => {
  const sessions = new Sessions();
  sessions.hear(signed({ session: A, number: 1 }), 0);
  const second = sessions.hear(signed({ session: B, number: 1 }), 500);
  assert.equal(second.kind === "twin" && second.other.heartbeat.session, A);
  const first = sessions.hear(signed({ session: A, number: 2 }), 1_000);
  assert.equal(first.kind === "twin" && first.other.heartbeat.session, B);
  // The twin falls silent: nothing is left to tell.
  const alone = sessions.hear(signed({ session: A, number: 3 }), 500 + SESSION_SILENCE_MS);
  assert.equal(alone.kind, "live");
});

test("TWIN-3: exactly one of two gives way: who is behind, on a tie the newer", () => {
  const pairs: readonly (readonly [Partial<Heartbeat>, Partial<Heartbeat>])[] = [
    [
      { progress: 5, startedAt: 1 },
      { progress: 6, startedAt: 9 },
    ],
    [
      { progress: 5, startedAt: 9 },
      { progress: 5, startedAt: 1 },
    ],
    [
      { progress: 5, startedAt: 1, session: B },
      { progress: 5, startedAt: 1, session: A },
    ],
  ];
  for (const [behind, ahead] of pairs) {
    assert.equal(givesWay(heartbeatOf(behind), heartbeatOf(ahead)), true);
    assert.equal(givesWay(heartbeatOf(ahead), heartbeatOf(behind)), false);
  }
});

test("TWIN-1: one that was killed and is back is no certain twin; one that speaks again is", () => {
  const sessions = new Sessions();
  sessions.hear(signed({ session: A, number: 1 }), 0);
  for (const number of [1, 2]) {
    const back = sessions.hear(signed({ session: B, number }), 500 + 1_000 * number);
    assert.deepEqual([back.kind, back.kind === "twin" && back.isCertain], ["twin", false]);
  }
  const alive = sessions.hear(signed({ session: A, number: 2 }), 3_400);
  assert.equal(alive.kind === "twin" && alive.isCertain, true);
  const again = sessions.hear(signed({ session: B, number: 4 }), 3_450);
  assert.equal(again.kind === "twin" && again.isCertain, true);
});
