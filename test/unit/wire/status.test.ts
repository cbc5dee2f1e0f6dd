import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { MAX_HEARTBEAT_BYTES, MAX_STATUS_FRAME_BYTES } from "../../../src/domain/limits.ts";
import { StatusFrameSchema } from "../../../src/wire/generated/coterie/v1/status_pb.ts";
import { nativeProfile } from "../../../src/wire/nativeProfile.ts";
import type { Certificate, StatusFrame, WitnessPart } from "../../../src/wire/profile.ts";
import { testIdentity } from "../../support/identities.ts";
import { filledRoot, heartbeatOf } from "../../support/wireFrames.ts";

const scope = { genesisValidatorsRoot: filledRoot(1), lockHash: filledRoot(2) };
const identity = testIdentity(1, 4);
const filled = (length: number, byte: number): Uint8Array => new Uint8Array(length).fill(byte);

function codeOf(bytes: Uint8Array): string {
  const decoded = nativeProfile.decodeStatus(bytes);
  return decoded.ok ? "accepted" : decoded.error.code;
}

function roundTrip(frame: StatusFrame): StatusFrame {
  const decoded = nativeProfile.decodeStatus(nativeProfile.encodeStatus(frame));
  assert(decoded.ok);
  return decoded.value;
}

describe("heartbeats on the wire", () => {
  const signed = nativeProfile.signHeartbeat(scope, heartbeatOf({ twin: null }), identity);

  it("WIRE-14: every field comes back, the largest values too", () => {
    const heartbeat = heartbeatOf({
      number: Number.MAX_SAFE_INTEGER,
      startedAt: Number.MAX_SAFE_INTEGER,
      progress: Number.MAX_SAFE_INTEGER,
      reaches: Array.from({ length: 31 }, (_, peer) => peer),
      asks: [0, 7, 30],
      isReady: false,
      isClosing: true,
      twin: `0x${"7a".repeat(16)}`,
      version: "v".repeat(32),
    });
    const frame = {
      kind: "heartbeat",
      signed: nativeProfile.signHeartbeat(scope, heartbeat, identity),
    } as const;
    assert.ok(frame.signed.encoded.length <= MAX_HEARTBEAT_BYTES);
    assert.deepEqual(roundTrip(frame), frame);
  });

  it("WIRE-14: what is no heartbeat is malformed", () => {
    const bad = {
      "an empty one": new Uint8Array(),
      "a spoiled one": signed.encoded.map((byte, i) => (i === 1 ? 15 : byte)),
      "trailing bytes": Uint8Array.from([...signed.encoded, 0]),
      "too many bytes": filled(MAX_HEARTBEAT_BYTES + 1, 0),
    };
    for (const [name, encoded] of Object.entries(bad)) {
      const value = { author: 1, heartbeat: encoded, signature: signed.signature };
      const frame = create(StatusFrameSchema, { profile: 1, body: { case: "heartbeat", value } });
      assert.notEqual(codeOf(toBinary(StatusFrameSchema, frame)), "accepted", name);
    }
  });

  it("WIRE-15: the signature binds author, cluster, chain and every byte", () => {
    const isSigned = nativeProfile.isSignedHeartbeat;
    assert.ok(isSigned(scope, signed, identity));
    assert.ok(!isSigned(scope, { ...signed, author: 2 }, identity));
    assert.ok(!isSigned({ ...scope, lockHash: filledRoot(3) }, signed, identity));
    assert.ok(!isSigned({ ...scope, genesisValidatorsRoot: filledRoot(3) }, signed, identity));
    for (let i = 0; i < signed.encoded.length; i++) {
      const encoded = signed.encoded.map((byte, at) => (at === i ? byte ^ 1 : byte));
      assert.ok(!isSigned(scope, { ...signed, encoded }, identity), `byte ${i}`);
    }
  });
});

