/**
 * The bodies of a ceremony's messages (DKG-2): columns of fixed width whose lengths follow from the
 * numbers of operators, threshold and validators, so that a body has one encoding and one length.
 */
import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { RejectionReason } from "../domain/errors.ts";
import { type PeerIndex, PUBLIC_KEY_BYTES, ROOT_BYTES, SIGNATURE_BYTES } from "../domain/keys.ts";
import { MAX_CEREMONY_VERSION_BYTES, MAX_FRAME_BYTES } from "../domain/limits.ts";
import { columnsOf, concatBytes } from "../util/bytes.ts";
import { ok, type Result } from "../util/result.ts";
import { decodeCanonical, malformed } from "./canonical.ts";
import { positionsOf } from "./ceremony.ts";
import {
  AgreeBodySchema,
  CommitBodySchema,
  DepositsBodySchema,
  KeysBodySchema,
  LockBodySchema,
  NodesBodySchema,
  RevealBodySchema,
  VerdictBodySchema,
  type Complaint as WireComplaint,
} from "./generated/coterie/v1/ceremony_pb.ts";
import { IDENTITY_SIGNATURE_BYTES } from "./signing.ts";

/** What the lengths of bodies follow from. */
export type CeremonyShape = {
  readonly nodes: number;
  readonly threshold: number;
  readonly validators: number;
  /** Messages that each validator pre-signs: its deposits and one registration. */
  readonly preSigned: number;
};

/** A compressed point of secp256k1. */
const RECEIVING_KEY_BYTES = 33;
/** Two scalars of 32 bytes: challenge and response. */
const POINT_PROOF_BYTES = 64;
const SHARE_BYTES = 32;
const AUTHENTICATOR_BYTES = 16;

export type AgreeBody = {
  readonly version: string;
  readonly receivingKey: Uint8Array;
  readonly possession: Uint8Array;
};
export type CommitBody = { readonly digest: Uint8Array };
export type RevealBody = {
  /** t points of each validator, constant term first. */
  readonly commitments: readonly (readonly Uint8Array[])[];
  /** One of each validator. */
  readonly proofs: readonly Uint8Array[];
  /** In the operators' order without the dealer, as are the hashes. */
  readonly ephemerals: readonly Uint8Array[];
  readonly sealedHashes: readonly Uint8Array[];
};
export type Complaint = {
  readonly dealer: PeerIndex;
  readonly sealedShares: Uint8Array;
  readonly sharedPoint: Uint8Array;
  readonly proof: Uint8Array;
};
export type VerdictBody = {
  readonly complaints: readonly Complaint[];
  readonly silent: readonly PeerIndex[];
};
export type KeysBody = { readonly keysHash: Uint8Array };
/** One row per validator: its deposits in the definition's order, then its registration. */
export type DepositsBody = { readonly signatures: readonly (readonly Uint8Array[])[] };
export type LockBody = {
  readonly lockHash: Uint8Array;
  readonly signatures: readonly Uint8Array[];
};
export type NodesBody = { readonly signature: Uint8Array };

/** Bytes of the sealed shares of one receiver: one share per validator and an authenticator. */
export function sealedSharesBytes(validators: number): number {
  return validators * SHARE_BYTES + AUTHENTICATOR_BYTES;
}

export function encodeAgree(body: AgreeBody): Uint8Array {
  return write(AgreeBodySchema, body);
}

export function decodeAgree(bytes: Uint8Array): Result<AgreeBody, RejectionReason> {
  const decoded = read(AgreeBodySchema, bytes);
  if (!decoded.ok) return decoded;
  const { version, receivingKey, possession } = decoded.value;
  const fits =
    Buffer.byteLength(version) <= MAX_CEREMONY_VERSION_BYTES &&
    receivingKey.length === RECEIVING_KEY_BYTES &&
    possession.length === IDENTITY_SIGNATURE_BYTES;
  return fits ? ok({ version, receivingKey, possession }) : malformed("the agree body");
}

export function encodeCommit(body: CommitBody): Uint8Array {
  return write(CommitBodySchema, body);
}

export function decodeCommit(bytes: Uint8Array): Result<CommitBody, RejectionReason> {
  const decoded = read(CommitBodySchema, bytes);
  if (!decoded.ok) return decoded;
  const { digest } = decoded.value;
  return digest.length === ROOT_BYTES ? ok({ digest }) : malformed("the commit body");
}

export function encodeReveal(body: RevealBody): Uint8Array {
  return write(RevealBodySchema, {
    commitments: concatBytes(...body.commitments.flat()),
    proofs: concatBytes(...body.proofs),
    ephemerals: concatBytes(...body.ephemerals),
    sealedHashes: concatBytes(...body.sealedHashes),
  });
}

