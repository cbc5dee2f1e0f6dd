import type { Millis } from "../domain/units.ts";

/** One beacon node as a proxy needs it: where it is and what each request to it carries. */
export type BeaconUpstream = {
  /** Host and port: what logs and metrics may show. */
  readonly label: string;
  readonly origin: string;
  /** Comes before `/eth/…`; without a slash at its end. */
  readonly basePath: string;
  /** Credentials, where the beacon node wants them. */
  readonly headers: Readonly<Record<string, string>>;
};

/** The beacon nodes of this operator, for what is passed on to them as it came. */
export interface BeaconUpstreams {
  /**
   * Calls `attempt` with the best beacon node of the cluster's chain and, each time it throws
   * `FaultError`, with the next; the last fault is thrown. Throws `signal.reason` once that aborts.
   */
  attempt<T>(attempt: (upstream: BeaconUpstream) => Promise<T>, signal: AbortSignal): Promise<T>;
  /**
   * The same for a whole answer: silence of `hedgeAfterMs` has the next one asked too, while the
   * earlier ones go on. The first answer counts; the signals of the others abort.
   */
  race<T>(
    ask: (upstream: BeaconUpstream, signal: AbortSignal) => Promise<T>,
    options: { readonly hedgeAfterMs: Millis; readonly signal: AbortSignal },
  ): Promise<T>;
}
