/**
 * `coterie sim shrink`: the smallest schedule that still fails, by delta debugging over the list of
 * faults (Zeller and Hildebrandt, IEEE TSE 28(2), 2002: ddmin). Fewer faults shift no stream, since
 * each part of the world draws from its own (SIM-2).
 */

import { openWorld, Simulator } from "../simulator.ts";
import type { RunRequest, Surroundings } from "./run.ts";
import { commandOf, EXIT_CODES, exitCodeOf, type SimExitCode } from "./spec.ts";

export async function shrink(
  { spec, scenario }: RunRequest,
  { print, progress }: Surroundings,
): Promise<SimExitCode> {
  const whole = new Simulator({ ...spec, scenario });
  const fails = async (faults: readonly number[]): Promise<SimExitCode> => {
    progress(`trying ${faults.length} faults`);
    const kept = whole.scenario.faults.filter((_, position) => faults.includes(position));
    const world = await openWorld(spec, { scenario: { ...whole.scenario, faults: kept } });
    return exitCodeOf(await world.run());
  };
  const all = [...whole.scenario.faults.keys()];
  const failure = await fails(all);
  if (failure === EXIT_CODES.ok) {
    print("the run does not fail; there is nothing to shrink");
    return EXIT_CODES.ok;
  }
  const smallest = await minimise(all, async (faults) => (await fails(faults)) === failure);
  progress("");
  const original = spec.faults ?? all;
  for (const position of smallest) print(JSON.stringify(whole.scenario.faults[position]));
  const faults = smallest.map((position) => original[position] ?? position);
  print(`${smallest.length} of ${all.length} faults are enough`);
  print(`reproduce: ${commandOf({ ...spec, faults })}`);
  return failure;
}

/** A part of `items` for which `fails` holds, and of which no item can be left out. */
export async function minimise(
  items: readonly number[],
  fails: (part: readonly number[]) => Promise<boolean>,
): Promise<readonly number[]> {
  if (await fails([])) return [];
  let kept = items;
  for (let parts = 2; kept.length > 1; ) {
    const size = Math.ceil(kept.length / parts);
    const smaller = await firstFailing(kept, size, fails);
    if (smaller !== null) {
      kept = smaller;
      parts = Math.max(2, parts - 1);
    } else if (size === 1) {
      break;
    } else {
      parts = Math.min(kept.length, 2 * parts);
    }
  }
  return kept;
}

/** What is left without one of the pieces of `size`, where that still fails. */
async function firstFailing(
  items: readonly number[],
  size: number,
  fails: (part: readonly number[]) => Promise<boolean>,
): Promise<readonly number[] | null> {
  for (let from = 0; from < items.length; from += size) {
    const rest = [...items.slice(0, from), ...items.slice(from + size)];
    if (await fails(rest)) return rest;
  }
  return null;
}
