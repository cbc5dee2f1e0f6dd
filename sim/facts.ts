/** What the virtual chain answers about itself: `config/spec` and genesis. */
import type { Root } from "../src/domain/keys.ts";
import type { Millis } from "../src/domain/units.ts";
import { Chain } from "../src/eth2/chain.ts";
import { parseChainSpec } from "../src/eth2/chainSpec.ts";
import { FORK_NAMES } from "../src/eth2/forkNames.ts";
import { activePreset } from "../src/eth2/preset.ts";

export type VirtualFacts = {
  readonly slotMs: Millis;
  readonly slotsPerEpoch: number;
  /** Unix seconds. */
  readonly genesisTime: number;
  readonly genesisValidatorsRoot: Root;
};

/** The last fork whose blocks the node proposes; it is active from genesis. */
const LAST_FORK = FORK_NAMES.indexOf("fulu");
export const GENESIS_FORK_VERSION = "0x00000f00";

export function rawSpecOf(facts: VirtualFacts): Readonly<Record<string, unknown>> {
  return {
    CONFIG_NAME: "virtual",
    PRESET_BASE: activePreset,
    SLOT_DURATION_MS: String(facts.slotMs),
    SLOTS_PER_EPOCH: String(facts.slotsPerEpoch),
    GENESIS_FORK_VERSION,
    ...Object.fromEntries(
      FORK_NAMES.slice(1, LAST_FORK + 1).flatMap((name, index) => [
        [`${name.toUpperCase()}_FORK_VERSION`, `0x${String(index + 1).padStart(2, "0")}000f00`],
        [`${name.toUpperCase()}_FORK_EPOCH`, "0"],
      ]),
    ),
  };
}

export function chainOf(facts: VirtualFacts): Chain {
  return new Chain(parseChainSpec(rawSpecOf(facts)), facts);
}
