/**
 * How a peer is dialled: at the addresses that the operator gave for it and those that it told of
 * itself, and through whoever may carry a circuit to it where none of them answers (NET-12).
 */
import type { Connection, PeerId } from "@libp2p/interface";
import { type Multiaddr, multiaddr } from "@multiformats/multiaddr";
import { CONNECT_TIMEOUT_MS, MAX_DIALLED_ADDRESSES } from "../../domain/limits.ts";
import type { Circuits } from "./circuits.ts";
import type { Host } from "./host.ts";

type Target = {
  readonly id: PeerId;
  /** Multiaddrs without peer id. */
  readonly addresses: readonly string[];
};

export class Dialler {
  readonly #host: Host;
  readonly #circuits: Circuits;
  /** Whose turn it is, so that one relay in trouble does not stand before the others for ever. */
  #turn = 0;

  constructor(host: Host, circuits: Circuits) {
    this.#host = host;
    this.#circuits = circuits;
  }

  /** Null when there is no address and nobody to carry a circuit. */
  dial(target: Target, signal: AbortSignal): Promise<Connection> | null {
    const circuits = this.#circuits.addressesOf(target.id, this.#host.getConnections());
    if (target.addresses.length === 0 && circuits.length === 0) return null;
    return this.#dialInTurn(target, circuits, signal);
  }

  /** Null when the peer has no direct address that anybody knows of. */
  async dialDirect(target: Target, signal: AbortSignal): Promise<Connection | null> {
    const known = target.addresses.map((address) => multiaddr(`${address}/p2p/${target.id}`));
    const addresses = [...known, ...(await this.#learned(target.id))];
    if (addresses.length === 0) return null;
    // Forced: the relayed connection at hand would pass for what is asked for.
    return this.#dialWithin(addresses.slice(0, MAX_DIALLED_ADDRESSES), signal, { force: true });
  }

  async #dialInTurn(
    target: Target,
    circuits: readonly Multiaddr[],
    signal: AbortSignal,
  ): Promise<Connection> {
    const failures: unknown[] = [];
    try {
      const direct = await this.dialDirect(target, signal);
      if (direct !== null) return direct;
    } catch (error) {
      failures.push(error);
    }
    const from = this.#turn++ % Math.max(1, circuits.length);
    for (const circuit of [...circuits.slice(from), ...circuits.slice(0, from)]) {
      signal.throwIfAborted();
      try {
        return await this.#dialWithin([circuit], signal, {});
      } catch (error) {
        failures.push(error);
      }
    }
    throw failures[0];
  }

  #dialWithin(
    addresses: readonly Multiaddr[],
    signal: AbortSignal,
    options: { readonly force?: boolean },
  ): Promise<Connection> {
    const within = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_TIMEOUT_MS)]);
    return this.#host.dial([...addresses], { ...options, signal: within });
  }

  /** What the peer said of itself when it was connected: it is a member, and may still be wrong. */
  async #learned(id: PeerId): Promise<readonly Multiaddr[]> {
    if (!(await this.#host.peerStore.has(id))) return [];
    const { addresses } = await this.#host.peerStore.get(id);
    return addresses
      .map((each) => /^\/[^/]+\/[^/]+\/tcp\/\d+(?=$|\/p2p\/[^/]+$)/.exec(each.multiaddr.toString()))
      .filter((match) => match !== null)
      .map(([address]) => multiaddr(`${address}/p2p/${id}`));
  }
}
