/**
 * The fork table: everything that differs by fork is a fact in a row (ETH-1). No other file
 * compares forks; a new fork is a new row.
 */
import { BitArray } from "@chainsafe/ssz";
import { CELLS_PER_EXT_BLOB } from "@lodestar/params";
import type { BasisPoints, CommitteeIndex } from "../domain/units.ts";
import { attestationDataValue } from "./attestationData.ts";
import { type BlockForm, bareForm, contentsForm } from "./blockForms.ts";
import type { ForkName } from "./forkNames.ts";
import { ssz } from "./ssz.ts";
import {
  type AttestationReader,
  COMMITTEE_ATTESTATIONS,
  SINGLE_ATTESTATIONS,
} from "./submittedAttestations.ts";
import type { SignedAttestation } from "./types.ts";

/** A due time: the name of its `config/spec` value, and the specs' value where that is missing. */
export type DueTime = { readonly key: string; readonly defaultBps: BasisPoints };

/** How `AttestationData.index` is used. */
export type IndexRule = {
  /** Values allowed in the data that the cluster agrees on, once per slot for all committees. */
  readonly agreed: readonly [CommitteeIndex, ...CommitteeIndex[]];
  /** Whether each validator signs with its own committee's index instead (before EIP-7549). */
  readonly signsCommittee: boolean;
};

/** The forms in which blocks of a fork are proposed. */
export type BlockForms = {
  readonly full: BlockForm;
  /** Without transactions, for a block builder to complete; null before there were any. */
  readonly blinded: BlockForm | null;
  /** KZG proofs that travel with each blob of a full block. */
  readonly proofsPerBlob: number;
};

export type Fork = {
  readonly name: ForkName;
  /** Names in `config/spec`; the first fork has no epoch, it starts at genesis. */
  readonly versionKey: string;
  readonly epochKey: string | null;
  readonly attestationIndex: IndexRule;
  readonly attestationDue: DueTime;
  readonly aggregateDue: DueTime;
  /** The item of `POST /eth/v2/beacon/pool/attestations`, as JSON. */
  readonly attestationJson: (attestation: SignedAttestation) => unknown;
  /** The same list as validator clients submit it. */
  readonly submittedAttestations: AttestationReader;
  /** Null for a fork whose blocks this release cannot propose. */
  readonly blocks: BlockForms | null;
  readonly types: (typeof ssz)[ForkName];
};

type Facts = Pick<
  Fork,
  | "attestationIndex"
  | "attestationDue"
  | "aggregateDue"
  | "attestationJson"
  | "submittedAttestations"
>;

const ORIGINAL: Facts = {
  attestationIndex: { agreed: [0], signsCommittee: true },
  attestationDue: { key: "ATTESTATION_DUE_BPS", defaultBps: 3333 },
  aggregateDue: { key: "AGGREGATE_DUE_BPS", defaultBps: 6667 },
  attestationJson: committeeAttestationJson,
  submittedAttestations: COMMITTEE_ATTESTATIONS,
};
/** EIP-7549 moves the committee out of the signed data. */
const ELECTRA: Facts = {
  ...ORIGINAL,
  attestationIndex: { agreed: [0], signsCommittee: false },
  attestationJson: singleAttestationJson,
  submittedAttestations: SINGLE_ATTESTATIONS,
};
/** EIP-7732: the index says whether the payload was present, and the slot is split anew. */
const GLOAS: Facts = {
  ...ELECTRA,
  attestationIndex: { agreed: [0, 1], signsCommittee: false },
  attestationDue: { key: "ATTESTATION_DUE_BPS_GLOAS", defaultBps: 2500 },
  aggregateDue: { key: "AGGREGATE_DUE_BPS_GLOAS", defaultBps: 5000 },
};

export const FORKS: Readonly<Record<ForkName, Fork>> = {
  phase0: {
    ...ORIGINAL,
    name: "phase0",
    versionKey: "GENESIS_FORK_VERSION",
    epochKey: null,
    blocks: bareBlocks("phase0"),
    types: ssz.phase0,
  },
  altair: row("altair", ORIGINAL, bareBlocks("altair")),
  bellatrix: row("bellatrix", ORIGINAL, payloadBlocks("bellatrix")),
  capella: row("capella", ORIGINAL, payloadBlocks("capella")),
  deneb: row("deneb", ORIGINAL, blobBlocks("deneb", 1)),
  electra: row("electra", ELECTRA, blobBlocks("electra", 1)),
  // EIP-7594: a proof for each cell of the extended blob.
  fulu: row("fulu", ELECTRA, blobBlocks("fulu", CELLS_PER_EXT_BLOB)),
  // EIP-7732: the payload follows the block in an envelope with a signature of its own.
  gloas: row("gloas", GLOAS, null),
};

function bareBlocks(name: "phase0" | "altair"): BlockForms {
  const types = ssz[name];
  const full = bareForm({ block: types.BeaconBlock, signed: types.SignedBeaconBlock });
  return { full, blinded: null, proofsPerBlob: 0 };
}

function payloadBlocks(name: "bellatrix" | "capella"): BlockForms {
  const types = ssz[name];
  const full = bareForm({ block: types.BeaconBlock, signed: types.SignedBeaconBlock });
  return { full, blinded: blindedForm(name), proofsPerBlob: 0 };
}

function blobBlocks(name: "deneb" | "electra" | "fulu", proofsPerBlob: number): BlockForms {
  const types = ssz[name];
  const full = contentsForm({
    block: types.BeaconBlock,
    contents: types.BlockContents,
    signed: types.SignedBlockContents,
  });
  return { full, blinded: blindedForm(name), proofsPerBlob };
}

function blindedForm(name: Exclude<ForkName, "phase0" | "altair" | "gloas">): BlockForm {
  const types = ssz[name];
  return bareForm({ block: types.BlindedBeaconBlock, signed: types.SignedBlindedBeaconBlock });
}

function row(name: Exclude<ForkName, "phase0">, facts: Facts, blocks: BlockForms | null): Fork {
  const prefix = name.toUpperCase();
  return {
    ...facts,
    name,
    versionKey: `${prefix}_FORK_VERSION`,
    epochKey: `${prefix}_FORK_EPOCH`,
    blocks,
    types: ssz[name],
  };
}

function committeeAttestationJson(attestation: SignedAttestation): unknown {
  const { committeeLength, validatorCommitteeIndex, data, signature } = attestation;
  return ssz.phase0.Attestation.toJson({
    aggregationBits: BitArray.fromSingleBit(committeeLength, validatorCommitteeIndex),
    data: attestationDataValue(data),
    signature,
  });
}

function singleAttestationJson(attestation: SignedAttestation): unknown {
  return ssz.electra.SingleAttestation.toJson({
    committeeIndex: attestation.committeeIndex,
    attesterIndex: attestation.validatorIndex,
    data: attestationDataValue(attestation.data),
    signature: attestation.signature,
  });
}
