/** `config/spec` answers for tests that need other forks, epochs or slot lengths. */
import type { Root } from "../../src/domain/keys.ts";
import { Chain } from "../../src/eth2/chain.ts";
import { parseChainSpec } from "../../src/eth2/chainSpec.ts";

export type RawSpec = Readonly<Record<string, unknown>>;

export const NEVER = "18446744073709551615";
/** Every fork in an epoch of its own: altair at 1 to fulu at 6, gloas at 7. */
export const LADDER_SPEC: RawSpec = {
  CONFIG_NAME: "ladder",
  PRESET_BASE: "mainnet",
  SECONDS_PER_SLOT: "12",
  SLOTS_PER_EPOCH: "32",
  GENESIS_FORK_VERSION: "0x00000000",
  ...Object.fromEntries(
    ["ALTAIR", "BELLATRIX", "CAPELLA", "DENEB", "ELECTRA", "FULU", "GLOAS"].flatMap(
      (name, index) => [
        [`${name}_FORK_VERSION`, `0x0${index + 1}000000`],
        [`${name}_FORK_EPOCH`, String(index + 1)],
      ],
    ),
  ),
};
/** First epochs of the forks of {@link LADDER_SPEC} that the attester duty tells apart. */
export const EPOCH_OF = { phase0: 0, deneb: 4, electra: 5, fulu: 6, gloas: 7 } as const;

export const LADDER_GENESIS = {
  genesisTime: 1_606_824_023,
  genesisValidatorsRoot: `0x${"4b".repeat(32)}` as Root,
};

export function ladderChain(changes: RawSpec = {}): Chain {
  return new Chain(parseChainSpec({ ...LADDER_SPEC, ...changes }), LADDER_GENESIS);
}
