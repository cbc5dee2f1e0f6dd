/** Whom a slashing convicts, as the Beacon API's events write it. Both throw on anything else. */
import type { ValidatorIndex } from "../domain/units.ts";
import { ssz } from "./ssz.ts";

/** Who is in both attestations; the newest container reads what earlier forks wrote, too. */
export function convictedAttesters(json: unknown): readonly ValidatorIndex[] {
  const { attestation1, attestation2 } = ssz.electra.AttesterSlashing.fromJson(json);
  const second = new Set(attestation2.attestingIndices);
  return attestation1.attestingIndices.filter((index) => second.has(index));
}

export function convictedProposers(json: unknown): readonly ValidatorIndex[] {
  const { signedHeader1, signedHeader2 } = ssz.phase0.ProposerSlashing.fromJson(json);
  const proposers = [signedHeader1, signedHeader2].map(({ message }) => message.proposerIndex);
  return [...new Set(proposers)];
}
