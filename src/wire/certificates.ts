/** The native profile's compact certificates: what proves a decision long after its duty. */
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { sha256 } from "../crypto/sha256.ts";
import type { DutyType } from "../domain/duty.ts";
import type { RejectionReason } from "../domain/errors.ts";
import { bytesOf, ROOT_BYTES, rootOf } from "../domain/keys.ts";
import { MAX_NODES, MAX_ROUND, MAX_STATUS_FRAME_BYTES } from "../domain/limits.ts";
import { equalBytes } from "../util/bytes.ts";
import { ok, type Result } from "../util/result.ts";
import { decodeCanonical, malformed } from "./canonical.ts";
import { rowsOf } from "./columns.ts";
import { dutyFromWire, dutyToWire } from "./duties.ts";
import {
  CertificateSchema,
  type Certificate as WireCertificate,
} from "./generated/coterie/v1/status_pb.ts";
import type { Certificate } from "./profile.ts";
import { IDENTITY_SIGNATURE_BYTES } from "./signing.ts";

/** AttestationData, which is the whole value, and a beacon block's header. */
export const ATTESTATION_BYTES = 128;
export const HEADER_BYTES = 112;

const DATA_BYTES: Readonly<Record<DutyType, number | null>> = {
  attester: ATTESTATION_BYTES,
  proposer: HEADER_BYTES,
  randao: null,
};

export function encodeCertificate(certificate: Certificate): Uint8Array {
  return toBinary(CertificateSchema, create(CertificateSchema, certificateToWire(certificate)));
}

export function decodeCertificate(bytes: Uint8Array): Result<Certificate, RejectionReason> {
  const decoded = decodeCanonical(CertificateSchema, bytes, MAX_STATUS_FRAME_BYTES);
  return decoded.ok ? certificateFromWire(decoded.value) : decoded;
}

export function certificateToWire(
  certificate: Certificate,
): MessageInitShape<typeof CertificateSchema> {
  const { commits } = certificate;
  return {
    duty: dutyToWire(certificate.duty),
    round: certificate.round,
    valueRoot: bytesOf(certificate.valueRoot),
    authors: Uint8Array.from(commits.map(({ source }) => source)),
    signatures: Buffer.concat(commits.map(({ signature }) => signature)),
    data: certificate.data,
  };
}

/** WIRE-17: distinct authors in their order, and the data that belongs to the duty. */
export function certificateFromWire(wire: WireCertificate): Result<Certificate, RejectionReason> {
  const duty = dutyFromWire(wire.duty);
  const { round, authors, data } = wire;
  const signatures = rowsOf(wire.signatures, IDENTITY_SIGNATURE_BYTES);
  if (duty === null || DATA_BYTES[duty.type] !== data.length) return malformed("the certificate");
  if (round < 1 || round > MAX_ROUND) return malformed(`round ${round}`);
  if (wire.valueRoot.length !== ROOT_BYTES) return malformed("the value's root");
  const isAscending = authors.every((author, i) => i === 0 || author > (authors[i - 1] ?? 0));
  if (signatures?.length !== authors.length || !isAscending || authors.length > MAX_NODES) {
    return malformed("the certificate's authors");
  }
  if (duty.type === "attester" && !equalBytes(sha256(data), wire.valueRoot)) {
    return malformed("the certificate's data is not the value");
  }
  const commits = [...authors].map((source, i) => ({
    source,
    // A copy: it outlives the frame that it came in.
    signature: (signatures[i] ?? new Uint8Array()).slice(),
  }));
  return ok({ duty, round, valueRoot: rootOf(wire.valueRoot), commits, data: data.slice() });
}
