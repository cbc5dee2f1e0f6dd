/** A small chain's facts for tests: minimal preset numbers, fulu from genesis. */

import { ACTIVE_PRESET } from "@lodestar/params";
import type { Root } from "../../src/domain/keys.ts";
import { Chain } from "../../src/eth2/chain.ts";
import { parseChainSpec } from "../../src/eth2/chainSpec.ts";

export const GENESIS_TIME = 1_700_000_000;
export const GENESIS_VALIDATORS_ROOT = `0x${"47".repeat(32)}` as Root;
export const SLOTS_PER_EPOCH = 8;

export const RAW_SPEC: Readonly<Record<string, unknown>> = {
  CONFIG_NAME: "test",
  PRESET_BASE: ACTIVE_PRESET,
  SLOT_DURATION_MS: "12000",
  SLOTS_PER_EPOCH: String(SLOTS_PER_EPOCH),
  GENESIS_FORK_VERSION: "0x00000f00",
  ...Object.fromEntries(
    ["ALTAIR", "BELLATRIX", "CAPELLA", "DENEB", "ELECTRA", "FULU"].flatMap((name, index) => [
      [`${name}_FORK_VERSION`, `0x0${index + 1}000f00`],
      [`${name}_FORK_EPOCH`, "0"],
    ]),
  ),
};

export function testChain(): Chain {
  return new Chain(parseChainSpec(RAW_SPEC), {
    genesisTime: GENESIS_TIME,
    genesisValidatorsRoot: GENESIS_VALIDATORS_ROOT,
  });
}
