import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Reputation } from "../../../../src/adapters/p2p/reputation.ts";
import { MIN_PEER_SCORE, PEER_BAN_MS, PEER_PENALTY } from "../../../../src/domain/limits.ts";

const OFFENCES = -MIN_PEER_SCORE / PEER_PENALTY;

function reputationAt(clock: { now: number }): Reputation {
  return new Reputation(() => clock.now);
}

describe("reputation", () => {
  it("NET-8: bans after a burst of offences, once, and for a while only", () => {
    const clock = { now: 1_000 };
    const reputation = reputationAt(clock);
    const bans = Array.from({ length: OFFENCES }, () => reputation.penalise(2));
    assert.deepEqual(bans.indexOf(true), OFFENCES - 1);
    assert(reputation.isBanned(2));
    assert.equal(reputation.penalise(2), false, "an offence on its way does not prolong the ban");
    clock.now += PEER_BAN_MS - 1;
    assert(reputation.isBanned(2));
    clock.now += 1;
    assert(!reputation.isBanned(2));
    assert.equal(reputation.score(2), 0, "whoever returns starts afresh");
  });

  it("NET-8: forgives what happens now and then", () => {
    const clock = { now: 0 };
    const reputation = reputationAt(clock);
    for (let i = 0; i < 100; i++) {
      assert.equal(reputation.penalise(1), false);
      clock.now += 10_000;
    }
    assert.equal(reputation.score(1), 0);
  });

  it("NET-8: one peer's offences are not another's", () => {
    const reputation = reputationAt({ now: 0 });
    for (let i = 0; i < OFFENCES; i++) reputation.penalise(1);
    assert(reputation.isBanned(1));
    assert(!reputation.isBanned(2));
    assert.equal(reputation.score(2), 0);
  });
});
