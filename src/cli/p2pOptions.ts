/** How a node finds its peers, and they it: the same for running a cluster and for making one. */
import { z } from "zod";
import type { RelaySource } from "../adapters/p2p/relaySources.ts";
import { readTextFile } from "../adapters/system/files.ts";
import { UsageError } from "../domain/errors.ts";
import type { PeerIndex } from "../domain/keys.ts";
import { MAX_NODES } from "../domain/limits.ts";
import {
  EXTERNAL_HOSTNAME,
  EXTERNAL_IP,
  externalHostname,
  externalIp,
  externalMultiaddrs,
  type HostAndPort,
  hostAndPort,
  listenAddress,
  relays,
  tcpMultiaddr,
} from "./addresses.ts";
import type { OptionSpec } from "./options.ts";

/** A peer's libp2p address that is tried besides those in its ENR. */
export type PeerAddress = { readonly peer: PeerIndex; readonly multiaddr: string };

export type P2pSettings = {
  /** Multiaddresses that libp2p listens on. */
  readonly p2pListen: readonly string[];
  /** What the node tells peers of itself besides. */
  readonly p2pAnnounce: readonly string[];
  readonly p2pPeers: readonly PeerAddress[];
  readonly p2pRelays: readonly RelaySource[];
  /** Whether this node carries circuits between other members of its cluster. */
  readonly carriesForMembers: boolean;
};

const MAX_PEERS_FILE_BYTES = 64 * 1024;

export const P2P_OPTIONS = [
  {
    name: "p2p-tcp-address",
    value: "host:port",
    default: "0.0.0.0:3610",
    help: "where peers reach this node; off: it listens nowhere and calls the others",
  },
  {
    name: "p2p-peers",
    value: "list",
    help: "peers: <index>=<multiaddr or host:port>, comma separated, or a file of lines",
  },
  {
    name: "p2p-relays",
    value: "list",
    help: "relays, multiaddr with peer id or http(s) URL, for peers that cannot be dialled",
  },
  EXTERNAL_IP,
  EXTERNAL_HOSTNAME,
  {
    name: "p2p-no-member-relay",
    help: "do not carry traffic between other members that cannot reach each other",
  },
] as const satisfies readonly OptionSpec[];

export const p2pSchema = {
  "p2p-tcp-address": listenAddress,
  "p2p-peers": z.string().optional(),
  "p2p-relays": relays.optional(),
  "p2p-external-ip": externalIp.optional(),
  "p2p-external-hostname": externalHostname.optional(),
  "p2p-no-member-relay": z.string().optional(),
} as const;

type P2pValues = {
  readonly "p2p-tcp-address": HostAndPort | null;
  readonly "p2p-peers"?: string | undefined;
  readonly "p2p-relays"?: readonly RelaySource[] | undefined;
  readonly "p2p-external-ip"?: string | undefined;
  readonly "p2p-external-hostname"?: string | undefined;
  readonly "p2p-no-member-relay"?: string | undefined;
};

/** The text of a file with one address per line. */
export function readPeersFile(path: string): Promise<string> {
  return readTextFile(path, {
    maxBytes: MAX_PEERS_FILE_BYTES,
    missingFix: "give --p2p-peers a list, or the path of a file with one address per line",
  });
}

/** `readFile` gives the text of a file named by `--p2p-peers`. */
export async function p2pSettings(
  values: P2pValues,
  readFile: (path: string) => Promise<string>,
): Promise<P2pSettings> {
  return {
    p2pListen: [values["p2p-tcp-address"]].filter((at) => at !== null).map(tcpMultiaddr),
    p2pAnnounce: externalMultiaddrs(values),
    p2pRelays: values["p2p-relays"] ?? [],
    carriesForMembers: values["p2p-no-member-relay"] === undefined,
    p2pPeers: await parsePeers(values["p2p-peers"] ?? "", readFile),
  };
}

async function parsePeers(
  text: string,
  readFile: (path: string) => Promise<string>,
): Promise<readonly PeerAddress[]> {
  const isList = text === "" || text.includes("=");
  const lines = isList ? text.split(",") : (await readFile(text)).split("\n");
  return lines
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map(parsePeer);
}

function parsePeer(text: string): PeerAddress {
  const match = /^(\d{1,3})=(\S+)$/.exec(text);
  const peer = Number(match?.[1]);
  const address = match?.[2] ?? "";
  const multiaddr = address.startsWith("/") ? address : multiaddrOf(address);
  if (match === null || peer >= MAX_NODES || multiaddr === null) {
    throw new UsageError(`--p2p-peers: "${text}" is no peer address`, {
      fix: "write <index>=<address>, e.g. 2=198.51.100.7:3610 or 2=/dns4/carol.example/tcp/3610",
    });
  }
  return { peer, multiaddr };
}

/** `host:port` as a multiaddress; null when it is neither, or no port that can be dialled. */
function multiaddrOf(text: string): string | null {
  const parsed = hostAndPort.safeParse(text);
  return parsed.success && parsed.data.port > 0 ? tcpMultiaddr(parsed.data) : null;
}
