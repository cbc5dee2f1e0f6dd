/** The native profile's heartbeats: small, signed by their author, the same bytes for everybody. */
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { RejectionReason } from "../domain/errors.ts";
import { bytesOf, type PeerIndex, ROOT_BYTES, rootOf } from "../domain/keys.ts";
import { MAX_HEARTBEAT_BYTES, MAX_NODES, MAX_VERSION_LENGTH } from "../domain/limits.ts";
import type { Identity } from "../ports/identity.ts";
import { assert } from "../util/assert.ts";
import { fromHex, toHex } from "../util/bytes.ts";
import { ok, type Result } from "../util/result.ts";
import { decodeCanonical, malformed } from "./canonical.ts";
import {
  HeartbeatSchema,
  type SignedHeartbeatSchema,
  type Heartbeat as WireHeartbeat,
  type SignedHeartbeat as WireSigned,
} from "./generated/coterie/v1/status_pb.ts";
import type { Heartbeat, Scope, SessionToken, SignedHeartbeat } from "./profile.ts";
import { heartbeatDigest, IDENTITY_SIGNATURE_BYTES } from "./signing.ts";

export const SESSION_BYTES = 16;
const VERSION = /^[\x21-\x7e]*$/;

assert(MAX_NODES <= 31, "the operators that a node reaches fit 32 bits");

export function signHeartbeat(
  scope: Scope,
  heartbeat: Heartbeat,
  identity: Identity,
): SignedHeartbeat {
  const encoded = encodeHeartbeat(heartbeat);
  const signature = identity.sign(heartbeatDigest(scope, identity.self, encoded));
  return { author: identity.self, heartbeat, encoded, signature };
}

/** WIRE-15: over the bytes as received. */
export function isSignedHeartbeat(
  scope: Scope,
  { author, encoded, signature }: SignedHeartbeat,
  identity: Identity,
): boolean {
  return identity.verify(author, heartbeatDigest(scope, author, encoded), signature);
}

export function signedToWire(
  signed: SignedHeartbeat,
): MessageInitShape<typeof SignedHeartbeatSchema> {
  return { author: signed.author, heartbeat: signed.encoded, signature: signed.signature };
}

export function signedFromWire({
  author,
  heartbeat: encoded,
  signature,
}: WireSigned): Result<SignedHeartbeat, RejectionReason> {
  if (author >= MAX_NODES) return malformed(`author ${author}`);
  if (signature.length !== IDENTITY_SIGNATURE_BYTES) return malformed("length of the signature");
  const decoded = decodeCanonical(HeartbeatSchema, encoded, MAX_HEARTBEAT_BYTES);
  if (!decoded.ok) return decoded;
  const heartbeat = heartbeatFromWire(decoded.value);
  return heartbeat === null
    ? malformed("the heartbeat")
    : ok({ author, heartbeat, encoded, signature });
}

function encodeHeartbeat(heartbeat: Heartbeat): Uint8Array {
  const { session, twin } = heartbeat;
  const bytes = toBinary(
    HeartbeatSchema,
    create(HeartbeatSchema, {
      session: sessionToWire(session),
      number: BigInt(heartbeat.number),
      startedAt: BigInt(heartbeat.startedAt),
      progress: BigInt(heartbeat.progress),
      auditHead: bytesOf(heartbeat.auditHead),
      reaches: bitsOf(heartbeat.reaches),
      isReady: heartbeat.isReady,
      asks: bitsOf(heartbeat.asks),
      isClosing: heartbeat.isClosing,
      ...(twin !== null && { twin: sessionToWire(twin) }),
      version: heartbeat.version,
    }),
  );
  assert(bytes.length <= MAX_HEARTBEAT_BYTES, `a heartbeat of ${bytes.length} bytes fits`);
  return bytes;
}

/** WIRE-14: null unless every field has its form. */
function heartbeatFromWire(wire: WireHeartbeat): Heartbeat | null {
  const { number, startedAt, progress, reaches, asks, isReady, isClosing, version } = wire;
  const session = sessionFromWire(wire.session);
  const twin = wire.twin === undefined ? null : sessionFromWire(wire.twin);
  if (session === null || (wire.twin !== undefined && twin === null)) return null;
  const largest = BigInt(Number.MAX_SAFE_INTEGER);
  if (number < 1n || [number, startedAt, progress].some((value) => value > largest)) return null;
  if (wire.auditHead.length !== ROOT_BYTES || Math.max(reaches, asks) >= 2 ** MAX_NODES)
    return null;
  if (version.length > MAX_VERSION_LENGTH || !VERSION.test(version)) return null;
  return {
    session,
    number: Number(number),
    startedAt: Number(startedAt),
    progress: Number(progress),
    auditHead: rootOf(wire.auditHead),
    reaches: peersOf(reaches),
    asks: peersOf(asks),
    isReady,
    isClosing,
    twin,
    version,
  };
}

function bitsOf(peers: readonly PeerIndex[]): number {
  return peers.reduce((bits, peer) => bits + 2 ** peer, 0);
}

function peersOf(bits: number): readonly PeerIndex[] {
  const peers: PeerIndex[] = [];
  for (let left = bits >>> 0, peer = 0; left !== 0; left >>>= 1, peer++) {
    if (left % 2 === 1) peers.push(peer);
  }
  return peers;
}

export function sessionToWire(session: SessionToken): Uint8Array {
  const bytes = fromHex(session);
  assert(bytes?.length === SESSION_BYTES, "a session token has 16 bytes");
  return bytes;
}

export function sessionFromWire(bytes: Uint8Array): SessionToken | null {
  return bytes.length === SESSION_BYTES ? toHex(bytes) : null;
}
