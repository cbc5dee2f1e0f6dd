/** Genesis validators roots of public chains: a slashing history names its chain by them. */
import { genesisData, networksChainConfig } from "@lodestar/config/networks";
import { type Root, rootOf } from "../domain/keys.ts";
import { toHex } from "../util/bytes.ts";
import { fieldBytes, sameBytes } from "./fields.ts";

/** Ephemery starts over every few weeks, with another root each time. */
const CHAINS = ["mainnet", "gnosis", "sepolia", "hoodi", "chiado"] as const;

/** Null for private chains. `forkVersion` is the genesis fork version, 4 bytes as 0x hex. */
export function genesisValidatorsRootOf(forkVersion: string): Root | null {
  const chain = CHAINS.find((name) =>
    sameBytes(forkVersion, toHex(networksChainConfig[name].GENESIS_FORK_VERSION)),
  );
  return chain === undefined ? null : rootOf(fieldBytes(genesisData[chain].genesisValidatorsRoot));
}
