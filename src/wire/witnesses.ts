/** The native profile's witness statements: columns of fixed width, always gossipable (WIRE-16). */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { RejectionReason } from "../domain/errors.ts";
import { SIGNATURE_BYTES } from "../domain/keys.ts";
import { MAX_NODES, MAX_STATUS_FRAME_BYTES, MAX_WITNESS_PARTS } from "../domain/limits.ts";
import { assert } from "../util/assert.ts";
import { toHex } from "../util/bytes.ts";
import { ok, type Result } from "../util/result.ts";
import { malformed } from "./canonical.ts";
import { ATTESTATION_BYTES, HEADER_BYTES } from "./certificates.ts";
import { POSITION_BYTES, positionsFromWire, positionsToWire, rowsOf } from "./columns.ts";
import type {
  WitnessPart as WirePart,
  WitnessPartSchema,
} from "./generated/coterie/v1/status_pb.ts";
import { sessionFromWire, sessionToWire } from "./heartbeats.ts";
import type { WitnessPart, WitnessStatement } from "./profile.ts";

const ENTRY_BYTES = 2 * POSITION_BYTES + SIGNATURE_BYTES;
/** Everything but the columns' rows. */
const MAX_OVERHEAD_BYTES = 64;

/** Counts each message's data once per part, as it travels. */
export function splitWitnesses(
  statements: readonly WitnessStatement[],
): readonly (readonly WitnessStatement[])[] {
  const parts: WitnessStatement[][] = [];
  let seen = new Set<string>();
  let left = 0;
  for (const statement of statements) {
    const name = toHex(statement.data);
    const costIn = (known: ReadonlySet<string>): number =>
      ENTRY_BYTES + (known.has(name) ? 0 : statement.data.length);
    if (parts.length === 0 || costIn(seen) > left) {
      parts.push([]);
      seen = new Set();
      left = MAX_STATUS_FRAME_BYTES - MAX_OVERHEAD_BYTES;
    }
    left -= costIn(seen);
    seen.add(name);
    parts.at(-1)?.push(statement);
  }
  return parts;
}

export function witnessesToWire(part: WitnessPart): MessageInitShape<typeof WitnessPartSchema> {
  const width = part.isBlocks ? HEADER_BYTES : ATTESTATION_BYTES;
  const { statements } = part;
  const positions = new Map<string, number>();
  const data: Uint8Array[] = [];
  const indexes = statements.map((statement) => {
    assert(statement.data.length === width, "statements of one part are of one kind");
    const name = toHex(statement.data);
    const known = positions.get(name);
    if (known !== undefined) return known;
    positions.set(name, data.length);
    data.push(statement.data);
    return data.length - 1;
  });
  return {
    session: sessionToWire(part.session),
    parts: part.parts,
    part: part.part,
    data: Buffer.concat(data),
    dataIndexes: positionsToWire(indexes),
    validators: positionsToWire(statements.map(({ validator }) => validator)),
    signatures: Buffer.concat(statements.map(({ signature }) => signature)),
    to: part.to,
    isBlocks: part.isBlocks,
  };
}

/** WIRE-16: as many rows in each column, and data in the order of its first use. */
export function witnessesFromWire(wire: WirePart): Result<WitnessPart, RejectionReason> {
  const { parts, part, to, isBlocks } = wire;
  const session = sessionFromWire(wire.session);
  if (session === null || to >= MAX_NODES) return malformed("whom the witnesses are for");
  if (parts < 1 || parts > MAX_WITNESS_PARTS || part >= parts) return malformed("the parts");
  const data = rowsOf(wire.data, isBlocks ? HEADER_BYTES : ATTESTATION_BYTES);
  const indexes = positionsFromWire(wire.dataIndexes);
  const validators = positionsFromWire(wire.validators);
  const signatures = rowsOf(wire.signatures, SIGNATURE_BYTES);
  if (data === null || indexes === null || validators === null || signatures === null) {
    return malformed("the columns of the witnesses");
  }
  const rows = signatures.length;
  if (
    indexes.length !== rows ||
    validators.length !== rows ||
    !isInFirstUse(indexes, data.length)
  ) {
    return malformed("the rows of the witnesses");
  }
  const statements = signatures.map((signature, row) => ({
    validator: validators[row] ?? 0,
    data: data[indexes[row] ?? 0] ?? new Uint8Array(),
    signature,
  }));
  return ok({ to, session, parts, part, isBlocks, statements });
}

/** Each of `count` messages is used, for the first time in its order. */
function isInFirstUse(indexes: readonly number[], count: number): boolean {
  let next = 0;
  for (const index of indexes) {
    if (index > next) return false;
    if (index === next) next++;
  }
  return next === count;
}
