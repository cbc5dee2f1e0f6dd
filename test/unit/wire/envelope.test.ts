import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { MAX_GOSSIP_FRAME_BYTES, MAX_GOSSIP_PAYLOAD_BYTES } from "../../../src/domain/limits.ts";
import {
  type GossipEnvelope,
  GossipEnvelopeSchema,
} from "../../../src/wire/generated/coterie/v1/envelope_pb.ts";
import { nativeProfile } from "../../../src/wire/nativeProfile.ts";
import { testIdentity } from "../../support/identities.ts";
import { loadMutant } from "../../support/mutant.ts";
import { filledRoot } from "../../support/wireFrames.ts";

type Profiles = typeof import("../../../src/wire/nativeProfile.ts");
const scope = { genesisValidatorsRoot: filledRoot(1), lockHash: filledRoot(2) };
const author = testIdentity(2, 4);
const receiver = testIdentity(0, 4);
const payload = Uint8Array.of(1, 2, 3);
const sealed = nativeProfile.sealGossip(scope, { channel: "partials", payload }, author);

function codeOf(bytes: Uint8Array, at = scope, profile = nativeProfile): string {
  const opened = profile.openGossip(at, bytes, receiver);
  return opened.ok ? "accepted" : opened.error.code;
}

/** The sealed envelope with fields changed afterwards. */
function altered(change: Partial<GossipEnvelope>): Uint8Array {
  const opened = nativeProfile.openGossip(scope, sealed, receiver);
  assert(opened.ok);
  const original = create(GossipEnvelopeSchema, {
    profile: 1,
    channel: 2,
    author: 2,
    payload,
    signature: sealed.subarray(sealed.length - 65),
  });
  assert.deepEqual(toBinary(GossipEnvelopeSchema, original), sealed, "nothing is changed yet");
  return toBinary(GossipEnvelopeSchema, { ...original, ...change });
}

describe("gossip envelopes", () => {
  it("WIRE-13: opens to what the author sealed", () => {
    const opened = nativeProfile.openGossip(scope, sealed, receiver);
    assert(opened.ok);
    assert.equal(opened.value.author, 2);
    assert.equal(opened.value.channel, "partials");
    assert.deepEqual(Buffer.from(opened.value.payload), Buffer.from(payload));
  });

  it("WIRE-13: refuses another author, channel, payload or signature", () => {
    assert.equal(codeOf(altered({ author: 1 })), "bad_signature");
    assert.equal(codeOf(altered({ author: 4 })), "wrong_author");
    assert.equal(codeOf(altered({ channel: 1 })), "bad_signature");
    assert.equal(codeOf(altered({ channel: 9 as 1 })), "malformed");
    assert.equal(codeOf(altered({ channel: 0 })), "malformed");
    assert.equal(codeOf(altered({ payload: Uint8Array.of(1, 2, 4) })), "bad_signature");
    assert.equal(codeOf(altered({ payload: new Uint8Array(0) })), "malformed");
    assert.equal(codeOf(altered({ signature: new Uint8Array(65) })), "bad_signature");
    assert.equal(codeOf(altered({ signature: new Uint8Array(64) })), "malformed");
    assert.equal(codeOf(altered({ profile: 2 })), "wrong_profile");
  });

  it("WIRE-13: opens neither in another cluster nor on another chain", () => {
    assert.equal(codeOf(sealed, { ...scope, lockHash: filledRoot(3) }), "bad_signature");
    assert.equal(
      codeOf(sealed, { ...scope, genesisValidatorsRoot: filledRoot(3) }),
      "bad_signature",
    );
  });

  it("WIRE-13: a mutant that does not verify takes a forged author", async () => {
    const lax = await loadMutant<Profiles>("src/wire/nativeProfile.ts", [
      {
        file: "src/wire/envelope.ts",
        find: "!identity.verify(author, gossipDigest(scope, author, frame), signature)",
        replace: "false",
      },
    ]);
    assert.equal(codeOf(altered({ author: 1 }), scope, lax.nativeProfile), "accepted");
  });

  it("WIRE-13: seals the largest payload into a gossip frame and refuses a larger one", () => {
    const seal = (length: number) => {
      const frame = { channel: "consensus" as const, payload: new Uint8Array(length) };
      return nativeProfile.sealGossip(scope, frame, author);
    };
    const largest = seal(MAX_GOSSIP_PAYLOAD_BYTES);
    assert(largest.length <= MAX_GOSSIP_FRAME_BYTES);
    assert.equal(codeOf(largest), "accepted");
    assert.throws(() => seal(MAX_GOSSIP_PAYLOAD_BYTES + 1), /fits/);
    assert.equal(codeOf(new Uint8Array(MAX_GOSSIP_FRAME_BYTES + 1)), "frame_too_large");
  });
});
