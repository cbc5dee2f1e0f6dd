/** One measured simulation in a process of its own; prints {@link SimFigures} as JSON. */
import { deserialize, serialize } from "node:v8";
import type { BlsChoice } from "../../sim/world.ts";

export type SimRequest = {
  readonly bls: BlsChoice;
  readonly validators: number;
  readonly epochs: number;
  /** Probability that a slot's block is the cluster's. */
  readonly proposals: number;
  /** It costs a share of the run's own time. */
  readonly isHeapMeasured: boolean;
};
export type SimFigures = {
  /** Of one core, from the start of the process until the world stands. */
  readonly startSeconds: number;
  readonly virtualSeconds: number;
  /** Of one core, for the run alone. */
  readonly cpuSeconds: number;
  readonly violations: number;
  /**
   * If asked for: live heap after a fifth of the run, and at its end, without what lies on the
   * virtual disks: the audit log only ever grows, as it does on a real one.
   */
  readonly earlyHeapBytes: number;
  readonly lateHeapBytes: number;
};

const { CALM } = await import("../../sim/scenario.ts");
const { createWorld, slotsPerEpoch } = await import("../../sim/world.ts");

const request: SimRequest = JSON.parse(process.argv[2] ?? "{}");
const { bls, validators, epochs, proposals, isHeapMeasured } = request;
const slots = epochs * slotsPerEpoch();
const heapAt = new Map<number, number>();
const early = Math.floor(slots / 5);
const onSlot = (slot: number): void => {
  if (isHeapMeasured && (slot === early || slot === slots)) heapAt.set(slot, liveHeap());
};
const scenario = { ...CALM, validators, slots, proposals };
const world = createWorld({ seed: "bench", scenario, bls, onSlot });
const before = process.cpuUsage();
const startSeconds = (before.user + before.system) / 1_000_000;
const { virtualMs, violations } = await world.run();
const { user, system } = process.cpuUsage(before);
const figures: SimFigures = {
  startSeconds,
  virtualSeconds: virtualMs / 1_000,
  cpuSeconds: (user + system) / 1_000_000,
  violations: violations.length,
  earlyHeapBytes: heapAt.get(early) ?? 0,
  lateHeapBytes: heapAt.get(slots) ?? 0,
};
process.stdout.write(`${JSON.stringify(figures)}\n`);

/** The disks' contents are set aside, outside of the heap, while it is measured. */
function liveHeap(): number {
  const platters = world.machines.map(({ disk }) => disk.platter);
  const aside = platters.map((platter) => serialize(platter));
  for (const platter of platters) platter.clear();
  globalThis.gc?.();
  const { heapUsed } = process.memoryUsage();
  for (const [index, platter] of platters.entries()) {
    const kept: ReadonlyMap<string, Uint8Array> = deserialize(aside[index] ?? serialize(new Map()));
    for (const [key, value] of kept) platter.set(key, Uint8Array.from(value));
  }
  return heapUsed;
}