describe("witness statements on the wire", () => {
  const statement = (validator: number, byte: number, width = 128) => ({
    validator,
    data: filled(width, byte),
    signature: filled(96, validator & 0xff),
  });
  const part: WitnessPart = {
    to: 2,
    session: `0x${"5e".repeat(16)}`,
    parts: 3,
    part: 1,
    isBlocks: false,
    statements: [statement(0, 1), statement(1, 2), statement(2, 1)],
  };

  it("WIRE-16: statements come back as they were, attestations and blocks", () => {
    const blocks = { ...part, isBlocks: true, statements: [statement(7, 3, 112)] };
    for (const witnesses of [part, blocks, { ...part, statements: [] }]) {
      assert.deepEqual(roundTrip({ kind: "witnesses", witnesses }), {
        kind: "witnesses",
        witnesses,
      });
    }
  });

  it("WIRE-16: any number of statements is cut into parts that each fit", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat({ max: 65_535 }), fc.nat({ max: 40 })), { maxLength: 400 }),
        (list) => {
          const statements = list.map(([validator, byte]) => statement(validator, byte));
          const parts = nativeProfile.splitWitnesses(statements);
          assert.deepEqual(parts.flat(), statements);
          for (const [i, each] of parts.entries()) {
            const witnesses = { ...part, parts: parts.length, part: i, statements: each };
            const bytes = nativeProfile.encodeStatus({ kind: "witnesses", witnesses });
            assert.ok(bytes.length <= MAX_STATUS_FRAME_BYTES);
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  it("WIRE-16: columns that do not fit together are malformed", () => {
    const good = {
      session: filled(16, 1),
      parts: 1,
      part: 0,
      data: filled(128, 1),
      dataIndexes: filled(2, 0),
      validators: filled(2, 0),
      signatures: filled(96, 1),
      to: 2,
      isBlocks: false,
    };
    const encode = (value: typeof good): Uint8Array =>
      toBinary(
        StatusFrameSchema,
        create(StatusFrameSchema, { profile: 1, body: { case: "witnesses", value } }),
      );
    assert.equal(codeOf(encode(good)), "accepted");
    const bad: readonly Partial<typeof good>[] = [
      { session: filled(15, 1) },
      { parts: 0 },
      { part: 1 },
      { parts: 9_999 },
      { to: 31 },
      { data: filled(127, 1) },
      { data: filled(256, 1) },
      { dataIndexes: filled(4, 0) },
      { dataIndexes: Uint8Array.of(0, 1) },
      { validators: filled(3, 0) },
      { signatures: filled(192, 1) },
      { isBlocks: true },
    ];
    for (const change of bad) {
      assert.equal(codeOf(encode({ ...good, ...change })), "malformed", JSON.stringify(change));
    }
  });
});

describe("certificates and sightings on the wire", () => {
  const data = filled(128, 4);
  const certificate: Certificate = {
    duty: { slot: 77, type: "attester" },
    round: 2,
    valueRoot: nativeProfile.valueRoot(data),
    commits: [0, 2, 3].map((source) => ({ source, signature: filled(65, source) })),
    data,
  };
  const sighting = { duty: certificate.duty, validator: 5, messageRoot: filledRoot(8) };

  it("WIRE-17: certificates come back, alone and in an answer", () => {
    const decoded = nativeProfile.decodeCertificate(nativeProfile.encodeCertificate(certificate));
    assert.deepEqual(decoded, { ok: true, value: certificate });
    const frames: readonly StatusFrame[] = [
      { kind: "query", sighting },
      { kind: "answer", sighting, isKnown: true, certificate },
      { kind: "answer", sighting, isKnown: false, certificate: null },
    ];
    for (const frame of frames) assert.deepEqual(roundTrip(frame), frame);
  });

  it("WIRE-17: what proves nothing is malformed", () => {
    const [first, ...others] = certificate.commits;
    assert(first !== undefined);
    const bad: readonly Partial<Certificate>[] = [
      { data: filled(128, 5) },
      { data: filled(112, 4) },
      { round: 0 },
      { round: 7 },
      { duty: { slot: 77, type: "randao" } },
      { commits: [first, first, ...others] },
      { commits: [...others, first] },
    ];
    for (const change of bad) {
      const bytes = nativeProfile.encodeCertificate({ ...certificate, ...change });
      const decoded = nativeProfile.decodeCertificate(bytes);
      assert.equal(decoded.ok ? "accepted" : decoded.error.code, "malformed");
    }
  });
});
