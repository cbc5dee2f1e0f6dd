import { decodeCertificate, encodeCertificate } from "./certificates.ts";
import { decodeConsensus, encodeConsensus, valueRoot } from "./consensus.ts";
import { dutyNumber, roundEnd } from "./duties.ts";
import { openGossip, sealGossip } from "./envelope.ts";
import { isSignedHeartbeat, signHeartbeat } from "./heartbeats.ts";
import { decodePartials, encodePartials, splitPartials } from "./partials.ts";
import type { Profile } from "./profile.ts";
import { NATIVE_PROFILE_ID, statementDigest } from "./signing.ts";
import { decodeStatus, encodeStatus } from "./status.ts";
import { splitWitnesses } from "./witnesses.ts";

/** Coterie's own wire, first edition; its bytes never change again (WIRE-1). */
export const nativeProfile: Profile = {
  id: NATIVE_PROFILE_ID,
  // WIRE-2: neighbouring slots, duties and rounds start with different leaders.
  leaderOf: (duty, round, nodes) => (duty.slot + dutyNumber(duty.type) + round) % nodes,
  roundEnd,
  valueRoot,
  statementDigest,
  encodeConsensus,
  decodeConsensus,
  encodePartials,
  decodePartials,
  splitPartials,
  signHeartbeat,
  isSignedHeartbeat,
  encodeStatus,
  decodeStatus,
  encodeCertificate,
  decodeCertificate,
  splitWitnesses,
  sealGossip,
  openGossip,
};
