/** Signed messages for a virtual dev chain, each with a knob to sign it wrongly. */
import * as params from "@lodestar/params";
import { type electra, type phase0, ssz } from "@lodestar/types";
import type { SignedChainAggregate, SignedChainBlock } from "../../sim/devchain/chainTypes.ts";
import type { VirtualDevchain } from "./virtualDevchain.ts";

export interface Seat {
  readonly slot: number;
  readonly committeeIndex: number;
  readonly validatorIndex: number;
}

/** The first seat of the first committee of the clock's slot. */
export function firstSeat({ chain }: VirtualDevchain): Seat {
  const slot = chain.currentSlot();
  const [validatorIndex = 0] = chain.stateAt(slot).epochCtx.getBeaconCommittee(slot, 0);
  return { slot, committeeIndex: 0, validatorIndex };
}

/** A block of the clock's slot by its rightful proposer, signed by `signer` if one is given. */
export function signedBlock(devchain: VirtualDevchain, signer?: number): SignedChainBlock {
  const { chain } = devchain;
  const slot = chain.currentSlot();
  const proposer = chain.stateAt(slot).epochCtx.getBeaconProposer(slot);
  const randaoReveal = devchain.keyOf(proposer).sign(chain.signatures.roots.randao(slot)).toBytes();
  const { block } = chain.produce({ slot, randaoReveal, graffiti: new Uint8Array(32) });
  return resign(devchain, block, signer ?? proposer);
}

export function resign(
  devchain: VirtualDevchain,
  message: SignedChainBlock["message"],
  signer = message.proposerIndex,
): SignedChainBlock {
  const root = devchain.chain.signatures.roots.block(message);
  return { message, signature: devchain.keyOf(signer).sign(root).toBytes() } as SignedChainBlock;
}

/** A deep copy, so that a test can tamper with it. */
export function copyBlock(devchain: VirtualDevchain, signed: SignedChainBlock): SignedChainBlock {
  const { SignedBeaconBlock } = devchain.chain.typesAt(signed.message.slot);
  return SignedBeaconBlock.deserialize(SignedBeaconBlock.serialize(signed)) as SignedChainBlock;
}

/** The body of a publish request in JSON and in SSZ. */
export function publishBody(
  { chain }: VirtualDevchain,
  signed: SignedChainBlock,
): { readonly json: unknown; readonly ssz: Uint8Array } {
  const { slot } = signed.message;
  const isGloas = chain.config.getForkSeq(slot) >= params.ForkSeq.gloas;
  const { SignedBeaconBlock, SignedBlockContents } = chain.typesAt(slot);
  if (isGloas) {
    return { json: SignedBeaconBlock.toJson(signed), ssz: SignedBeaconBlock.serialize(signed) };
  }
  const signedBlock = signed as electra.SignedBeaconBlock;
  const contents = { signedBlock, kzgProofs: [], blobs: [] };
  return {
    json: SignedBlockContents.toJson(contents),
    ssz: SignedBlockContents.serialize(contents),
  };
}

export interface SingleOptions {
  readonly seat: Seat;
  readonly data: phase0.AttestationData;
  /** Who signs, when not the attester. */
  readonly signer?: number;
}

export function singleAttestation(
  devchain: VirtualDevchain,
  { seat, data, signer = seat.validatorIndex }: SingleOptions,
): electra.SingleAttestation {
  const root = devchain.chain.signatures.roots.attestation(data);
  return {
    committeeIndex: seat.committeeIndex,
    attesterIndex: seat.validatorIndex,
    data,
    signature: devchain.keyOf(signer).sign(root).toBytes(),
  };
}

export interface AggregateOptions {
  readonly seat: Seat;
  readonly data: phase0.AttestationData;
  readonly proofSigner?: number;
  readonly outerSigner?: number;
  readonly change?: (aggregate: SignedChainAggregate["message"]["aggregate"]) => void;
}

/** The aggregate of what the pool holds for the seat's committee. */
export function signedAggregate(
  devchain: VirtualDevchain,
  { seat, data, proofSigner, outerSigner, change }: AggregateOptions,
): SignedChainAggregate {
  const { signatures, attestations } = devchain.chain;
  const { validatorIndex: aggregatorIndex, committeeIndex } = seat;
  const dataRoot = ssz.phase0.AttestationData.hashTreeRoot(data);
  const aggregate = attestations.aggregate(dataRoot, committeeIndex);
  change?.(aggregate);
  const selectionProof = devchain
    .keyOf(proofSigner ?? aggregatorIndex)
    .sign(signatures.roots.selectionProof(data.slot))
    .toBytes();
  const message = { aggregatorIndex, aggregate, selectionProof };
  const root = signatures.roots.aggregateAndProof(message);
  const signature = devchain
    .keyOf(outerSigner ?? aggregatorIndex)
    .sign(root)
    .toBytes();
  return { message, signature } as SignedChainAggregate;
}
