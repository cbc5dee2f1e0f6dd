/** The endpoints as a proxy uses them: best first, the next one where one fails (BN-3, BN-7). */
import { FaultError } from "../../domain/errors.ts";
import type { BeaconUpstream, BeaconUpstreams } from "../../ports/beaconUpstream.ts";
import type { ChainGuard } from "./chainGuard.ts";
import type { EndpointHealth } from "./endpointHealth.ts";

export class EndpointUpstreams implements BeaconUpstreams {
  readonly #guard: ChainGuard;
  readonly #health: EndpointHealth;

  constructor(guard: ChainGuard, health: EndpointHealth) {
    this.#guard = guard;
    this.#health = health;
  }

  async attempt<T>(
    attempt: (upstream: BeaconUpstream) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    await this.#guard.genesis(signal);
    let firstFault: FaultError | null = null;
    for (const endpoint of this.#health.order(this.#guard.usable())) {
      try {
        await this.#guard.verify(endpoint, signal);
        return await attempt(endpoint.upstream);
      } catch (error) {
        if (!(error instanceof FaultError)) throw error;
        this.#health.demote(endpoint, error.message);
        firstFault ??= error;
      }
    }
    throw firstFault ?? new FaultError("beacon_unreachable", "no beacon node is left to ask");
  }
}
