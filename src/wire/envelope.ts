/** The native profile's gossip envelope: a frame that keeps its author when others forward it. */
import { create, toBinary } from "@bufbuild/protobuf";
import type { RejectionReason } from "../domain/errors.ts";
import { MAX_GOSSIP_FRAME_BYTES, MAX_GOSSIP_PAYLOAD_BYTES } from "../domain/limits.ts";
import type { Identity } from "../ports/identity.ts";
import { CHANNELS, type Channel } from "../ports/network.ts";
import { assert } from "../util/assert.ts";
import { err, ok, type Result } from "../util/result.ts";
import { decodeCanonical, malformed } from "./canonical.ts";
import { GossipEnvelopeSchema } from "./generated/coterie/v1/envelope_pb.ts";
import type { GossipFrame, Scope } from "./profile.ts";
import {
  CHANNEL_NUMBERS,
  gossipDigest,
  IDENTITY_SIGNATURE_BYTES,
  NATIVE_PROFILE_ID,
} from "./signing.ts";

const CHANNEL_BY_NUMBER = new Map(
  CHANNELS.map((channel) => [CHANNEL_NUMBERS[channel], channel] as const),
);

export function sealGossip(
  scope: Scope,
  frame: { readonly channel: Channel; readonly payload: Uint8Array },
  identity: Identity,
): Uint8Array {
  const length = frame.payload.length;
  assert(length <= MAX_GOSSIP_PAYLOAD_BYTES, `a gossip payload of ${length} bytes fits`);
  return toBinary(
    GossipEnvelopeSchema,
    create(GossipEnvelopeSchema, {
      profile: NATIVE_PROFILE_ID,
      channel: CHANNEL_NUMBERS[frame.channel],
      author: identity.self,
      payload: frame.payload,
      signature: identity.sign(gossipDigest(scope, identity.self, frame)),
    }),
  );
}

/** WIRE-13: form first, the signature last. */
export function openGossip(
  scope: Scope,
  bytes: Uint8Array,
  identity: Identity,
): Result<GossipFrame, RejectionReason> {
  const decoded = decodeCanonical(GossipEnvelopeSchema, bytes, MAX_GOSSIP_FRAME_BYTES);
  if (!decoded.ok) return decoded;
  const { profile, author, payload, signature } = decoded.value;
  if (profile !== NATIVE_PROFILE_ID) {
    return err({ code: "wrong_profile", detail: `the envelope is of profile ${profile}` });
  }
  const channel = CHANNEL_BY_NUMBER.get(decoded.value.channel);
  if (channel === undefined || payload.length === 0) return malformed("the envelope");
  if (signature.length !== IDENTITY_SIGNATURE_BYTES) return malformed("length of the signature");
  if (author >= identity.nodes) return err({ code: "wrong_author", detail: `author ${author}` });
  const frame: GossipFrame = { channel, author, payload };
  if (!identity.verify(author, gossipDigest(scope, author, frame), signature)) {
    return err({ code: "bad_signature", detail: "of the gossip envelope" });
  }
  return ok(frame);
}
