/** A ceremony among honest operators, in any order and over any network. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { recoverSecret } from "../../../src/crypto/threshold.ts";
import { parseSecretKey } from "../../../src/crypto/points.ts";
import { CeremonyNetwork } from "../../support/ceremonyNetwork.ts";

describe("a ceremony", () => {
  it("ends with one lock for all", () => {
    const network = new CeremonyNetwork();
    network.start();
    network.run();
    for (const o of network.operators) console.log(o.machine.phase, o.abort, o.effects.filter(e=>e.kind==="reject"));
    const locks = network.operators.map(({ outcome }) => outcome?.lock.lock_hash);
    assert.notEqual(locks[0], undefined);
    assert.equal(new Set(locks).size, 1);
  });
});
