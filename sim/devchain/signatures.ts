/**
 * Signing roots and signature checks of the dev chain. This is also the one file that touches
 * Lodestar's pubkey cache and verifier, whose calls differ between its releases.
 */

import { aggregateSignatures, aggregateWithRandomness, Signature, verify } from "@chainsafe/blst";
import type { Type } from "@chainsafe/ssz";
import type { BeaconConfig } from "@lodestar/config";
import * as params from "@lodestar/params";
import {
  computeDomain,
  computeSigningRoot,
  type ISignatureSet,
  type PubkeyCache,
  SignatureSetType,
  verifySignatureSet,
  ZERO_HASH,
} from "@lodestar/state-transition";
import {
  type altair,
  type bellatrix,
  type Epoch,
  type gloas,
  type phase0,
  type RootHex,
  type Slot,
  ssz,
  sszTypesFor,
} from "@lodestar/types";
import { toHex } from "../../src/util/bytes.ts";
import type { ChainBlock, ChainSszTypes, DevForkName, SignedChainAggregate } from "./chainTypes.ts";

export interface IndexedSignature {
  readonly index: number;
  readonly signature: Uint8Array;
}

/** The roots validators sign, with the domain of the fork at the message's own slot. */
export class SigningRoots {
  readonly #config: BeaconConfig;

  constructor(config: BeaconConfig) {
    this.#config = config;
  }

  /** The domain follows the target epoch, as `get_domain` in the consensus spec asks. */
  attestation(data: phase0.AttestationData): Uint8Array {
    const slot = data.target.epoch * params.SLOTS_PER_EPOCH;
    return this.#root(ssz.phase0.AttestationData, data, this.#domain("BEACON_ATTESTER", slot));
  }

  randao(slot: Slot): Uint8Array {
    const epoch = Math.floor(slot / params.SLOTS_PER_EPOCH);
    return this.#root(ssz.Epoch, epoch, this.#domain("RANDAO", slot));
  }

  block(block: ChainBlock): Uint8Array {
    const domain = this.#domain("BEACON_PROPOSER", block.slot);
    return this.#root(this.#typesAt(block.slot).BeaconBlock, block, domain);
  }

  selectionProof(slot: Slot): Uint8Array {
    return this.#root(ssz.Slot, slot, this.#domain("SELECTION_PROOF", slot));
  }

  aggregateAndProof(message: SignedChainAggregate["message"]): Uint8Array {
    const { slot } = message.aggregate.data;
    const domain = this.#domain("AGGREGATE_AND_PROOF", slot);
    return this.#root(this.#typesAt(slot).AggregateAndProof, message, domain);
  }

  syncMessage(slot: Slot, beaconBlockRoot: Uint8Array): Uint8Array {
    return this.#root(ssz.Root, beaconBlockRoot, this.#domain("SYNC_COMMITTEE", slot));
  }

  syncSelectionProof(slot: Slot, subcommitteeIndex: number): Uint8Array {
    const domain = this.#domain("SYNC_COMMITTEE_SELECTION_PROOF", slot);
    const data = { slot, subcommitteeIndex };
    return this.#root(ssz.altair.SyncAggregatorSelectionData, data, domain);
  }

  contributionAndProof(message: altair.ContributionAndProof): Uint8Array {
    const domain = this.#domain("CONTRIBUTION_AND_PROOF", message.contribution.slot);
    return this.#root(ssz.altair.ContributionAndProof, message, domain);
  }

  envelope(envelope: gloas.ExecutionPayloadEnvelope): Uint8Array {
    const domain = this.#domain("BEACON_BUILDER", envelope.payload.slotNumber);
    return this.#root(ssz.gloas.ExecutionPayloadEnvelope, envelope, domain);
  }

  payloadAttestation(data: gloas.PayloadAttestationData): Uint8Array {
    const domain = this.#domain("PTC_ATTESTER", data.slot);
    return this.#root(ssz.gloas.PayloadAttestationData, data, domain);
  }

