/** The requests that show whose signatures are on the chain; what cannot be true throws (BN-2). */
import type { BitArray } from "@chainsafe/ssz";
import { bytesOf, type Root, rootOf } from "../../domain/keys.ts";
import type { CommitteeIndex, Epoch, Slot, ValidatorIndex } from "../../domain/units.ts";
import { blockHeaderRoot, encodeBlockHeader } from "../../eth2/blockHeader.ts";
import type { SeatBits, SeenAttestation, SignedHeader } from "../../ports/chainSightings.ts";
import { equalBytes } from "../../util/bytes.ts";
import { epochOf, fail, map } from "./calls.ts";
import { type Call, callOf, ROUTES } from "./routes.ts";

type Checkpoint = { readonly epoch: Epoch; readonly root: Uint8Array };
/** Before EIP-7549 the committee is in the data. */
type AnyAttestation = {
  readonly aggregationBits: BitArray;
  readonly committeeBits?: BitArray;
  readonly data: {
    readonly slot: Slot;
    readonly index: CommitteeIndex;
    readonly beaconBlockRoot: Uint8Array;
    readonly source: Checkpoint;
    readonly target: Checkpoint;
  };
  readonly signature: Uint8Array;
};

export function signedHeaderCall(block: Root): Call<SignedHeader> {
  return map(callOf("header", ROUTES.header, { blockId: block }), ({ data }) => {
    const { message, signature } = data.header;
    if (!equalBytes(data.root, bytesOf(block))) fail("the header is of another block");
    if (blockHeaderRoot(message) !== block) fail("the header is not the block's");
    return { header: encodeBlockHeader(message), signature };
  });
}

export function blockAttestationsCall(block: Root): Call<readonly SeenAttestation[]> {
  const call = callOf("blockAttestations", ROUTES.blockAttestations, { blockId: block });
  return map(call, ({ data }) => (data as readonly AnyAttestation[]).map(seen));
}

export function poolAttestationsCall(slot: Slot): Call<readonly SeenAttestation[]> {
  return map(callOf("poolAttestations", ROUTES.poolAttestations, { slot }), ({ data }) => {
    const attestations = (data as readonly AnyAttestation[]).map(seen);
    if (attestations.some(({ data }) => data.slot !== slot)) fail("another slot was asked for");
    return attestations;
  });
}

export function committeesCall(
  slot: Slot,
): Call<ReadonlyMap<CommitteeIndex, readonly ValidatorIndex[]>> {
  // Without the epoch it would be the head's, which is the next one by the time of the last votes.
  const args = { stateId: "head" as const, epoch: epochOf(slot), slot };
  const call = callOf("committees", ROUTES.committees, args);
  return map(call, ({ data }) => {
    if (data.some((committee) => committee.slot !== slot)) fail("another slot was asked for");
    return new Map(data.map(({ index, validators }) => [index, validators]));
  });
}

export function livenessCall(
  epoch: Epoch,
  indices: readonly ValidatorIndex[],
): Call<readonly ValidatorIndex[]> {
  const asked = new Set(indices);
  const call = callOf("liveness", ROUTES.liveness, { epoch, indices: [...indices] });
  return map(call, ({ data }) => {
    if (data.some(({ index }) => !asked.has(index))) fail("a validator was not asked for");
    return data.filter(({ isLive }) => isLive).map(({ index }) => index);
  });
}

function seen({ aggregationBits, committeeBits, data, signature }: AnyAttestation) {
  const { slot, index, beaconBlockRoot, source, target } = data;
  return {
    data: {
      slot,
      index,
      beaconBlockRoot: rootOf(beaconBlockRoot),
      source: { epoch: source.epoch, root: rootOf(source.root) },
      target: { epoch: target.epoch, root: rootOf(target.root) },
    },
    committees: committeeBits === undefined ? [index] : committeeBits.getTrueBitIndexes(),
    bits: seatBits(aggregationBits),
    signature,
  };
}

function seatBits(bits: BitArray): SeatBits {
  return {
    length: bits.bitLen,
    set: bits.getTrueBitIndexes().length,
    has: (position) => position < bits.bitLen && bits.get(position),
  };
}
