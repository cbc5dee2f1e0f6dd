/** What every {@link Identity} promises, secp256k1 and the simulator's alike. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { blstScheme, createClusterKeys } from "../../sim/keys.ts";
import { SeededRandom } from "../../sim/random.ts";

for (const identities of ["secp256k1", "transparent"] as const) {
  const keys = createClusterKeys({
    nodes: 4,
    threshold: 3,
    validators: 0,
    random: new SeededRandom("identity contract"),
    scheme: blstScheme(),
    identities,
    forkVersion: "0x00000f00",
    feeRecipient: `0x${"fe".repeat(20)}`,
    targetGasLimit: null,
  });
  const digest = new Uint8Array(32).fill(9);

  test(`${identities}: every operator verifies what another signed, and names the author`, () => {
    for (let author = 0; author < 4; author++) {
      const signature = keys.identityOf(author).sign(digest);
      assert.equal(signature.length, 65);
      for (let self = 0; self < 4; self++) {
        const identity = keys.identityOf(self);
        assert.equal(identity.self, self);
        assert.equal(identity.nodes, 4);
        for (let claimed = 0; claimed < 4; claimed++) {
          assert.equal(identity.verify(claimed, digest, signature), claimed === author);
        }
      }
    }
  });

  test(`${identities}: a signature is of one digest, in one form, and made alike each time`, () => {
    const identity = keys.identityOf(1);
    const signature = identity.sign(digest);
    assert.deepEqual(identity.sign(digest), signature);
    assert.equal(identity.verify(1, new Uint8Array(32).fill(8), signature), false);
    for (let i = 0; i < signature.length; i++) {
      const changed = Uint8Array.from(signature);
      changed[i] = (changed[i] ?? 0) ^ 1;
      assert.equal(identity.verify(1, digest, changed), false, `byte ${i}`);
    }
  });

  test(`${identities}: malformed input is false and never throws`, () => {
    const identity = keys.identityOf(0);
    const signature = identity.sign(digest);
    assert.equal(identity.verify(0, digest, signature.subarray(1)), false);
    assert.equal(identity.verify(0, digest, new Uint8Array()), false);
    assert.equal(identity.verify(0, digest, new Uint8Array(65).fill(0xff)), false);
    assert.equal(identity.verify(99, digest, signature), false);
    assert.equal(identity.verify(-1, digest, signature), false);
  });
}
