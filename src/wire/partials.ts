/** The native profile's partial-signature frames: columns of fixed width, 100 bytes per entry. */
import { create, toBinary } from "@bufbuild/protobuf";
import type { PartialSignature, PartialSignatureSet } from "../domain/data.ts";
import type { RejectionReason } from "../domain/errors.ts";
import {
  bytesOf,
  ROOT_BYTES,
  type Root,
  rootOf,
  type ShareIndex,
  SIGNATURE_BYTES,
} from "../domain/keys.ts";
import {
  MAX_FRAME_BYTES,
  MAX_GOSSIP_PAYLOAD_BYTES,
  MAX_PARTIALS_PER_FRAME,
  MAX_ROOTS_PER_FRAME,
} from "../domain/limits.ts";
import { assert } from "../util/assert.ts";
import { concatBytes } from "../util/bytes.ts";
import { err, ok, type Result } from "../util/result.ts";
import { decodeCanonical, malformed } from "./canonical.ts";
import { POSITION_BYTES, positionsFromWire, positionsToWire, rowsOf } from "./columns.ts";
import { dutyFromWire, dutyToWire } from "./duties.ts";
import { PartialsFrameSchema } from "./generated/coterie/v1/partials_pb.ts";
import { NATIVE_PROFILE_ID } from "./signing.ts";

const ENTRY_BYTES = 2 * POSITION_BYTES + SIGNATURE_BYTES;
/** Profile, duty, and the tag and length of each column. */
const MAX_OVERHEAD_BYTES = 64;

assert(MAX_PARTIALS_PER_FRAME <= 2 ** (8 * POSITION_BYTES), "positions of validators fit");
assert(MAX_ROOTS_PER_FRAME <= 2 ** (8 * POSITION_BYTES), "positions of roots fit");
assert(
  MAX_PARTIALS_PER_FRAME * (ENTRY_BYTES + ROOT_BYTES) + MAX_OVERHEAD_BYTES <= MAX_FRAME_BYTES,
  "the largest set fits into one frame",
);

/** WIRE-11: the set must be one that {@link decodePartials} accepts, in any order of entries. */
export function encodePartials(set: PartialSignatureSet): Uint8Array {
  const entries = inLockOrder(set.signatures);
  const roots = [...new Set(entries.map((entry) => entry.messageRoot))];
  const rootIndexes = new Map(roots.map((root, index) => [root, index]));
  for (const { signature } of entries) {
    assert(signature.length === SIGNATURE_BYTES, "a partial signature has 96 bytes");
  }
  return toBinary(
    PartialsFrameSchema,
    create(PartialsFrameSchema, {
      profile: NATIVE_PROFILE_ID,
      duty: dutyToWire(set.duty),
      roots: Buffer.concat(roots.map(bytesOf)),
      validators: positionsToWire(entries.map(({ validator }) => validator)),
      rootIndexes: positionsToWire(
        entries.map(({ messageRoot }) => rootIndexes.get(messageRoot) ?? 0),
      ),
      signatures: concatBytes(...entries.map(({ signature }) => signature)),
    }),
  );
}

export function decodePartials(
  bytes: Uint8Array,
  author: ShareIndex,
): Result<PartialSignatureSet, RejectionReason> {
  const decoded = decodeCanonical(PartialsFrameSchema, bytes, MAX_FRAME_BYTES);
  if (!decoded.ok) return decoded;
  const frame = decoded.value;
  if (frame.profile !== NATIVE_PROFILE_ID) {
    return err({ code: "wrong_profile", detail: `the frame is of profile ${frame.profile}` });
  }
  const duty = dutyFromWire(frame.duty);
  if (duty === null) return malformed("the duty is unknown");
  const roots = rootsOf(frame.roots);
  if (roots === null) return malformed("the roots");
  const signatures = entriesOf(frame, roots);
  if (signatures === null) return malformed("the entries");
  return ok({ duty, shareIndex: author, signatures });
}

/** WIRE-12: cut by the size of what each part adds, so that no part has to be encoded to know. */
export function splitPartials(set: PartialSignatureSet): readonly PartialSignatureSet[] {
  const parts: PartialSignature[][] = [];
  let roots = new Set<Root>();
  let left = 0;
  for (const entry of inLockOrder(set.signatures)) {
    const cost = (size: ReadonlySet<Root>) =>
      ENTRY_BYTES + (size.has(entry.messageRoot) ? 0 : ROOT_BYTES);
    if (parts.length === 0 || cost(roots) > left) {
      parts.push([]);
      roots = new Set();
      left = MAX_GOSSIP_PAYLOAD_BYTES - MAX_OVERHEAD_BYTES;
    }
    left -= cost(roots);
    roots.add(entry.messageRoot);
    parts.at(-1)?.push(entry);
  }
  return parts.map((signatures) => ({ ...set, signatures }));
}

function inLockOrder(entries: readonly PartialSignature[]): readonly PartialSignature[] {
  const sorted = entries.toSorted((a, b) => a.validator - b.validator);
  assert(sorted.length > 0, "a set of partial signatures is never empty");
  assert(
    sorted.every((entry, i) => entry.validator !== sorted[i - 1]?.validator),
    "a validator signs one message per set",
  );
  return sorted;
}

/** At least one root, all different; null otherwise. */
function rootsOf(bytes: Uint8Array): readonly Root[] | null {
  if (bytes.length < 1 || bytes.length > MAX_ROOTS_PER_FRAME * ROOT_BYTES) return null;
  const roots = rowsOf(bytes, ROOT_BYTES)?.map(rootOf);
  return roots !== undefined && new Set(roots).size === roots.length ? roots : null;
}

/**
 * Null unless the columns have one length, validators ascend, and each root is used and stands
 * where its first use puts it: so a set has one encoding (WIRE-4) and nothing travels for nothing.
 */
function entriesOf(
  columns: Readonly<Record<"validators" | "rootIndexes" | "signatures", Uint8Array>>,
  roots: readonly Root[],
): readonly PartialSignature[] | null {
  // Sizes first: rows are built for what is within the limit.
  if (columns.validators.length > MAX_PARTIALS_PER_FRAME * POSITION_BYTES) return null;
  const validators = positionsFromWire(columns.validators) ?? [];
  const indexes = positionsFromWire(columns.rootIndexes);
  const signatures = rowsOf(columns.signatures, SIGNATURE_BYTES);
  const count = validators.length;
  if (count < 1 || indexes?.length !== count || signatures?.length !== count) return null;
  const entries: PartialSignature[] = [];
  let used = 0;
  for (const [i, signature] of signatures.entries()) {
    const [validator = 0, rootIndex = 0] = [validators[i], indexes[i]];
    const messageRoot = roots[rootIndex];
    const isAscending = validator > (entries.at(-1)?.validator ?? -1);
    if (messageRoot === undefined || !isAscending || rootIndex > used) return null;
    if (rootIndex === used) used++;
    entries.push({ validator, messageRoot, signature });
  }
  return used === roots.length ? entries : null;
}
