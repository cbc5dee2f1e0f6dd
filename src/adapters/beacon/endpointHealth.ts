/**
 * Which endpoint to ask first. An endpoint that failed or was overtaken comes after the others for
 * a while, one that is syncing until it says otherwise; within each group the operator's order
 * holds (BN-3).
 */
import type { Millis } from "../../domain/units.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import type { Gauge, Metrics } from "../../ports/metrics.ts";
import type { Endpoint } from "./endpoint.ts";

/** Long enough not to pay for a dead endpoint in every slot, short enough to notice a repair. */
const DEMOTION_MS: Millis = 30_000;
const UNKNOWN = "it cannot be used";

export class EndpointHealth {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #healthy: Gauge;
  readonly #demotedUntil = new Map<Endpoint, Millis>();
  readonly #syncing = new Set<Endpoint>();
  /** Why each was last asked after the others. */
  readonly #problems = new Map<Endpoint, string>();

  constructor(parts: {
    readonly clock: Clock;
    readonly logger: Logger;
    readonly metrics: Metrics;
  }) {
    this.#clock = parts.clock;
    this.#logger = parts.logger;
    this.#healthy = parts.metrics.gauge({
      name: "beacon_endpoint_healthy",
      help: "Whether the beacon node answers in time and is in sync",
      labels: ["endpoint"],
    });
  }

  /** `endpoints` in the order in which they should be asked. */
  order(endpoints: readonly Endpoint[]): readonly Endpoint[] {
    const now = this.#clock.monotonic();
    const isDemoted = (endpoint: Endpoint): boolean =>
      this.#syncing.has(endpoint) || (this.#demotedUntil.get(endpoint) ?? -Infinity) > now;
    return [
      ...endpoints.filter((endpoint) => !isDemoted(endpoint)),
      ...endpoints.filter(isDemoted),
    ];
  }

  /** Null while the endpoint can be used. */
  problemOf(endpoint: Endpoint): string | null {
    return this.#isHealthy(endpoint) ? null : (this.#problems.get(endpoint) ?? UNKNOWN);
  }

  /** The endpoint failed, or another was faster. */
  demote(endpoint: Endpoint, reason: string): void {
    const wasHealthy = this.#isHealthy(endpoint);
    this.#problems.set(endpoint, reason);
    this.#demotedUntil.set(endpoint, this.#clock.monotonic() + DEMOTION_MS);
    this.#tell(endpoint, wasHealthy, reason);
  }

  /** The endpoint answered in time. */
  recover(endpoint: Endpoint): void {
    const wasHealthy = this.#isHealthy(endpoint);
    this.#demotedUntil.delete(endpoint);
    this.#tell(endpoint, wasHealthy, "");
  }

  /** `problem` says why the endpoint does not follow the chain; null where it does. */
  setSyncing(endpoint: Endpoint, problem: string | null): void {
    const wasHealthy = this.#isHealthy(endpoint);
    if (problem !== null) {
      this.#problems.set(endpoint, problem);
      this.#syncing.add(endpoint);
    } else this.#syncing.delete(endpoint);
    this.#tell(endpoint, wasHealthy, problem ?? "");
  }

  #isHealthy(endpoint: Endpoint): boolean {
    return !this.#syncing.has(endpoint) && !this.#demotedUntil.has(endpoint);
  }

  #tell(endpoint: Endpoint, wasHealthy: boolean, reason: string): void {
    const isHealthy = this.#isHealthy(endpoint);
    this.#healthy.set(isHealthy ? 1 : 0, { endpoint: endpoint.label });
    if (isHealthy === wasHealthy) return;
    const fields = { endpoint: endpoint.label };
    if (isHealthy) this.#logger.info("A beacon node is usable again.", fields);
    else
      this.#logger.warn("A beacon node cannot be used and is asked last for a while.", {
        ...fields,
        reason,
      });
  }
}
