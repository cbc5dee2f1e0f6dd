/** Public networks by genesis fork version, which is all that cluster files say of their chain. */
import { sameBytes } from "./fields.ts";

export type KnownNetwork = { readonly name: string; readonly chainId: number };

const NETWORKS: Readonly<Record<string, KnownNetwork>> = {
  "0x00000000": { name: "mainnet", chainId: 1 },
  "0x00001020": { name: "goerli", chainId: 5 },
  "0x00000064": { name: "gnosis", chainId: 100 },
  "0x0000006f": { name: "chiado", chainId: 10_200 },
  "0x01017000": { name: "holesky", chainId: 17_000 },
  "0x90000069": { name: "sepolia", chainId: 11_155_111 },
  "0x10000910": { name: "hoodi", chainId: 560_048 },
};

/** The network with this genesis fork version; undefined for private test networks. */
export function networkOf(forkVersion: string): KnownNetwork | undefined {
  return Object.entries(NETWORKS).find(([version]) => sameBytes(version, forkVersion))?.[1];
}
