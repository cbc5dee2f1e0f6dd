/**
 * Watermark statements as files: an operator signs with its identity key what its node signed at
 * most, after it stood still; enough of them make a validator's history complete (VIEW-1).
 */
import { z } from "zod";
import { readTextFile } from "../../adapters/system/files.ts";
import type { Cluster } from "../../cluster/cluster.ts";
import { sha256 } from "../../crypto/sha256.ts";
import { UsageError } from "../../domain/errors.ts";
import type { PubKey } from "../../domain/keys.ts";
import { MAX_INTERCHANGE_BYTES } from "../../domain/limits.ts";
import type { Identity } from "../../ports/identity.ts";
import type { WatermarkStatement } from "../../safety/completeView.ts";
import type { Highest } from "../../safety/interchangeSummary.ts";
import { fromHex, toHex } from "../../util/bytes.ts";

const TAG = "coterie/watermarks";
const number = z
  .string()
  .regex(/^\d{1,16}$/)
  .nullable();
const statementSchema = z.object({
  statement: z.object({
    format: z.literal("coterie watermark statement 1"),
    lock_hash: z.string(),
    operator: z.int().min(0),
    watermarks: z.array(
      z.object({
        pubkey: z.string(),
        source_epoch: number,
        target_epoch: number,
        slot: number,
      }),
    ),
  }),
  signature: z.string(),
});
type Statement = z.infer<typeof statementSchema>["statement"];

/** The statement's file. */
export function writeStatement(
  cluster: Cluster,
  identity: Identity,
  highest: ReadonlyMap<PubKey, Highest>,
): string {
  const statement: Statement = {
    format: "coterie watermark statement 1",
    lock_hash: cluster.lockHash,
    operator: identity.self,
    watermarks: [...highest].map(([pubkey, { attestation, block }]) => ({
      pubkey,
      source_epoch: attestation?.source.toString() ?? null,
      target_epoch: attestation?.target.toString() ?? null,
      slot: block?.slot.toString() ?? null,
    })),
  };
  const signature = toHex(identity.sign(digestOf(statement)));
  return `${JSON.stringify({ statement, signature }, null, 2)}\n`;
}

/** Throws UsageError that names the file and what is wrong with it. */
export async function readStatement(
  path: string,
  cluster: Cluster,
  identity: Identity,
): Promise<WatermarkStatement> {
  const missingFix = "have its operator run: coterie slashing export --view statement";
  const text = await readTextFile(path, { maxBytes: MAX_INTERCHANGE_BYTES, missingFix });
  const wrong = (what: string): UsageError =>
    new UsageError(`${path} ${what}`, { fix: missingFix });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) throw wrong(`is no JSON: ${error.message}`);
    throw error;
  }
  const parsed = statementSchema.safeParse(json);
  if (!parsed.success) throw wrong("is no watermark statement");
  const { statement, signature } = parsed.data;
  if (statement.lock_hash !== cluster.lockHash) throw wrong("is of another cluster");
  const bytes = fromHex(signature);
  const { operator } = statement;
  if (bytes === null || operator >= cluster.nodes) throw wrong("names no operator of the cluster");
  if (!identity.verify(operator, digestOf(statement), bytes)) {
    throw wrong(`is not signed by operator ${operator}, or was changed since`);
  }
  const highest = new Map(statement.watermarks.map(highestIn));
  for (const [pubKey, { attestation, block }] of highest) {
    const numbers = [attestation?.source, attestation?.target, block?.slot];
    const areRecordable = numbers.every((each) => each === undefined || Number.isSafeInteger(each));
    // No importer would take the file that it went into.
    if (cluster.validator(pubKey) === undefined || !areRecordable) {
      throw wrong(`says of ${pubKey.slice(0, 100)} what no node of this cluster does`);
    }
  }
  return { operator, highest };
}

function highestIn(each: Statement["watermarks"][number]): [PubKey, Highest] {
  const { source_epoch: source, target_epoch: target, slot } = each;
  const attestation =
    source === null || target === null ? null : { source: Number(source), target: Number(target) };
  return [
    each.pubkey as PubKey,
    { attestation, block: slot === null ? null : { slot: Number(slot) } },
  ];
}

function digestOf(statement: Statement): Uint8Array {
  const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
  // In the schema's order of members, whatever order the file had.
  return sha256(
    encode(TAG),
    encode(JSON.stringify(statementSchema.shape.statement.parse(statement))),
  );
}
