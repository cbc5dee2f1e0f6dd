import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import type { PartialSignature, PartialSignatureSet } from "../../../src/domain/data.ts";
import { bytesOf, type Root, rootOf } from "../../../src/domain/keys.ts";
import {
  MAX_FRAME_BYTES,
  MAX_GOSSIP_FRAME_BYTES,
  MAX_VALIDATORS,
} from "../../../src/domain/limits.ts";
import { concatBytes } from "../../../src/util/bytes.ts";
import { PartialsFrameSchema } from "../../../src/wire/generated/coterie/v1/partials_pb.ts";
import { nativeProfile } from "../../../src/wire/nativeProfile.ts";
import { testIdentity } from "../../support/identities.ts";
import { filledRoot, partialSet } from "../../support/wireFrames.ts";

const { encodePartials, decodePartials, splitPartials } = nativeProfile;

function setOf(count: number, rootFor: (validator: number) => Root): PartialSignatureSet {
  return {
    duty: { slot: 1_000_000, type: "attester" },
    shareIndex: 3,
    signatures: Array.from({ length: count }, (_, validator) => ({
      validator,
      messageRoot: rootFor(validator),
      signature: new Uint8Array(96).fill(validator),
    })),
  };
}

function rootOfNumber(number: number): Root {
  const bytes = Buffer.alloc(32);
  bytes.writeUInt32BE(number);
  return rootOf(bytes);
}

/** A frame as a Byzantine node may write it: entries are [validator, root index, signature]. */
function forged(change: {
  readonly roots?: readonly Root[];
  readonly entries?: readonly (readonly [number, number])[];
  readonly signatureBytes?: number;
  readonly duty?: { readonly slot: bigint; readonly type: 0 | 1 };
  readonly profile?: number;
}): Uint8Array {
  const { roots = [filledRoot(1)], entries = [[0, 0]] } = change;
  const column = (at: 0 | 1) => {
    const bytes = Buffer.alloc(2 * entries.length);
    for (const [i, entry] of entries.entries()) bytes.writeUInt16BE(entry[at], 2 * i);
    return bytes;
  };
  const frame = create(PartialsFrameSchema, {
    profile: change.profile ?? 1,
    duty: change.duty ?? { slot: 1n, type: 1 },
    roots: concatBytes(...roots.map(bytesOf)),
    validators: column(0),
    rootIndexes: column(1),
    signatures: new Uint8Array(change.signatureBytes ?? 96 * entries.length),
  });
  return toBinary(PartialsFrameSchema, frame);
}

function codeOf(bytes: Uint8Array): string {
  const decoded = decodePartials(bytes, 1);
  return decoded.ok ? "accepted" : decoded.error.code;
}

