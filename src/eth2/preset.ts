/**
 * The preset (mainnet, minimal) sizes the SSZ types, so it is fixed when they load and one process
 * has one. The command line chooses it, before it imports anything that leads here.
 */
import { ACTIVE_PRESET } from "@lodestar/params";
import { UsageError } from "../domain/errors.ts";

/** Name of the preset that this process loaded, spelled like `PRESET_BASE` in `config/spec`. */
export const activePreset: string = ACTIVE_PRESET;

/** ETH-2: refuses a chain whose containers have other sizes than the ones loaded. */
export function assertPreset(presetBase: string): void {
  if (presetBase === activePreset) return;
  throw new UsageError(
    `the beacon node's chain uses the preset "${presetBase}", but this process loaded ` +
      `"${activePreset}"; start it with LODESTAR_PRESET=${presetBase}`,
  );
}