  /** Builder registrations use the genesis fork and no validators root (builder-specs). */
  registration(message: bellatrix.ValidatorRegistrationV1): Uint8Array {
    const version = this.#config.GENESIS_FORK_VERSION;
    const domain = computeDomain(params.DOMAIN_APPLICATION_BUILDER, version, ZERO_HASH);
    return this.#root(ssz.bellatrix.ValidatorRegistrationV1, message, domain);
  }

  #typesAt(slot: Slot): ChainSszTypes {
    return sszTypesFor(this.#config.getForkName(slot) as DevForkName);
  }

  #domain(name: DomainName, slot: Slot): Uint8Array {
    return this.#config.getDomain(slot, params[`DOMAIN_${name}`], slot);
  }

  #root<T>(type: Type<T>, value: T, domain: Uint8Array): Uint8Array {
    return computeSigningRoot(type, value, domain);
  }
}

type DomainName =
  | "BEACON_ATTESTER"
  | "BEACON_PROPOSER"
  | "RANDAO"
  | "SELECTION_PROOF"
  | "AGGREGATE_AND_PROOF"
  | "SYNC_COMMITTEE"
  | "SYNC_COMMITTEE_SELECTION_PROOF"
  | "CONTRIBUTION_AND_PROOF"
  | "BEACON_BUILDER"
  | "PTC_ATTESTER";

/** Signature checks by validator index. Malformed signature bytes count as a wrong signature. */
export class Signatures {
  readonly roots: SigningRoots;
  readonly #pubkeys: PubkeyCache;

  constructor(config: BeaconConfig, pubkeys: PubkeyCache) {
    this.roots = new SigningRoots(config);
    this.#pubkeys = pubkeys;
  }

  isKnown(index: number): boolean {
    return this.#pubkeys.get(index) !== undefined;
  }

  indexOf(pubkey: Uint8Array): number | null {
    return this.#pubkeys.getIndex(pubkey);
  }

  isSignedBy(index: number, signingRoot: Uint8Array, signature: Uint8Array): boolean {
    return this.#verify({ type: SignatureSetType.indexed, index, signingRoot, signature });
  }

  isSignedByAll(indices: number[], signingRoot: Uint8Array, signature: Uint8Array): boolean {
    return this.#verify({ type: SignatureSetType.aggregate, indices, signingRoot, signature });
  }

  /** Which of many signatures over one root are right, in one pairing when all of them are. */
  checkSameRoot(items: readonly IndexedSignature[], root: Uint8Array): boolean[] {
    if (items.length > 1 && this.#isBatchValid(items, root)) return items.map(() => true);
    return items.map(({ index, signature }) => this.isSignedBy(index, root, signature));
  }

  #isBatchValid(items: readonly IndexedSignature[], root: Uint8Array): boolean {
    return isValidOrMalformed(() => {
      const sets = items.map(({ index, signature }) => ({
        pk: this.#pubkeys.getOrThrow(index),
        sig: signature,
      }));
      const { pk, sig } = aggregateWithRandomness(sets);
      return verify(root, pk, sig);
    });
  }

  #verify(set: ISignatureSet): boolean {
    return isValidOrMalformed(() => verifySignatureSet(set, this.#pubkeys));
  }
}

/** Sums signatures; blst refuses a malformed one, which the pools have kept out before. */
export function sumSignatures(signatures: Iterable<Uint8Array>): Uint8Array {
  return aggregateSignatures([...signatures].map((bytes) => Signature.fromBytes(bytes))).toBytes();
}

/** Groups items by a root, keeping the order in which the roots first appeared. */
export function groupByRoot<T extends { readonly root: Uint8Array }>(
  items: readonly T[],
): Map<RootHex, T[]> {
  const groups = new Map<RootHex, T[]>();
  for (const item of items) {
    const key = toHex(item.root);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}

export function epochAtSlot(slot: Slot): Epoch {
  return Math.floor(slot / params.SLOTS_PER_EPOCH);
}

/** blst throws on bytes that are no curve point; to a chain that is just a signature that fails. */
function isValidOrMalformed(check: () => boolean): boolean {
  try {
    return check();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    if (code.startsWith("BLST_")) return false;
    throw error;
  }
}
