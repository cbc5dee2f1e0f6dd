/**
 * Where relays are: multiaddrs that the operator names, or an http(s) URL that answers with them,
 * as a JSON list or as an ENR. Both kinds of answer are those of Charon's relays (NET-13).
 */
import { peerIdFromString } from "@libp2p/peer-id";
import { CODE_P2P, type Multiaddr, multiaddr } from "@multiformats/multiaddr";
import { decodeEnr } from "../../crypto/enr.ts";
import { MAX_DIALLED_ADDRESSES } from "../../domain/limits.ts";
import { peerIdOf } from "./identity.ts";

export type RelaySource =
  | { readonly kind: "address"; readonly text: string; readonly address: Multiaddr }
  | { readonly kind: "url"; readonly text: string };

/** Null when the text is neither a relay's multiaddr (with its peer id) nor an http(s) URL. */
export function parseRelaySource(text: string): RelaySource | null {
  const url = URL.parse(text);
  if (url !== null && /^https?:$/.test(url.protocol) && url.host !== "") {
    return { kind: "url", text };
  }
  const address = parseRelayAddress(text);
  return address === null ? null : { kind: "address", text, address };
}

/** Gets what a relay's URL answers; throws a plain error where it answers nothing of use. */
export type AskRelay = (url: string, signal: AbortSignal) => Promise<string>;

/** Asks where the relay is now; throws a plain error that says why nobody knows. */
export async function resolveRelay(
  source: RelaySource,
  ask: AskRelay,
  signal: AbortSignal,
): Promise<readonly Multiaddr[]> {
  if (source.kind === "address") return [source.address];
  const addresses = readRelayAnswer(await ask(source.text, signal));
  if (addresses.length === 0) throw new Error("the answer holds no address of a relay");
  return addresses;
}

/** Addresses of one relay out of a JSON list of multiaddrs or an ENR; others are passed over. */
export function readRelayAnswer(text: string): readonly Multiaddr[] {
  const trimmed = text.trim();
  const texts = trimmed.startsWith("enr:") ? addressOfEnr(trimmed) : textsOf(trimmed);
  const addresses = texts.map(parseRelayAddress).filter((address) => address !== null);
  // One relay is one peer; whatever else a list names is not what the operator asked for.
  const first = addresses[0];
  if (first === undefined) return [];
  return addresses
    .filter((address) => relayIdOf(address) === relayIdOf(first))
    .slice(0, MAX_DIALLED_ADDRESSES);
}

/** The peer id that a relay's address ends with. */
export function relayIdOf(address: Multiaddr): string {
  return address.getComponents().findLast(({ code }) => code === CODE_P2P)?.value ?? "";
}

/** TCP is what this program speaks; a circuit through another relay is no relay's address. */
function parseRelayAddress(text: string): Multiaddr | null {
  if (!/^\/(ip4|ip6|dns|dns4|dns6)\/[^/]+\/tcp\/\d+\/p2p\/[^/]+$/.test(text)) return null;
  try {
    const address = multiaddr(text);
    peerIdFromString(relayIdOf(address));
    return address;
  } catch (error) {
    if (error instanceof Error) return null;
    throw error;
  }
}

function textsOf(json: string): readonly string[] {
  try {
    const parsed: unknown = JSON.parse(json);
    return Array.isArray(parsed) ? parsed.filter((item) => typeof item === "string") : [];
  } catch (error) {
    if (error instanceof SyntaxError) return [];
    throw error;
  }
}

/** EIP-778's pairs `ip` and `tcp`; none where the record does not name both. */
function addressOfEnr(text: string): readonly string[] {
  const enr = decodeEnr(text);
  if (!enr.ok) return [];
  const { pairs, publicKey } = enr.value;
  const [ip, tcp] = [pairs.get("ip"), pairs.get("tcp")];
  if (ip?.length !== 4 || tcp === undefined || tcp.length > 2) return [];
  const port = tcp.reduce((value, byte) => 256 * value + byte, 0);
  return [`/ip4/${[...ip].join(".")}/tcp/${port}/p2p/${peerIdOf(publicKey)}`];
}
