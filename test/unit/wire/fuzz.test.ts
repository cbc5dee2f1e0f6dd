import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { nativeProfile } from "../../../src/wire/nativeProfile.ts";
import { testIdentity } from "../../support/identities.ts";
import { consensusFrame, filledRoot, partialSet } from "../../support/wireFrames.ts";

const { encodeConsensus, decodeConsensus, encodePartials, decodePartials } = nativeProfile;
const scope = { genesisValidatorsRoot: filledRoot(1), lockHash: filledRoot(2) };
const identity = testIdentity(0, 4);

/** What a peer may make of valid bytes: flipped, cut, doubled and spliced. */
const mutation = fc.record({
  flips: fc.array(fc.record({ at: fc.nat(), to: fc.nat({ max: 255 }) }), { maxLength: 4 }),
  cutAt: fc.option(fc.nat()),
  tail: fc.uint8Array({ maxLength: 20 }),
});

function mutate(
  bytes: Uint8Array,
  change: typeof mutation extends fc.Arbitrary<infer T> ? T : never,
) {
  const kept = change.cutAt === null ? bytes : bytes.subarray(0, change.cutAt % (bytes.length + 1));
  const out = Uint8Array.from([...kept, ...change.tail]);
  for (const { at, to } of change.flips) if (out.length > 0) out[at % out.length] = to;
  return out;
}

describe("decoding is total (WIRE-4)", () => {
  it("never throws on random bytes, and what it accepts is what it would write", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        const frame = decodeConsensus(bytes);
        if (frame.ok) assert.deepEqual(encodeConsensus(frame.value), bytes);
        const set = decodePartials(bytes, 1);
        if (set.ok) assert.deepEqual(encodePartials(set.value), bytes);
        nativeProfile.openGossip(scope, bytes, identity);
      }),
      { numRuns: 2_000 },
    );
  });

  it("never throws on mutated consensus frames, and accepts only what it would write", () => {
    let accepted = 0;
    fc.assert(
      fc.property(consensusFrame, mutation, (frame, change) => {
        const bytes = mutate(encodeConsensus(frame), change);
        const decoded = decodeConsensus(bytes);
        if (!decoded.ok) return;
        accepted++;
        assert.deepEqual(encodeConsensus(decoded.value), bytes);
      }),
      { numRuns: 1_500 },
    );
    assert(accepted > 3, "the mutations are not all fatal");
  });

  it("never throws on mutated partial signatures, and accepts only what it would write", () => {
    fc.assert(
      fc.property(partialSet, mutation, (set, change) => {
        const bytes = mutate(encodePartials(set), change);
        const decoded = decodePartials(bytes, set.shareIndex);
        if (decoded.ok) assert.deepEqual(encodePartials(decoded.value), bytes);
      }),
      { numRuns: 1_000 },
    );
  });

  it("never throws on mutated envelopes, and accepts none but the author's own bytes", () => {
    const payload = Uint8Array.of(1, 2, 3);
    const sealed = nativeProfile.sealGossip(scope, { channel: "partials", payload }, identity);
    fc.assert(
      fc.property(mutation, (change) => {
        const bytes = mutate(sealed, change);
        const opened = nativeProfile.openGossip(scope, bytes, identity);
        assert.equal(opened.ok, Buffer.compare(bytes, sealed) === 0);
      }),
      { numRuns: 1_000 },
    );
  });
});
