/**
 * The preset (mainnet, minimal) sizes the SSZ types, so it is fixed when they load and one process
 * has one. The command line chooses it, before it imports anything that leads here.
 */
import { ACTIVE_PRESET } from "@lodestar/params";
import { FaultError } from "../domain/errors.ts";

/** Name of the preset that this process loaded, spelled like `PRESET_BASE` in `config/spec`. */
export const activePreset: string = ACTIVE_PRESET;

/**
 * ETH-2: refuses a chain whose containers have other sizes than the ones loaded. A fault of the
 * moment: where no beacon node answered at the start the preset was a guess, the next one is not.
 */
export function assertPreset(presetBase: string): void {
  if (presetBase === activePreset) return;
  throw new FaultError(
    "wrong_preset",
    `the chain has "${presetBase}", loaded is "${activePreset}"; start again while the beacon ` +
      `node answers, or with LODESTAR_PRESET=${presetBase}`,
  );
}
