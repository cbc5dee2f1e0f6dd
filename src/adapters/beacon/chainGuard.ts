/**
 * Keeps endpoints of another chain out (BN-7). An endpoint is used once its genesis was compared
 * with the cluster's chain; one that differs is never asked again and says so loudly.
 */
import { FaultError, UsageError } from "../../domain/errors.ts";
import type { Root } from "../../domain/keys.ts";
import type { Millis } from "../../domain/units.ts";
import type { Genesis } from "../../ports/beaconNode.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import { type ChainIdentity, genesisCall } from "./calls.ts";
import type { Endpoint } from "./endpoint.ts";

type ChainGuardParts = {
  readonly endpoints: readonly Endpoint[];
  /** 4 bytes as 0x hex: what the cluster lock names its chain by. */
  readonly genesisForkVersion: string;
  readonly clock: Clock;
  readonly logger: Logger;
};
type Seen = { readonly endpoint: Endpoint; readonly identity: ChainIdentity };

/** How long the first comparison waits for the slower endpoints once one has answered. */
const SETTLE_MS: Millis = 1_000;

export class ChainGuard {
  readonly #parts: ChainGuardParts;
  readonly #verified = new Set<Endpoint>();
  readonly #excluded = new Set<Endpoint>();
  #genesis: Genesis | null = null;
  #comparing: Promise<Genesis> | null = null;

  constructor(parts: ChainGuardParts) {
    this.#parts = parts;
  }

  /**
   * The genesis that the usable endpoints share; compares them all on the first call. Throws
   * `FaultError` when none answers, `UsageError` when all that do are on another chain.
   */
  async genesis(signal: AbortSignal): Promise<Genesis> {
    if (this.#genesis !== null) return this.#genesis;
    this.#comparing ??= this.#compare().finally(() => {
      this.#comparing = null;
    });
    this.#genesis = await unlessAborted(this.#comparing, signal);
    return this.#genesis;
  }

  /** All of them, and whether each is known to be on another chain. */
  all(): readonly { readonly endpoint: Endpoint; readonly isForeign: boolean }[] {
    return this.#parts.endpoints.map((endpoint) => {
      return { endpoint, isForeign: this.#excluded.has(endpoint) };
    });
  }

  /** Endpoints that are not known to be on another chain. */
  usable(): readonly Endpoint[] {
    const usable = this.#parts.endpoints.filter((endpoint) => !this.#excluded.has(endpoint));
    if (usable.length > 0) return usable;
    throw new FaultError("beacon_unreachable", "every beacon node given is on another chain");
  }

  /** Throws `FaultError` when the endpoint does not answer or is on another chain. */
  async verify(endpoint: Endpoint, signal: AbortSignal): Promise<void> {
    if (this.#verified.has(endpoint)) return;
    const genesis = await this.genesis(signal);
    if (this.#verified.has(endpoint)) return;
    const identity = await askIdentity(endpoint, signal);
    if (!this.#isExpected(identity) || !isSame(identity, genesis)) {
      this.#exclude({ endpoint, identity });
      throw new FaultError("beacon_bad_response", `${endpoint.label} is on another chain`);
    }
    this.#verified.add(endpoint);
  }

  async #compare(): Promise<Genesis> {
    const seen = await this.#askAll();
    const expected = seen.filter(({ identity }) => this.#isExpected(identity));
    const genesis = mostNamed(expected);
    if (genesis === null) throw this.#wrongChain(seen);
    for (const one of seen) {
      if (this.#isExpected(one.identity) && isSame(one.identity, genesis)) {
        this.#verified.add(one.endpoint);
      } else {
        this.#exclude(one);
      }
    }
    return genesis;
  }

  /** What the endpoints answer within a moment of the first; throws when none does. */
  async #askAll(): Promise<readonly Seen[]> {
    const { endpoints, clock } = this.#parts;
    const seen = new Map<Endpoint, ChainIdentity>();
    const stop = new AbortController();
    const asked = endpoints.map(async (endpoint) => {
      seen.set(endpoint, await askIdentity(endpoint, stop.signal));
    });
    try {
      await Promise.any(asked);
    } catch (error) {
      if (error instanceof AggregateError) throw error.errors[0];
      throw error;
    }
    const late = clock.sleep(SETTLE_MS, stop.signal);
    await Promise.race([Promise.allSettled(asked), late]);
    stop.abort();
    await Promise.allSettled([...asked, late]);
    return endpoints.flatMap((endpoint) => {
      const identity = seen.get(endpoint);
      return identity === undefined ? [] : [{ endpoint, identity }];
    });
  }

  #isExpected({ forkVersion }: ChainIdentity): boolean {
    return forkVersion === this.#parts.genesisForkVersion;
  }

  #exclude({ endpoint, identity }: Seen): void {
    if (this.#excluded.has(endpoint)) return;
    this.#excluded.add(endpoint);
    this.#parts.logger.error("A beacon node is on another chain and is never used.", {
      endpoint: endpoint.label,
      genesisForkVersion: identity.forkVersion,
      expectedGenesisForkVersion: this.#parts.genesisForkVersion,
      genesisValidatorsRoot: identity.genesisValidatorsRoot,
    });
  }

  #wrongChain(seen: readonly Seen[]): UsageError {
    const found = seen.map(
      ({ endpoint, identity }) => `${endpoint.label}: ${identity.forkVersion}`,
    );
    return new UsageError(
      `the cluster's chain has genesis fork version ${this.#parts.genesisForkVersion}, but no ` +
        `beacon node given is on it (${found.join(", ")}); point --beacon-node-endpoints at a ` +
        "beacon node of the cluster's network",
    );
  }
}

async function askIdentity(endpoint: Endpoint, signal: AbortSignal): Promise<ChainIdentity> {
  const answer = await endpoint.ask(genesisCall(), signal);
  if (answer.ok) return answer.value;
  throw new FaultError("beacon_bad_response", `${endpoint.label}: its chain has not started`);
}

/** The genesis that most name, the first of them on a tie; null for none. */
function mostNamed(seen: readonly Seen[]): Genesis | null {
  const votes = new Map<Root, number>();
  for (const { identity } of seen) {
    const root = identity.genesisValidatorsRoot;
    votes.set(root, (votes.get(root) ?? 0) + 1);
  }
  const most = Math.max(...votes.values());
  const winner = seen.find(({ identity }) => votes.get(identity.genesisValidatorsRoot) === most);
  if (winner === undefined) return null;
  const { genesisTime, genesisValidatorsRoot } = winner.identity;
  return { genesisTime, genesisValidatorsRoot };
}

function isSame(identity: ChainIdentity, genesis: Genesis): boolean {
  return (
    identity.genesisValidatorsRoot === genesis.genesisValidatorsRoot &&
    identity.genesisTime === genesis.genesisTime
  );
}

/** `work`, or the signal's reason as soon as that aborts; the work itself goes on. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
