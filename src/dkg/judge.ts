/**
 * Who is right about a dealing (DKG-8). One function for the receiver, for everybody who hears its
 * complaint and for whoever reads an accusation years later: it sees public bytes only.
 */
import { type SharedPointClaim, verifySharedPoint } from "../crypto/dleq.ts";
import { type Commitments, verifyShare } from "../crypto/feldman.ts";
import { openBytes } from "../crypto/sealing.ts";
import { sha256 } from "../crypto/sha256.ts";
import { type PeerIndex, shareIndexOf } from "../domain/keys.ts";
import { columnsOf, equalBytes } from "../util/bytes.ts";
import type { Complaint, RevealBody } from "../wire/ceremonyBodies.ts";
import { sealingContext } from "./digests.ts";

/** A reveal's body with its commitments decoded, by validator. */
export type Dealt = RevealBody & { readonly points: readonly Commitments[] };

/** One dealer's part for one receiver. */
export type DealingFor = {
  readonly session: Uint8Array;
  readonly dealer: PeerIndex;
  readonly receiver: PeerIndex;
  readonly dealt: Dealt;
  readonly receivingKey: Uint8Array;
};

export type Judgement = { readonly culprit: PeerIndex; readonly reason: string };

const SHARE_BYTES = 32;

/** Where a receiver stands in a dealing's columns, which leave the dealer out. */
export function columnFor(dealer: PeerIndex, receiver: PeerIndex): number {
  return receiver < dealer ? receiver : receiver - 1;
}

export function ephemeralOf({ dealt, dealer, receiver }: DealingFor): Uint8Array {
  return dealt.ephemerals[columnFor(dealer, receiver)] ?? new Uint8Array();
}

/** What a proof about the shared point of a dealing says. */
export function sharedPointClaim(dealing: DealingFor, sharedPoint: Uint8Array): SharedPointClaim {
  const { receivingKey } = dealing;
  const base = ephemeralOf(dealing);
  return { context: contextOf(dealing), publicKey: receivingKey, base, sharedPoint };
}

/** Whether these are the bytes that the dealer committed to. */
export function areSealedShares(dealing: DealingFor, sealedShares: Uint8Array): boolean {
  const { dealt, dealer, receiver } = dealing;
  const expected = dealt.sealedHashes[columnFor(dealer, receiver)];
  return expected !== undefined && equalBytes(sha256(sealedShares), expected);
}

/** The shares inside, one of 32 bytes per validator; null when they were not sealed so. */
export function openShares(
  dealing: DealingFor,
  sealed: { readonly sealedShares: Uint8Array; readonly sharedPoint: Uint8Array },
): readonly Uint8Array[] | null {
  const { sealedShares, sharedPoint } = sealed;
  const plaintext = openBytes({ sharedPoint, context: contextOf(dealing) }, sealedShares);
  return plaintext === null ? null : columnsOf(plaintext, SHARE_BYTES, dealing.dealt.points.length);
}

/** Null when every share is the committed polynomial's value for the receiver. */
function wrongShare(dealing: DealingFor, shares: readonly Uint8Array[]): number | null {
  const x = shareIndexOf(dealing.receiver);
  const wrong = dealing.dealt.points.findIndex((commitments, validator) => {
    const share = shares[validator];
    return share === undefined || !verifyShare({ commitments, share }, x);
  });
  return wrong < 0 ? null : wrong;
}

/** Either the dealer or the complainer is guilty: an honest dealer's shares cannot be wrong. */
export function judgeComplaint(dealing: DealingFor, complaint: Complaint): Judgement {
  const { dealer, receiver } = dealing;
  const { sealedShares, sharedPoint, proof } = complaint;
  const refuted = (reason: string): Judgement => ({ culprit: receiver, reason });
  const upheld = (reason: string): Judgement => ({ culprit: dealer, reason });
  const against = `its complaint about operator ${dealer}`;
  if (!areSealedShares(dealing, sealedShares)) {
    return refuted(`${against} shows sealed shares that the dealer did not commit to`);
  }
  if (!verifySharedPoint(sharedPointClaim(dealing, sharedPoint), proof)) {
    return refuted(`${against} opens them with a point that is not proved to be the right one`);
  }
  const shares = openShares(dealing, { sealedShares, sharedPoint });
  if (shares === null) return upheld(`the shares for operator ${receiver} do not open`);
  const validator = wrongShare(dealing, shares);
  if (validator === null) return refuted(`${against} is false: every share is right`);
  return upheld(
    `the share of validator ${validator} for operator ${receiver} does not fit the commitments`,
  );
}

function contextOf(dealing: DealingFor): Uint8Array {
  return sealingContext({ ...dealing, ephemeral: ephemeralOf(dealing) });
}
