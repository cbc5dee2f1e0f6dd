/**
 * What the safety gate adds to the disk: admitting the signatures of 1, 31, 94 and 1,000 validators
 * in one duty, against one raw synced LevelDB batch of the same bytes. Both take turns on one disk
 * in one run, so that a slow moment of the disk meets both. And what a start costs.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openLevel } from "../../src/adapters/storage/level.ts";
import { sha256, sha256Root } from "../../src/crypto/sha256.ts";
import type { PartialSignatureSet, SigningTask, Verified } from "../../src/domain/data.ts";
import { type PubKey, type PubShare, pubKeyOf, type Root } from "../../src/domain/keys.ts";
import type { KeyValueStore, StoreOperation } from "../../src/ports/keyValueStore.ts";
import { AuditChain } from "../../src/safety/auditChain.ts";
import { NO_ENTRIES } from "../../src/safety/auditLog.ts";
import { Freezes } from "../../src/safety/freezes.ts";
import { createSafetyGate } from "../../src/safety/gate.ts";
import { openSlashingStore } from "../../src/safety/openSlashingStore.ts";
import { assert } from "../../src/util/assert.ts";
import type { BenchRow } from "./row.ts";
import { benchStart } from "./safetyStart.ts";
import { quantile } from "./statistics.ts";

/** The largest first: it compiles the code that the small ones find in a node that is up. */
const SIZES = [1_000, 94, 31, 1];
/** Epochs before those that are measured: the histories are then as long as they get. */
const WARM_UP = 60;
const ROUNDS = 200;
const MAX_RATIO = 2;
const CHAIN = `0x${"00".repeat(32)}` as Root;
const SIGNATURE = new Uint8Array(96);

export async function benchSafety(progress: (text: string) => void): Promise<readonly BenchRow[]> {
  const directory = mkdtempSync(join(tmpdir(), "coterie-bench-"));
  try {
    const rows: BenchRow[] = [];
    for (const validators of SIZES) {
      progress(`admit of ${validators} validators`);
      const samples = await measure(join(directory, `${validators}`), validators);
      rows.unshift(...[0.5, 0.99].map((share) => rowOf(samples, { validators, share })));
    }
    return [...rows, ...(await benchStart(join(directory, "start"), progress))];
  } finally {
    rmSync(directory, { recursive: true });
  }
}

type Samples = { readonly admitMs: number[]; readonly batchMs: number[] };

async function measure(directory: string, validators: number): Promise<Samples> {
  const disk = await openLevel(join(directory, "gate"));
  const raw = await openLevel(join(directory, "raw"));
  const recorder = recorderOf(disk);
  const slashing = await openSlashingStore(recorder.store, CHAIN);
  const audit = new AuditChain(
    {
      now: () => Date.now(),
      version: "bench",
      sha256: sha256Root,
      store: recorder.store,
      flush: () => slashing.flush(),
    },
    { head: NO_ENTRIES, batches: [], next: null },
  );
  slashing.join(audit);
  const gate = createSafetyGate({
    slashing,
    lock: { isHeld: () => true, isFresh: () => true },
    freezes: new Freezes(recorder.store, new Map()),
    guards: [],
    safetyOf: () => ({ scope: "attest", messagesPerValidator: 1 }),
    pubKeyOf: keyOf,
    pubShareOf: (validator) => keyOf(validator) as string as PubShare,
    audit,
    precursors: { count: () => undefined },
  });
  const samples: Samples = { admitMs: [], batchMs: [] };
  for (let epoch = 1; epoch <= WARM_UP + ROUNDS; epoch++) {
    const tasks = tasksOf(validators, epoch);
    const set = setOf(tasks, epoch);
    const copies = recorder.last.map(copyOf);
    const admit = () => timed(() => gate.admit({ tasks, set, caller: "bench" }));
    const write = () => timed(() => raw.batch(copies));
    // Who goes first finds the disk asleep; so they take turns in that, too.
    const isGateFirst = epoch % 2 === 0;
    const earlyMs = isGateFirst ? await admit() : await write();
    const lateMs = isGateFirst ? await write() : await admit();
    const [admitMs, batchMs] = isGateFirst ? [earlyMs, lateMs] : [lateMs, earlyMs];
    if (epoch <= WARM_UP) continue;
    samples.admitMs.push(admitMs);
    samples.batchMs.push(batchMs);
  }
  await disk.close();
  await raw.close();
  return samples;
}

function rowOf(
  { admitMs, batchMs }: Samples,
  { validators, share }: { readonly validators: number; readonly share: number },
): BenchRow {
  const value = quantile(admitMs, share);
  const floor = quantile(batchMs, share);
  const ratio = value / floor;
  const name = `safety: admit of ${validators} validators, p${share * 100}`;
  const row = { name, value, unit: "ms", floor, ratio };
  // The slowest of a hundred is the disk's doing on either side, and no measure of the gate.
  if (share > 0.5) return row;
  const limit = `at most ${MAX_RATIO}x one raw synced batch of the same bytes`;
  return { ...row, limit, pass: ratio <= MAX_RATIO };
}

/** Passes everything through and keeps the last batch, which is then written again, raw. */
function recorderOf(disk: KeyValueStore): {
  store: KeyValueStore;
  last: readonly StoreOperation[];
} {
  const recorder = {
    last: [] as readonly StoreOperation[],
    store: {
      get: (key: string) => disk.get(key),
      entries: (range: Parameters<KeyValueStore["entries"]>[0]) => disk.entries(range),
      batch: (operations: readonly StoreOperation[]) => {
        recorder.last = operations;
        return disk.batch(operations);
      },
      close: () => disk.close(),
    },
  };
  return recorder;
}

/** The same bytes, as new to the processor's caches as the gate's were. */
function copyOf(operation: StoreOperation): StoreOperation {
  const key = Buffer.from(operation.key).toString();
  if (operation.type === "del") return { type: "del", key };
  return { type: "put", key, value: Buffer.from(operation.value) };
}

function tasksOf(validators: number, epoch: number): readonly SigningTask[] {
  // Like real ones, they differ in their first digits.
  const [messageRoot, signingRoot] = ["message", "signing"].map((what) =>
    sha256Root(Buffer.from(`${what} ${epoch}`)),
  ) as [Root, Root];
  return Array.from({ length: validators }, (_, validator) => ({
    validator,
    pubKey: keyOf(validator),
    messageRoot,
    signingRoot,
    slashing: { kind: "attestation", source: epoch - 1, target: epoch },
  }));
}

function setOf(tasks: readonly SigningTask[], epoch: number): Verified<PartialSignatureSet> {
  const signatures = tasks.map(({ validator, messageRoot }) => ({
    validator,
    messageRoot,
    signature: SIGNATURE,
  }));
  const set: PartialSignatureSet = {
    duty: { slot: epoch * 32, type: "attester" },
    shareIndex: 1,
    signatures,
  };
  return set as Verified<PartialSignatureSet>;
}

/** One text per validator, as a node has them from its cluster lock. */
function keyOf(validator: number): PubKey {
  const key = KEYS[validator] ?? pubKeyOf(Buffer.alloc(48, sha256(Buffer.from(`${validator}`))));
  KEYS[validator] = key;
  return key;
}
const KEYS: PubKey[] = [];

async function timed(run: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  const answer = await run();
  const elapsedMs = performance.now() - start;
  assert(answer === undefined || isComplete(answer), "everything was admitted");
  return elapsedMs;
}

function isComplete(answer: unknown): boolean {
  return (
    typeof answer === "object" &&
    answer !== null &&
    "admitted" in answer &&
    answer.admitted !== null
  );
}