describe("partial-signature frames", () => {
  it("WIRE-4: every valid set decodes to itself, in lock order", () => {
    fc.assert(
      fc.property(partialSet, fc.nat(), (set, seed) => {
        const bytes = encodePartials(set);
        assert.deepEqual(decodePartials(bytes, set.shareIndex), { ok: true, value: set });
        const rotation = seed % set.signatures.length;
        const rotated = [...set.signatures.slice(rotation), ...set.signatures.slice(0, rotation)];
        assert.deepEqual(encodePartials({ ...set, signatures: rotated }), bytes);
      }),
      { numRuns: 300 },
    );
  });

  it("WIRE-11: takes the share from the author, never from the frame", () => {
    const bytes = encodePartials(setOf(2, () => filledRoot(1)));
    const decoded = decodePartials(bytes, 7);
    assert(decoded.ok);
    assert.equal(decoded.value.shareIndex, 7);
  });

  it("WIRE-11: costs 100 bytes per validator and 32 per root", () => {
    const one = encodePartials(setOf(1, () => filledRoot(1))).length;
    const many = encodePartials(setOf(1_001, () => filledRoot(1))).length;
    const roots = encodePartials(setOf(1_001, rootOfNumber)).length;
    assert(many - one <= 1_000 * 100 + 10, `${many - one} bytes`);
    assert(roots - many <= 1_000 * 32 + 10, `${roots - many} bytes`);
  });

  it("WIRE-11: the largest cluster fits into one frame", () => {
    const bytes = encodePartials(setOf(MAX_VALIDATORS, rootOfNumber));
    assert(bytes.length < MAX_FRAME_BYTES, `${bytes.length} bytes`);
    assert.equal(codeOf(bytes), "accepted");
  });

  const flawed: Readonly<Record<string, Parameters<typeof forged>[0]>> = {
    "an empty set": { roots: [], entries: [] },
    "a root without entries": { entries: [] },
    "entries without a root": { roots: [] },
    "a root index out of range": { entries: [[0, 1]] },
    "an unused root": { roots: [filledRoot(1), filledRoot(2)] },
    "a root twice": {
      roots: [filledRoot(1), filledRoot(1)],
      entries: [
        [0, 0],
        [1, 1],
      ],
    },
    "roots out of the order of first use": {
      roots: [filledRoot(1), filledRoot(2)],
      entries: [
        [0, 1],
        [1, 0],
      ],
    },
    "a validator twice": {
      entries: [
        [5, 0],
        [5, 0],
      ],
    },
    "a validator twice under two roots": {
      roots: [filledRoot(1), filledRoot(2)],
      entries: [
        [5, 0],
        [5, 1],
      ],
    },
    "validators out of order": {
      entries: [
        [5, 0],
        [4, 0],
      ],
    },
    "a missing signature": {
      entries: [
        [0, 0],
        [1, 0],
      ],
      signatureBytes: 96,
    },
    "a cut signature": { signatureBytes: 95 },
    "an unknown duty": { duty: { slot: 1n, type: 0 } },
    "a slot beyond 2^53": { duty: { slot: 2n ** 53n, type: 1 } },
  };
  for (const [name, change] of Object.entries(flawed)) {
    it(`WIRE-11: refuses ${name}`, () => assert.equal(codeOf(forged(change)), "malformed"));
  }

  it("WIRE-7: refuses another profile by name, and oversized frames unread", () => {
    assert.equal(codeOf(forged({})), "accepted");
    assert.equal(codeOf(forged({ profile: 2 })), "wrong_profile");
    assert.equal(codeOf(new Uint8Array(MAX_FRAME_BYTES + 1)), "frame_too_large");
  });

  it("WIRE-11: never writes a set that it would refuse", () => {
    const [entry] = setOf(1, () => filledRoot(1)).signatures;
    assert(entry !== undefined);
    const write = (signatures: readonly PartialSignature[]) => () =>
      encodePartials({ ...setOf(0, () => filledRoot(1)), signatures });
    assert.throws(write([]), /never empty/);
    assert.throws(write([entry, entry]), /one message per set/);
    assert.throws(write([{ ...entry, signature: new Uint8Array(95) }]), /96 bytes/);
  });

  for (const [name, rootFor] of [
    ["one root", () => filledRoot(1)],
    ["a root per validator", rootOfNumber],
  ] as const) {
    it(`WIRE-12: splits 500 validators with ${name} into gossip frames without loss`, () => {
      const set = setOf(500, rootFor);
      const parts = splitPartials(set);
      const identity = testIdentity(0, 4);
      const scope = { genesisValidatorsRoot: filledRoot(1), lockHash: filledRoot(2) };
      for (const part of parts) {
        const frame = { channel: "partials" as const, payload: encodePartials(part) };
        const sealed = nativeProfile.sealGossip(scope, frame, identity);
        assert(sealed.length <= MAX_GOSSIP_FRAME_BYTES, `${sealed.length} bytes`);
      }
      assert.deepEqual(
        parts.flatMap((part) => part.signatures),
        set.signatures,
      );
      const payloadBytes = parts.reduce((sum, part) => sum + encodePartials(part).length, 0);
      const fewest = Math.ceil(payloadBytes / MAX_GOSSIP_FRAME_BYTES);
      assert(parts.length <= fewest + 1, `${parts.length} parts, ${fewest} would be the fewest`);
    });
  }

  it("WIRE-12: leaves a small set whole", () => {
    const set = setOf(100, () => filledRoot(1));
    assert.deepEqual(splitPartials(set), [set]);
  });
});
