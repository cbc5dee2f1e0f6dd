/**
 * What a start costs with the history of 10,000 validators: three months of attestations, pruned as
 * a node prunes them, at the moment at which most are kept. A process of its own opens the database
 * and reads the records, and holds nothing else.
 */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { openLevel } from "../../src/adapters/storage/level.ts";
import type { Root } from "../../src/domain/keys.ts";
import { pubKeyOf } from "../../src/domain/keys.ts";
import { SLASHING_RECORDS_KEPT, SLASHING_RECORDS_SLACK } from "../../src/domain/limits.ts";
import { openSlashingStore } from "../../src/safety/openSlashingStore.ts";
import { assert } from "../../src/util/assert.ts";
import type { BenchRow } from "./row.ts";

const VALIDATORS = 10_000;
/** Three months of epochs. What was before the first one written is under the watermark. */
const LAST_EPOCH = 90 * 225;
/** As many as are kept at most; one more would have the oldest forgotten. */
const EPOCHS = SLASHING_RECORDS_KEPT + SLASHING_RECORDS_SLACK;
const SLOTS_PER_EPOCH = 32;
const STARTS = 5;
const MAX_MS = 2_000;
const MAX_MB = 150;
const CHAIN = `0x${"00".repeat(32)}` as Root;

export async function benchStart(
  directory: string,
  progress: (text: string) => void,
): Promise<readonly BenchRow[]> {
  progress(`start with ${VALIDATORS} validators`);
  await writeHistory(directory);
  const starts: Start[] = [];
  for (let i = 0; i < STARTS; i++) starts.push(await startOnce(directory));
  const name = `safety: start with ${VALIDATORS} validators of three months`;
  // A start does the same each time: what another one takes longer is the machine's other work.
  const ms = Math.min(...starts.map((start) => start.ms));
  const mb = Math.max(...starts.map((start) => start.mb));
  return [
    { name, value: ms, unit: "ms", limit: `at most ${MAX_MS} ms`, pass: ms <= MAX_MS },
    {
      name: `${name}, all memory of its process`,
      value: mb,
      unit: "MB",
      limit: `at most ${MAX_MB} MB`,
      pass: mb <= MAX_MB,
    },
  ];
}

/** Written by the store itself, epoch by epoch, with one record more than is kept on the way. */
async function writeHistory(directory: string): Promise<void> {
  const disk = await openLevel(directory);
  const slashing = await openSlashingStore(disk, CHAIN);
  const keys = Array.from({ length: VALIDATORS }, (_, i) => pubKeyOf(bytesOf(i, 48)));
  const first = LAST_EPOCH - EPOCHS - SLASHING_RECORDS_SLACK;
  for (let epoch = first; epoch <= LAST_EPOCH; epoch++) {
    await slashing.transact((transaction) => {
      for (const [validator, pubKey] of keys.entries()) {
        const slot = epoch * SLOTS_PER_EPOCH + (validator % SLOTS_PER_EPOCH);
        const root = `0x${bytesOf(slot, 32).toString("hex")}` as Root;
        const verdict = transaction.record({
          pubKey,
          slashing: { kind: "attestation", source: epoch - 1, target: epoch },
          signingRoot: root,
          origin: "own",
          shareIndex: 1,
          signed: { shareEpoch: 0, pubShare: pubKey as string as never, messageRoot: root },
        });
        assert(verdict.isApproved, "an honest history");
      }
    });
  }
  await disk.close();
}

type Start = { readonly ms: number; readonly mb: number };

async function startOnce(directory: string): Promise<Start> {
  const script = join(import.meta.dirname, "safetyStartProcess.ts");
  const { stdout } = await promisify(execFile)(process.execPath, [script, directory, CHAIN]);
  const start = JSON.parse(stdout) as Start & { readonly validators: number };
  assert(start.validators === VALIDATORS, "all of it was read");
  return start;
}

function bytesOf(value: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  bytes.writeUInt32BE(value, length - 4);
  return bytes;
}
