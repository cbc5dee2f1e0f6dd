/**
 * Attestations as validator clients submit them: the body of `POST …/beacon/pool/attestations` in
 * JSON and in SSZ. Items are read one by one, so that a malformed one harms no other.
 */
import { ListCompositeType, type Type } from "@chainsafe/ssz";
import type { RejectionReason } from "../domain/errors.ts";
import { MAX_VALIDATORS } from "../domain/limits.ts";
import { err, ok, type Result } from "../util/result.ts";
import { attestationDataOf } from "./attestationData.ts";
import { exact } from "./exact.ts";
import { ssz } from "./ssz.ts";
import type { SubmittedAttestation } from "./types.ts";

type Item = Result<SubmittedAttestation, RejectionReason>;

/** How a fork's clients write a list of attestations. */
export type AttestationReader = {
  fromJson(item: unknown): Item;
  /** Throws where the SSZ library does: bytes that are no list of the container. */
  fromSsz(list: Uint8Array): readonly Item[];
};

/** Phase 0: a committee's bits of which the signer's own is set. */
export const COMMITTEE_ATTESTATIONS: AttestationReader = readerOf(
  {
    item: exact(ssz.phase0.Attestation),
    list: exact(new ListCompositeType(ssz.phase0.Attestation, MAX_VALIDATORS)),
  },
  ({ data, aggregationBits, signature }) => {
    const parsed = attestationDataOf(data);
    if (parsed === null) return malformed("a number is too large");
    const [position, ...others] = aggregationBits.getTrueBitIndexes();
    if (position === undefined || others.length > 0) return malformed("not exactly one bit is set");
    const seat = { kind: "position" as const, committeeIndex: parsed.index, position };
    return ok({ data: parsed, seat, signature });
  },
);

/** EIP-7549: the signer's index. */
export const SINGLE_ATTESTATIONS: AttestationReader = readerOf(
  {
    item: exact(ssz.electra.SingleAttestation),
    list: exact(new ListCompositeType(ssz.electra.SingleAttestation, MAX_VALIDATORS)),
  },
  ({ data, attesterIndex, signature }) => {
    const parsed = attestationDataOf(data);
    const validatorIndex = Number(attesterIndex);
    if (parsed === null || !Number.isSafeInteger(validatorIndex)) {
      return malformed("a number is too large");
    }
    return ok({ data: parsed, seat: { kind: "validator", validatorIndex }, signature });
  },
);

function readerOf<V>(
  types: { readonly item: Type<V>; readonly list: Type<V[]> },
  itemOf: (value: V) => Item,
): AttestationReader {
  return {
    fromJson(json) {
      try {
        return itemOf(types.item.fromJson(json));
      } catch (error) {
        // The SSZ library reports malformed JSON by throwing plain errors.
        return malformed(error instanceof Error ? error.message : String(error));
      }
    },
    fromSsz: (bytes) => types.list.deserialize(bytes).map(itemOf),
  };
}

function malformed(detail: string): Item {
  return err({ code: "malformed", detail });
}
