/** The endpoints as a proxy uses them: best first, the next one where one fails (BN-3, BN-7). */
import { FaultError } from "../../domain/errors.ts";
import type { Millis } from "../../domain/units.ts";
import type { BeaconUpstream, BeaconUpstreams } from "../../ports/beaconUpstream.ts";
import type { Clock } from "../../ports/clock.ts";
import type { ChainGuard } from "./chainGuard.ts";
import type { EndpointHealth } from "./endpointHealth.ts";
import { raceInOrder } from "./race.ts";

export class EndpointUpstreams implements BeaconUpstreams {
  readonly #guard: ChainGuard;
  readonly #health: EndpointHealth;
  readonly #clock: Clock;

  constructor(guard: ChainGuard, health: EndpointHealth, clock: Clock) {
    this.#guard = guard;
    this.#health = health;
    this.#clock = clock;
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

  async race<T>(
    ask: (upstream: BeaconUpstream, signal: AbortSignal) => Promise<T>,
    { hedgeAfterMs, signal }: { readonly hedgeAfterMs: Millis; readonly signal: AbortSignal },
  ): Promise<T> {
    await this.#guard.genesis(signal);
    return raceInOrder({
      candidates: this.#health.order(this.#guard.usable()),
      ask: async (endpoint, signal) => {
        try {
          await this.#guard.verify(endpoint, signal);
          return await ask(endpoint.upstream, signal);
        } catch (error) {
          if (error instanceof FaultError) this.#health.demote(endpoint, error.message);
          throw error;
        }
      },
      hedgeAfterMs,
      clock: this.#clock,
      signal,
      // A client may ask for much: to take long over it is no reason to be asked last for duties.
      onOvertaken: () => undefined,
    });
  }
}
