import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { blstScheme, createClusterKeys, type KeyScheme } from "../../../sim/keys.ts";
import { SeededRandom } from "../../../sim/random.ts";
import { transparentScheme } from "../../../sim/transparentBls.ts";
import type { Root } from "../../../src/domain/keys.ts";

const ROOT = `0x${"5e".repeat(32)}` as Root;
const OTHER = `0x${"5f".repeat(32)}` as Root;

const keysOf = (scheme: KeyScheme) =>
  createClusterKeys({
    nodes: 7,
    threshold: 5,
    validators: 1,
    random: new SeededRandom("keys"),
    scheme,
    identities: "transparent",
    forkVersion: "0x00000f00",
    feeRecipient: `0x${"fe".repeat(20)}`,
    targetGasLimit: null,
  });

for (const [name, scheme] of [
  ["transparent", transparentScheme],
  ["blst", blstScheme()],
] as const) {
  describe(`SIM-5: ${name} signatures`, () => {
    const keys = keysOf(scheme);
    const validator = keys.cluster.validators[0];
    assert(validator !== undefined);
    const share = (self: number) => keys.shares(self)[0]?.secret ?? new Uint8Array();
    const partials = [1, 2, 4, 5, 6].map((self) => ({
      index: self + 1,
      signature: scheme.sign(share(self), ROOT),
    }));

    it("of any t shares combine to the group's, and of fewer do not", async () => {
      const { pubKey: publicKey } = validator;
      const signature = await scheme.bls.combine(partials);
      assert(signature !== null);
      assert.deepEqual(signature, scheme.sign(keys.wholeKey(0), ROOT));
      assert(await scheme.bls.verify({ publicKey, signingRoot: ROOT, signature }));
      assert(!(await scheme.bls.verify({ publicKey, signingRoot: OTHER, signature })));
      const few = await scheme.bls.combine(partials.slice(1));
      assert(few !== null && !Buffer.from(few).equals(signature));
    });

    it("verify under their own share's key alone, in batches too", async () => {
      const checks = partials.map(({ index, signature }) => ({
        publicKey: validator.pubShares[index - 1] ?? validator.pubKey,
        signingRoot: ROOT,
        signature,
      }));
      assert(await scheme.bls.verifyBatch(checks));
      const [first, second] = checks;
      assert(first !== undefined && second !== undefined);
      const swapped = [{ ...first, signature: second.signature }, second];
      assert(!(await scheme.bls.verifyBatch(swapped)));
    });

    it("are none when malformed, infinite, repeated or of the other scheme", async () => {
      const { pubKey: publicKey } = validator;
      for (const signature of [
        new Uint8Array(96),
        new Uint8Array(95),
        new Uint8Array(96).fill(9),
      ]) {
        assert(!(await scheme.bls.verify({ publicKey, signingRoot: ROOT, signature })));
        assert.equal(await scheme.bls.combine([{ index: 1, signature }]), null);
      }
      const [first] = partials;
      assert(first !== undefined);
      assert.equal(await scheme.bls.combine([first, first]), null);
      const other = scheme === transparentScheme ? blstScheme() : transparentScheme;
      assert.equal(await other.bls.combine([first]), null);
    });
  });
}
