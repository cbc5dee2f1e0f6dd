/** The network of a command that talks to the other operators, listening. */
import { askRelay } from "../adapters/http/relayDirectory.ts";
import {
  createLibp2pNetwork,
  type Libp2pNetwork,
  type Libp2pNetworkOptions,
} from "../adapters/p2p/libp2pNetwork.ts";
import type { AnyChannel } from "../adapters/p2p/scope.ts";
import { systemClock } from "../adapters/system/clock.ts";
import { UsageError } from "../domain/errors.ts";
import type { P2pSettings } from "./p2pOptions.ts";

export type P2pParts<Name extends AnyChannel> = Pick<
  Libp2pNetworkOptions<Name>,
  "secretKey" | "self" | "scope" | "validateGossip" | "logger" | "metrics"
> & {
  /** In their order, this node's own included. */
  readonly operators: readonly { readonly publicKey: Uint8Array }[];
};

/** Throws UsageError when an address cannot be listened on. */
export async function openP2p<Name extends AnyChannel>(
  settings: P2pSettings,
  { operators, ...parts }: P2pParts<Name>,
): Promise<Libp2pNetwork<Name>> {
  const peers = operators.flatMap(({ publicKey }, index) => {
    if (index === parts.self) return [];
    const own = settings.p2pPeers.filter(({ peer }) => peer === index);
    return [{ index, publicKey, addresses: own.map(({ multiaddr }) => multiaddr) }];
  });
  const p2p = await createLibp2pNetwork({
    ...parts,
    peers,
    listen: settings.p2pListen,
    announce: settings.p2pAnnounce,
    relays: { sources: settings.p2pRelays, ask: askRelay },
    carriesForMembers: settings.carriesForMembers,
    clock: systemClock,
  });
  await p2p.start();
  return p2p;
}

/** An entry of this node itself is welcome: operators share one list. */
export function requireKnownPeers({ p2pPeers }: P2pSettings, nodes: number): void {
  const unknown = p2pPeers.find(({ peer }) => peer >= nodes);
  if (unknown === undefined) return;
  throw new UsageError(`--p2p-peers: the cluster has no operator ${unknown.peer}`, {
    fix: `number the operators as the cluster's file lists them, from 0 to ${nodes - 1}`,
  });
}
