/**
 * Circuits (libp2p's circuit-relay-v2) as this node uses them: reservations at relays and members,
 * so that others can reach it through them, and addresses by which it reaches others (NET-12).
 */
import { circuitRelayTransport } from "@libp2p/circuit-relay-v2";
import type { Connection, PeerId, Transport } from "@libp2p/interface";
import { type Multiaddr, multiaddr } from "@multiformats/multiaddr";
import { MAX_RELAY_RETRY_MS } from "../../domain/limits.ts";
import type { Millis } from "../../domain/units.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import { assert, Bug } from "../../util/assert.ts";

/** How often missing reservations are looked for. */
const CHECK_MS: Millis = 1_000;
const FIRST_RETRY_MS: Millis = 1_000;

/** The part of the library's transport that makes and refreshes reservations. */
type Reservations = {
  hasReservation(relay: PeerId): boolean;
  addRelay(relay: PeerId, type: "configured"): Promise<unknown>;
};
type Factory = ReturnType<typeof circuitRelayTransport>;

type CircuitsParts = {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether the peer may carry circuits for this node: a relay of ours, or a member. */
  readonly mayCarry: (peer: PeerId) => boolean;
};

export class Circuits {
  readonly #parts: CircuitsParts;
  readonly #retries = new Map<string, { readonly at: Millis; readonly pauseMs: Millis }>();
  #reservations: Reservations | null = null;

  constructor(parts: CircuitsParts) {
    this.#parts = parts;
  }

  /** For one libp2p node; how to reserve is known once that was made. */
  transport(): Factory {
    const create = circuitRelayTransport();
    return (components) => {
      const transport = create(components);
      this.#reservations = reservationsOf(transport);
      return transport;
    };
  }

  /** Keeps a reservation at every peer that may carry for us and is connected directly. */
  async run(connections: () => readonly Connection[], signal: AbortSignal): Promise<void> {
    // The library's requests take no signal, and one that nobody answers never ends.
    const stopped = untilAborted(signal);
    while (!signal.aborted) {
      const carriers = this.#carriersAmong(connections());
      await Promise.race([Promise.all(carriers.map((peer) => this.#reserve(peer))), stopped]);
      await this.#parts.clock.sleep(CHECK_MS, signal).catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
    }
  }

  /** Addresses of `peer` through everybody who may carry for us, one for each. */
  addressesOf(peer: PeerId, connections: readonly Connection[]): readonly Multiaddr[] {
    return this.#carriersAmong(connections)
      .filter((carrier) => !carrier.equals(peer))
      .map((carrier) => {
        const via = connections.find(({ remotePeer }) => remotePeer.equals(carrier));
        assert(via !== undefined, "a carrier is connected");
        const base = via.remoteAddr.toString().split("/p2p/")[0];
        return multiaddr(`${base}/p2p/${carrier}/p2p-circuit/p2p/${peer}`);
      });
  }

  #carriersAmong(connections: readonly Connection[]): readonly PeerId[] {
    const carriers = connections
      .filter(({ direct, status, remotePeer }) => {
        return direct && status === "open" && this.#parts.mayCarry(remotePeer);
      })
      .map(({ remotePeer }) => remotePeer);
    return [...new Map(carriers.map((peer) => [peer.toString(), peer])).values()];
  }

  async #reserve(relay: PeerId): Promise<void> {
    const { clock, logger } = this.#parts;
    const key = relay.toString();
    const retry = this.#retries.get(key);
    if (this.#reservations === null || this.#reservations.hasReservation(relay)) return;
    if (retry !== undefined && retry.at > clock.monotonic()) return;
    try {
      await this.#reservations.addRelay(relay, "configured");
      this.#retries.delete(key);
    } catch (error) {
      if (error instanceof Bug) throw error;
      // A member may not carry for others, and a relay may be full: neither is a fault of ours.
      const pauseMs = Math.min(2 * (retry?.pauseMs ?? FIRST_RETRY_MS / 2), MAX_RELAY_RETRY_MS);
      this.#retries.set(key, { at: clock.monotonic() + pauseMs, pauseMs });
      logger.debug("No reservation was made at a relay.", { relay: key, error });
    }
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** The library's type hides what its class shows. */
function reservationsOf(transport: Transport): Reservations {
  const store: unknown = Reflect.get(transport, "reservationStore");
  assert(isReservations(store), "the relay transport has a store of reservations");
  return store;
}

function isReservations(store: unknown): store is Reservations {
  return (
    typeof Reflect.get(Object(store), "hasReservation") === "function" &&
    typeof Reflect.get(Object(store), "addRelay") === "function"
  );
}
