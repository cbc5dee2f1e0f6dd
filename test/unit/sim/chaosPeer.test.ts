import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseAttacks, refusePublicNetwork } from "../../../sim/commands/chaosPeer.ts";

describe("a chaos peer", () => {
  it("CHAOS-1: is refused on every public network, and on no private one", () => {
    for (const forkVersion of ["0x00000000", "0x00000064", "0x10000910", "0x90000069"] as const) {
      assert.throws(() => refusePublicNetwork({ forkVersion }), /chaos-peer does not run on/);
    }
    refusePublicNetwork({ forkVersion: "0x00000f00" });
  });

  it("is told its behaviours by name, each with its options", () => {
    assert.deepEqual(parseAttacks("silent"), [{ behaviour: "silent", options: {} }]);
    assert.deepEqual(parseAttacks("flood:framesPerSecond=20,slash-bait:bait=far-future"), [
      { behaviour: "flood", options: { framesPerSecond: 20 } },
      { behaviour: "slash-bait", options: { bait: "far-future" } },
    ]);
    assert.throws(() => parseAttacks(""), /needs --behaviour/);
  });
});
