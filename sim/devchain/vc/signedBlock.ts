/** A produced block, signed and written as a client hands it back. */
import { ssz } from "@lodestar/types";
import { type ApiAnswer, dataOf, isSsz } from "./beaconApi.ts";

export interface SignedBlock {
  readonly isBlinded: boolean;
  ssz(): Uint8Array;
  json(): unknown;
}

/** Electra and later: a block travels with its blobs and proofs, a blinded one alone. */
export function signBlock(answer: ApiAnswer, sign: (root: Uint8Array) => Uint8Array): SignedBlock {
  const types = ssz[answer.headers.get("eth-consensus-version") as "fulu"];
  const isBlinded = answer.headers.get("eth-execution-payload-blinded") === "true";
  if (isBlinded) {
    const type = types.BlindedBeaconBlock;
    const message = isSsz(answer) ? type.deserialize(answer.bytes) : type.fromJson(dataOf(answer));
    const signed = { message, signature: sign(type.hashTreeRoot(message)) };
    return {
      isBlinded,
      ssz: () => types.SignedBlindedBeaconBlock.serialize(signed),
      json: () => types.SignedBlindedBeaconBlock.toJson(signed),
    };
  }
  const type = types.BlockContents;
  const { block, ...rest } = isSsz(answer)
    ? type.deserialize(answer.bytes)
    : type.fromJson(dataOf(answer));
  const signature = sign(types.BeaconBlock.hashTreeRoot(block));
  const signed = { signedBlock: { message: block, signature }, ...rest };
  return {
    isBlinded,
    ssz: () => types.SignedBlockContents.serialize(signed),
    json: () => types.SignedBlockContents.toJson(signed),
  };
}
