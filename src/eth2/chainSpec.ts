/** The chain's own constants, read from `GET /eth/v1/config/spec` and validated once (ETH-4). */
import { z } from "zod";
import { FaultError } from "../domain/errors.ts";
import { BASIS_POINTS, type BasisPoints, type Epoch, type Millis } from "../domain/units.ts";
import { equalBytes, fromHex, toHex } from "../util/bytes.ts";
import { err, ok, type Result } from "../util/result.ts";
import { FORK_NAMES } from "./forkNames.ts";
import { type DueTime, FORKS, type Fork } from "./forks.ts";

/** A fork of the table with what this chain says about it. */
export type ScheduledFork = {
  readonly fork: Fork;
  /** First epoch; Infinity when the chain has not scheduled it. */
  readonly epoch: Epoch;
  /** Four bytes. */
  readonly version: Uint8Array;
  readonly attestationDueBps: BasisPoints;
  readonly aggregateDueBps: BasisPoints;
};

export type ChainSpec = {
  readonly configName: string;
  readonly presetBase: string;
  readonly slotDurationMs: Millis;
  readonly slotsPerEpoch: number;
  /** At least the first; in the table's order, epochs never fall. */
  readonly forks: readonly [ScheduledFork, ...ScheduledFork[]];
  /** The first epoch of a fork that this release has no row for; Infinity for none. */
  readonly unknownForkEpoch: Epoch;
};

type RawSpec = Readonly<Record<string, unknown>>;

/** The last fork that every supported beacon node names; later ones may be missing. */
const LAST_REQUIRED = FORK_NAMES.indexOf("electra");

const decimal = z
  .string()
  .regex(/^\d{1,20}$/, "expected a decimal number")
  .transform(BigInt);
const count = decimal.refine((n) => n > 0n && n <= 86_400_000n, "out of range").transform(Number);
const basisPoints = decimal
  .refine((n) => n <= BigInt(BASIS_POINTS), "expected at most 10000")
  .transform(Number);
const epoch = decimal.transform((n) =>
  n > BigInt(Number.MAX_SAFE_INTEGER) ? Infinity : Number(n),
);
const version = z
  .string()
  .regex(/^0x[0-9a-fA-F]{8}$/, "expected 4 bytes as 0x hex")
  .transform((text) => fromHex(text) ?? new Uint8Array(4));
const name = z.string().min(1).max(64);

/** Throws `FaultError("beacon_bad_response")` naming the first field that is missing or wrong. */
export function parseChainSpec(raw: RawSpec): ChainSpec {
  const forks: ScheduledFork[] = [];
  for (const [index, forkName] of FORK_NAMES.entries()) {
    const fork = FORKS[forkName];
    const absent = fork.epochKey !== null && raw[fork.epochKey] === undefined;
    if (absent && index > LAST_REQUIRED) break;
    forks.push(schedule(raw, fork));
  }
  const [first, ...later] = forks;
  if (first === undefined) throw bad("GENESIS_FORK_VERSION", "is missing");
  assertAscending(forks);
  return {
    configName: field(raw, "CONFIG_NAME", name.default("unnamed")),
    presetBase: field(raw, "PRESET_BASE", name),
    slotDurationMs: slotDuration(raw),
    slotsPerEpoch: field(raw, "SLOTS_PER_EPOCH", count),
    forks: [first, ...later],
    unknownForkEpoch: unknownForkEpoch(raw),
  };
}

/**
 * ETH-8: `known` with what `told` schedules after `epoch` beside it, and the names of that. What
 * was scheduled stays; the error names what cannot be taken over while the node runs.
 */
export function laterSchedule(
  known: ChainSpec,
  told: ChainSpec,
  epoch: Epoch,
): Result<{ readonly spec: ChainSpec; readonly names: readonly string[] }, string> {
  const names: string[] = [];
  const merged: ScheduledFork[] = [...known.forks];
  for (const [index, fork] of told.forks.entries()) {
    const before = known.forks[index];
    // An older beacon node does not know yet what was heard of before.
    if (fork.epoch === Infinity || isSameFork(fork, before)) continue;
    const { name } = fork.fork;
    if ((before?.epoch ?? Infinity) !== Infinity || fork.epoch <= epoch) {
      return err(`${name} begins in epoch ${fork.epoch} with version ${toHex(fork.version)}`);
    }
    merged[index] = fork;
    names.push(`${name} in epoch ${fork.epoch}`);
  }
  const { unknownForkEpoch } = told;
  if (unknownForkEpoch < known.unknownForkEpoch) {
    if (unknownForkEpoch <= epoch) return err(`epoch ${unknownForkEpoch} began an unknown fork`);
    names.push(`an unknown fork in epoch ${unknownForkEpoch}: update Coterie before it`);
  }
  const [first = known.forks[0], ...later] = merged;
  const earliest = Math.min(known.unknownForkEpoch, unknownForkEpoch);
  return ok({ spec: { ...known, forks: [first, ...later], unknownForkEpoch: earliest }, names });
}

function isSameFork(told: ScheduledFork, known: ScheduledFork | undefined): boolean {
  return known?.epoch === told.epoch && equalBytes(known.version, told.version);
}

function schedule(raw: RawSpec, fork: Fork): ScheduledFork {
  return {
    fork,
    epoch: fork.epochKey === null ? 0 : field(raw, fork.epochKey, epoch),
    version: field(raw, fork.versionKey, version),
    attestationDueBps: dueBps(raw, fork.attestationDue),
    aggregateDueBps: dueBps(raw, fork.aggregateDue),
  };
}

function dueBps(raw: RawSpec, due: DueTime): BasisPoints {
  return raw[due.key] === undefined ? due.defaultBps : field(raw, due.key, basisPoints);
}

/** Milliseconds where the node names them; older nodes say seconds. */
function slotDuration(raw: RawSpec): Millis {
  if (raw["SLOT_DURATION_MS"] !== undefined) return field(raw, "SLOT_DURATION_MS", count);
  return 1000 * field(raw, "SECONDS_PER_SLOT", count);
}

function assertAscending(forks: readonly ScheduledFork[]): void {
  for (const [index, { fork, epoch }] of forks.entries()) {
    const before = forks[index - 1];
    if (before !== undefined && before.epoch > epoch) {
      throw bad(String(fork.epochKey), `lies before ${before.fork.epochKey}`);
    }
  }
}

function unknownForkEpoch(raw: RawSpec): Epoch {
  const known = new Set(FORK_NAMES.map((name) => FORKS[name].epochKey));
  const epochs = Object.keys(raw)
    .filter((key) => /^[A-Z0-9]+_FORK_EPOCH$/.test(key) && !known.has(key))
    .map((key) => field(raw, key, epoch));
  return Math.min(Infinity, ...epochs);
}

function field<T>(raw: RawSpec, key: string, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(raw[key]);
  if (parsed.success) return parsed.data;
  const issue = raw[key] === undefined ? "is missing" : (parsed.error.issues[0]?.message ?? "");
  throw bad(key, issue);
}

function bad(key: string, issue: string): FaultError {
  return new FaultError("beacon_bad_response", `config/spec: ${key} ${issue}`);
}