/** Exactly t commitments of every validator: a longer list would raise the threshold. */
export function decodeReveal(
  bytes: Uint8Array,
  shape: CeremonyShape,
): Result<RevealBody, RejectionReason> {
  const decoded = read(RevealBodySchema, bytes);
  if (!decoded.ok) return decoded;
  const { nodes, threshold, validators } = shape;
  const wire = decoded.value;
  const rows = columnsOf(wire.commitments, threshold * PUBLIC_KEY_BYTES, validators);
  if (rows === null) {
    return malformed(`not exactly ${threshold} commitments for each of ${validators} validators`);
  }
  const proofs = columnsOf(wire.proofs, SIGNATURE_BYTES, validators);
  if (proofs === null) return malformed("the number of proofs");
  const ephemerals = columnsOf(wire.ephemerals, RECEIVING_KEY_BYTES, nodes - 1);
  const sealedHashes = columnsOf(wire.sealedHashes, ROOT_BYTES, nodes - 1);
  if (ephemerals === null || sealedHashes === null) return malformed("the number of receivers");
  const commitments = rows.map((row) => columnsOf(row, PUBLIC_KEY_BYTES, threshold) ?? []);
  return ok({ commitments, proofs, ephemerals, sealedHashes });
}

export function encodeVerdict(body: VerdictBody): Uint8Array {
  return write(VerdictBodySchema, {
    complaints: body.complaints.map((complaint) => ({ ...complaint })),
    silent: Uint8Array.from(body.silent),
  });
}

export function decodeVerdict(
  bytes: Uint8Array,
  shape: CeremonyShape,
): Result<VerdictBody, RejectionReason> {
  const decoded = read(VerdictBodySchema, bytes);
  if (!decoded.ok) return decoded;
  const silent = positionsOf(decoded.value.silent, shape.nodes);
  const complaints = complaintsOf(decoded.value.complaints, shape);
  if (silent === null || complaints === null) return malformed("the verdict");
  const isTwice = complaints.some(({ dealer }) => silent.includes(dealer));
  return isTwice ? malformed("a dealer both silent and wrong") : ok({ complaints, silent });
}

export function encodeKeys(body: KeysBody): Uint8Array {
  return write(KeysBodySchema, body);
}

export function decodeKeys(bytes: Uint8Array): Result<KeysBody, RejectionReason> {
  const decoded = read(KeysBodySchema, bytes);
  if (!decoded.ok) return decoded;
  const { keysHash } = decoded.value;
  return keysHash.length === ROOT_BYTES ? ok({ keysHash }) : malformed("the keys body");
}

export function encodeDeposits(body: DepositsBody): Uint8Array {
  return write(DepositsBodySchema, { signatures: concatBytes(...body.signatures.flat()) });
}

export function decodeDeposits(
  bytes: Uint8Array,
  { validators, preSigned }: CeremonyShape,
): Result<DepositsBody, RejectionReason> {
  const decoded = read(DepositsBodySchema, bytes);
  if (!decoded.ok) return decoded;
  const rows = columnsOf(decoded.value.signatures, preSigned * SIGNATURE_BYTES, validators);
  if (rows === null) return malformed("the number of signatures");
  return ok({ signatures: rows.map((row) => columnsOf(row, SIGNATURE_BYTES, preSigned) ?? []) });
}

export function encodeLock(body: LockBody): Uint8Array {
  const { lockHash, signatures } = body;
  return write(LockBodySchema, { lockHash, signatures: concatBytes(...signatures) });
}

export function decodeLock(
  bytes: Uint8Array,
  { validators }: CeremonyShape,
): Result<LockBody, RejectionReason> {
  const decoded = read(LockBodySchema, bytes);
  if (!decoded.ok) return decoded;
  const { lockHash } = decoded.value;
  const signatures = columnsOf(decoded.value.signatures, SIGNATURE_BYTES, validators);
  if (lockHash.length !== ROOT_BYTES || signatures === null) return malformed("the lock body");
  return ok({ lockHash, signatures });
}

export function encodeNodes(body: NodesBody): Uint8Array {
  return write(NodesBodySchema, body);
}

export function decodeNodes(bytes: Uint8Array): Result<NodesBody, RejectionReason> {
  const decoded = read(NodesBodySchema, bytes);
  if (!decoded.ok) return decoded;
  const { signature } = decoded.value;
  return signature.length === IDENTITY_SIGNATURE_BYTES
    ? ok({ signature })
    : malformed("the nodes body");
}

function complaintsOf(
  wire: readonly WireComplaint[],
  { nodes, validators }: CeremonyShape,
): readonly Complaint[] | null {
  const complaints: Complaint[] = [];
  for (const { dealer, sealedShares, sharedPoint, proof } of wire) {
    const fits =
      dealer < nodes &&
      dealer > (complaints.at(-1)?.dealer ?? -1) &&
      sealedShares.length === sealedSharesBytes(validators) &&
      sharedPoint.length === RECEIVING_KEY_BYTES &&
      proof.length === POINT_PROOF_BYTES;
    if (!fits) return null;
    complaints.push({ dealer, sealedShares, sharedPoint, proof });
  }
  return complaints;
}

function write<Desc extends DescMessage>(schema: Desc, value: MessageInitShape<Desc>): Uint8Array {
  return toBinary(schema, create(schema, value));
}

function read<Desc extends DescMessage>(schema: Desc, bytes: Uint8Array) {
  return decodeCanonical(schema, bytes, MAX_FRAME_BYTES);
}
