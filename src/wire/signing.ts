/**
 * The native profile's signed digests (WIRE-5, WIRE-6). Each is the SHA-256 of fields of fixed
 * width, at most the last of them open-ended, behind a tag of its own: different meanings never
 * share a digest, neither within one kind of message nor across kinds, clusters or chains.
 */
import { sha256 } from "../crypto/sha256.ts";
import type { Duty } from "../domain/duty.ts";
import { bytesOf, type PeerIndex, ROOT_BYTES, type Root } from "../domain/keys.ts";
import type { Channel } from "../ports/network.ts";
import type { MessageType } from "../qbft/messages.ts";
import { assert } from "../util/assert.ts";
import { concatBytes, uint32be, uint64be } from "../util/bytes.ts";
import { dutyNumber } from "./duties.ts";
import { MessageType as MessageNumber } from "./generated/coterie/v1/consensus_pb.ts";
import { Channel as ChannelNumber } from "./generated/coterie/v1/envelope_pb.ts";
import type { AuthoredStatement, Scope } from "./profile.ts";

export const NATIVE_PROFILE_ID = 1;
/** R ‖ S ‖ V of secp256k1. */
export const IDENTITY_SIGNATURE_BYTES = 65;

export const MESSAGE_NUMBERS: Readonly<Record<MessageType, MessageNumber>> = {
  "PRE-PREPARE": MessageNumber.PRE_PREPARE,
  PREPARE: MessageNumber.PREPARE,
  COMMIT: MessageNumber.COMMIT,
  "ROUND-CHANGE": MessageNumber.ROUND_CHANGE,
  DECIDED: MessageNumber.DECIDED,
};
export const CHANNEL_NUMBERS: Readonly<Record<Channel, ChannelNumber>> = {
  consensus: ChannelNumber.CONSENSUS,
  partials: ChannelNumber.PARTIALS,
  status: ChannelNumber.STATUS,
};

const STATEMENT_TAG = domainTag("coterie/consensus/statement");
const GOSSIP_TAG = domainTag("coterie/gossip/envelope");
const HEARTBEAT_TAG = domainTag("coterie/status/heartbeat");

/** WIRE-5: everything that gives a statement its meaning, its author included. */
export function statementDigest(
  scope: Scope,
  duty: Duty,
  statement: AuthoredStatement,
): Uint8Array {
  return sha256(
    header(STATEMENT_TAG, scope),
    uint32be(dutyNumber(duty.type)),
    uint64be(duty.slot),
    uint32be(statement.source),
    uint32be(MESSAGE_NUMBERS[statement.type]),
    uint32be(statement.round),
    optionalRoot(statement.value),
    uint32be(statement.preparedRound),
    optionalRoot(statement.preparedValue),
  );
}

/** WIRE-6: the payload as received, never a re-encoding. */
export function gossipDigest(
  scope: Scope,
  author: PeerIndex,
  frame: { readonly channel: Channel; readonly payload: Uint8Array },
): Uint8Array {
  return sha256(
    header(GOSSIP_TAG, scope),
    uint32be(author),
    uint32be(CHANNEL_NUMBERS[frame.channel]),
    frame.payload,
  );
}

/** WIRE-15: the heartbeat as received, never a re-encoding. */
export function heartbeatDigest(
  scope: Scope,
  author: PeerIndex,
  heartbeat: Uint8Array,
): Uint8Array {
  return sha256(header(HEARTBEAT_TAG, scope), uint32be(author), heartbeat);
}

/** What all digests of one scope have behind their tag. */
const PLACES = new WeakMap<Scope, Uint8Array>();

function header(domainTag: Uint8Array, scope: Scope): Uint8Array {
  let place = PLACES.get(scope);
  if (place === undefined) {
    const { genesisValidatorsRoot, lockHash } = scope;
    place = concatBytes(
      uint32be(NATIVE_PROFILE_ID),
      bytesOf(genesisValidatorsRoot),
      bytesOf(lockHash),
    );
    PLACES.set(scope, place);
  }
  return concatBytes(domainTag, place);
}

/** A presence byte keeps "no value" apart from a root of zeros. */
function optionalRoot(root: Root | null): Uint8Array {
  const out = new Uint8Array(1 + ROOT_BYTES);
  if (root === null) return out;
  out[0] = 1;
  out.set(bytesOf(root), 1);
  return out;
}

/** A domain of digests: the text, filled up with zeros to 32 bytes. */
export function domainTag(text: string): Uint8Array {
  const out = new Uint8Array(32);
  const bytes = new TextEncoder().encode(text);
  assert(bytes.length <= out.length, `the domain tag ${text} fits 32 bytes`);
  out.set(bytes);
  return out;
}
