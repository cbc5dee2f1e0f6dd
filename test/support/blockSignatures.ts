/** Whether what was published is signed by the validator it names, checked apart from the nodes. */
import { DOMAIN_BEACON_PROPOSER, DOMAIN_RANDAO } from "@lodestar/params";
import { verify } from "../../src/crypto/bls.ts";
import { bytesOf, rootOf } from "../../src/domain/keys.ts";
import type { SignedBlock } from "../../src/eth2/blocks.ts";
import type { Chain } from "../../src/eth2/chain.ts";
import { computeDomain, computeSigningRoot } from "../../src/eth2/signing.ts";
import { ssz } from "../../src/eth2/ssz.ts";
import type { NodeCluster } from "./nodeCluster.ts";

/** The cluster's validator at position 0 is the proposer. */
export function verifyPublished(
  block: SignedBlock,
  slot: number,
  { chain, cluster }: NodeCluster,
): boolean {
  const { root, signature } = opened(block);
  const pubKey = cluster.validators[0]?.pubKey;
  if (pubKey === undefined || root !== block.root) return false;
  const domain = domainOf(chain, slot, DOMAIN_BEACON_PROPOSER);
  return verify({
    publicKey: bytesOf(pubKey),
    message: bytesOf(computeSigningRoot(block.root, domain)),
    signature,
  });
}

/** The one valid randao reveal of the validator at position 0 for a slot. */
export function revealOf(nodes: NodeCluster, slot: number): Uint8Array {
  const { chain } = nodes;
  const root = rootOf(ssz.Epoch.hashTreeRoot(chain.epochOf(slot)));
  return nodes.signAs(0, computeSigningRoot(root, domainOf(chain, slot, DOMAIN_RANDAO)));
}

function domainOf(chain: Chain, slot: number, domainType: Uint8Array): Uint8Array {
  return computeDomain({
    domainType,
    forkVersion: chain.forkAt(chain.epochOf(slot)).version,
    genesisValidatorsRoot: bytesOf(chain.genesisValidatorsRoot),
  });
}

function opened(block: SignedBlock): { root: string; signature: Uint8Array } {
  if (block.isBlinded) {
    const { message, signature } = ssz.fulu.SignedBlindedBeaconBlock.deserialize(block.ssz());
    return { root: hex(ssz.fulu.BlindedBeaconBlock.hashTreeRoot(message)), signature };
  }
  const { message, signature } = ssz.fulu.SignedBlockContents.deserialize(block.ssz()).signedBlock;
  return { root: hex(ssz.fulu.BeaconBlock.hashTreeRoot(message)), signature };
}

function hex(bytes: Uint8Array): string {
  return `0x${Buffer.from(bytes).toString("hex")}`;
}
