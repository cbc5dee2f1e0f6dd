/**
 * The BeaconNode port over one or several Beacon API endpoints. Reads go to the best endpoint and
 * fall back to the next; submissions go to all.
 */
import { Agent } from "undici";
import { FaultError, UsageError } from "../../domain/errors.ts";
import type { PubKey, Root, Signature } from "../../domain/keys.ts";
import type { Epoch, Millis, Slot, ValidatorIndex } from "../../domain/units.ts";
import { decodeBlockHeader } from "../../eth2/blockHeader.ts";
import type { ProducedBlock, SignedBlock } from "../../eth2/blocks.ts";
import type { AttestationData, SignedAttestation } from "../../eth2/types.ts";
import type {
  AttesterDuties,
  BeaconNode,
  Genesis,
  HeadEvent,
  ItemFailure,
  ProposerDuties,
  ProposerPreparation,
  SyncStatus,
  ValidatorState,
} from "../../ports/beaconNode.ts";
import type { BeaconUpstreams } from "../../ports/beaconUpstream.ts";
import type { BlockEvent, SeenAttestation, SignedHeader } from "../../ports/chainSightings.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import type { Counter, Histogram, Metrics } from "../../ports/metrics.ts";
import {
  prepareProposersCall,
  produceBlockCall,
  proposerDutiesCall,
  publishBlockCall,
} from "./blockCalls.ts";
import {
  attestationDataCall,
  attesterDutiesCall,
  specCall,
  submitAttestationsCall,
  syncStatusCall,
  validatorsCall,
} from "./calls.ts";
import { ChainGuard } from "./chainGuard.ts";
import { type Answer, Endpoint, parseEndpointUrl } from "./endpoint.ts";
import { EndpointHealth } from "./endpointHealth.ts";
import { BLOCKS, type FeedParts, followFeed, HEADS, SLASHINGS } from "./eventFeeds.ts";
import { raceInOrder } from "./race.ts";
import type { Call } from "./routes.ts";
import {
  blockAttestationsCall,
  committeesCall,
  livenessCall,
  poolAttestationsCall,
  signedHeaderCall,
} from "./sightingCalls.ts";
import { failuresIn, mergeSubmissions } from "./submission.ts";
import { EndpointUpstreams } from "./upstreams.ts";

export type BeaconClientOptions = {
  /** http(s) URLs in order of preference, with credentials where the node wants them. */
  readonly endpoints: readonly string[];
  /** The cluster's chain: its genesis fork version, 4 bytes as lower-case 0x hex. */
  readonly genesisForkVersion: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
};

export type BeaconClient = BeaconNode & {
  /** The same endpoints for a proxy. */
  readonly upstreams: BeaconUpstreams;
  /** In the operator's order. */
  endpoints(): readonly EndpointStatus[];
  /** Ends connections that are still open. */
  close(): Promise<void>;
};

export type EndpointStatus = {
  /** Host and port. */
  readonly endpoint: string;
  /** Why it is asked after the others; null while it can be used. */
  readonly problem: string | null;
};

/** A healthy node answers these in tens of milliseconds; attestations wait for them. */
const HEDGE_AFTER_MS: Millis = 500;
/** Duties and states of many validators take a healthy node seconds. */
const HEDGE_LARGE_AFTER_MS: Millis = 4_000;
/** Building a block waits for builders' bids, for about a second with usual settings. */
const HEDGE_BLOCK_AFTER_MS: Millis = 1_200;
/** Slots by which a head may be older than another endpoint's: more than any slow import. */
const MAX_SLOTS_BEHIND = 8;
/** HTTP: the endpoint does not read SSZ. */
const UNSUPPORTED_MEDIA_TYPE = 415;

/** Throws `UsageError` on an entry that is no URL. Connects to nothing yet. */
export function createBeaconClient(options: BeaconClientOptions): BeaconClient {
  return new FallbackBeaconClient(options);
}

class FallbackBeaconClient implements BeaconClient {
  readonly upstreams: BeaconUpstreams;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #agent = new Agent();
  readonly #guard: ChainGuard;
  readonly #health: EndpointHealth;
  readonly #seconds: Histogram;
  readonly #faults: Counter;
  /** BN-9: the last one, and who may have forgotten it. */
  #preparation: Call<void> | null = null;
  readonly #forgetful = new Set<Endpoint>();

  constructor({ endpoints, genesisForkVersion, clock, logger, metrics }: BeaconClientOptions) {
    if (endpoints.length === 0) {
      throw new UsageError("--beacon-node-endpoints names no beacon node");
    }
    this.#clock = clock;
    this.#logger = logger;
    this.#health = new EndpointHealth({ clock, logger, metrics });
    this.#guard = new ChainGuard({
      endpoints: endpoints.map((text, i) => new Endpoint(parseEndpointUrl(text, i), this.#agent)),
      genesisForkVersion,
      clock,
      logger,
    });
    this.upstreams = new EndpointUpstreams(this.#guard, this.#health, clock);
    this.#seconds = metrics.histogram({
      name: "beacon_request_seconds",
      help: "Time of answered beacon node requests",
      labels: ["endpoint", "route"],
      buckets: [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    });
    this.#faults = metrics.counter({
      name: "beacon_request_faults_total",
      help: "Failed beacon node requests by reason",
      labels: ["endpoint", "route", "reason"],
    });
  }

  genesis(signal: AbortSignal): Promise<Genesis> {
    return this.#guard.genesis(signal);
  }

  spec(signal: AbortSignal): Promise<Readonly<Record<string, unknown>>> {
    return this.#read(specCall(), HEDGE_AFTER_MS, signal);
  }

  /** Asks every endpoint, which also tells which of them are syncing; answers for the best. */
  async syncStatus(signal: AbortSignal): Promise<SyncStatus> {
    const asked = (await this.#endpoints(signal)).map(async (endpoint) => {
      const status = accepted(await this.#ask(endpoint, syncStatusCall(), signal), endpoint);
      return { endpoint, status };
    });
    const settled = await Promise.allSettled(asked);
    const told = settled.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    const usable = told.filter(({ status }) => isUsable(status));
    const newest = Math.max(...usable.map(({ status }) => status.headSlot));
    for (const { endpoint, status } of told) {
      this.#health.setSyncing(endpoint, problemOf(status, newest));
    }
    const best = usable[0] ?? told[0] ?? (await Promise.race(asked));
    return best.status;
  }

  validators(pubKeys: readonly PubKey[], signal: AbortSignal): Promise<readonly ValidatorState[]> {
    return this.#read(validatorsCall(pubKeys), HEDGE_LARGE_AFTER_MS, signal);
  }

  attesterDuties(
    epoch: Epoch,
    indices: readonly ValidatorIndex[],
    signal: AbortSignal,
  ): Promise<AttesterDuties> {
    return this.#read(attesterDutiesCall(epoch, indices), HEDGE_LARGE_AFTER_MS, signal);
  }

  attestationData(slot: Slot, signal: AbortSignal): Promise<AttestationData> {
    return this.#read(attestationDataCall(slot), HEDGE_AFTER_MS, signal);
  }

  async blockSlot(root: Root, signal: AbortSignal): Promise<Slot | null> {
    const signed = await this.signedHeader(root, signal);
    return signed === null ? null : (decodeBlockHeader(signed.header)?.slot ?? null);
  }

  async signedHeader(root: Root, signal: AbortSignal): Promise<SignedHeader | null> {
    const call = signedHeaderCall(root);
    return this.#race(HEDGE_AFTER_MS, signal, async (endpoint, signal) => {
      const answer = await this.#ask(endpoint, call, signal);
      if (!answer.ok && answer.rejected.status === 404) return null;
      return accepted(answer, endpoint);
    });
  }

  async submitAttestations(
    attestations: readonly SignedAttestation[],
    signal: AbortSignal,
  ): Promise<readonly ItemFailure[]> {
    if (attestations.length === 0) return [];
    const call = submitAttestationsCall(attestations);
    return this.#submit(attestations.length, signal, (endpoint) =>
      this.#ask(endpoint, call, signal),
    );
  }

  proposerDuties(epoch: Epoch, signal: AbortSignal): Promise<ProposerDuties> {
    return this.#read(proposerDutiesCall(epoch), HEDGE_LARGE_AFTER_MS, signal);
  }

  produceBlock(
    slot: Slot,
    { randaoReveal }: { readonly randaoReveal: Signature },
    signal: AbortSignal,
  ): Promise<ProducedBlock> {
    return this.#read(produceBlockCall(slot, randaoReveal), HEDGE_BLOCK_AFTER_MS, signal);
  }

  async publishBlock(block: SignedBlock, signal: AbortSignal): Promise<void> {
    const ssz = publishBlockCall(block, block.ssz());
    await this.#submit(1, signal, async (endpoint) => {
      const answer = await this.#ask(endpoint, ssz, signal);
      if (answer.ok || answer.rejected.status !== UNSUPPORTED_MEDIA_TYPE) return answer;
      const json = publishBlockCall(block, JSON.stringify(block.json()));
      return this.#ask(endpoint, json, signal);
    });
  }

  async prepareProposers(
    preparations: readonly ProposerPreparation[],
    signal: AbortSignal,
  ): Promise<void> {
    if (preparations.length === 0) return;
    const call = prepareProposersCall(preparations);
    this.#preparation = call;
    await this.#submit(preparations.length, signal, (endpoint) =>
      this.#ask(endpoint, call, signal),
    );
  }

  blockAttestations(block: Root, signal: AbortSignal): Promise<readonly SeenAttestation[]> {
    return this.#readAside(blockAttestationsCall(block), signal);
  }

  poolAttestations(slot: Slot, signal: AbortSignal): Promise<readonly SeenAttestation[]> {
    return this.#readAside(poolAttestationsCall(slot), signal);
  }

  committees(slot: Slot, signal: AbortSignal) {
    return this.#readAside(committeesCall(slot), signal);
  }

  liveValidators(epoch: Epoch, indices: readonly ValidatorIndex[], signal: AbortSignal) {
    return this.#readAside(livenessCall(epoch, indices), signal);
  }

  onHead(handler: (event: HeadEvent) => void, signal: AbortSignal): void {
    followFeed(this.#feedParts, HEADS, { handler, signal });
  }

  onBlock(handler: (event: BlockEvent) => void, signal: AbortSignal): void {
    followFeed(this.#feedParts, BLOCKS, { handler, signal });
  }

  onSlashing(handler: (indices: readonly ValidatorIndex[]) => void, signal: AbortSignal): void {
    for (const feed of SLASHINGS) followFeed(this.#feedParts, feed, { handler, signal });
  }

  endpoints(): readonly EndpointStatus[] {
    return this.#guard.all().map(({ endpoint, isForeign }) => {
      const problem = isForeign ? "it is on another chain" : this.#health.problemOf(endpoint);
      return { endpoint: endpoint.label, problem };
    });
  }

  close(): Promise<void> {
    return this.#agent.destroy();
  }

  get #feedParts(): FeedParts {
    return { guard: this.#guard, clock: this.#clock, logger: this.#logger };
  }

  /** BN-4: to every endpoint. */
  async #submit(
    itemCount: number,
    signal: AbortSignal,
    send: (endpoint: Endpoint) => Promise<Answer<unknown>>,
  ): Promise<readonly ItemFailure[]> {
    const submissions = (await this.#endpoints(signal)).map(async (endpoint) => {
      const answer = await send(endpoint);
      return answer.ok ? [] : failuresIn(answer.rejected, endpoint, itemCount);
    });
    return mergeSubmissions(submissions);
  }

  #read<T>(call: Call<T>, hedgeAfterMs: Millis, signal: AbortSignal): Promise<T> {
    return this.#race(hedgeAfterMs, signal, async (endpoint, signal) =>
      accepted(await this.#ask(endpoint, call, signal), endpoint),
    );
  }

  /** No duty waits for these, so that a node without such a route is not a worse one. */
  async #readAside<T>(call: Call<T>, signal: AbortSignal): Promise<T> {
    return raceInOrder({
      candidates: this.#health.order(await this.#endpoints(signal)),
      ask: async (endpoint, signal) => {
        await this.#guard.verify(endpoint, signal);
        return accepted(await endpoint.ask(call, signal), endpoint);
      },
      hedgeAfterMs: call.timeoutMs,
      clock: this.#clock,
      signal,
      onOvertaken: () => undefined,
    });
  }

  async #race<T>(
    hedgeAfterMs: Millis,
    signal: AbortSignal,
    ask: (endpoint: Endpoint, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    return raceInOrder({
      candidates: this.#health.order(await this.#endpoints(signal)),
      ask,
      hedgeAfterMs,
      clock: this.#clock,
      signal,
      onOvertaken: (endpoint) => this.#health.demote(endpoint, "slower than another"),
    });
  }

  /** Endpoints of the right chain, or not compared yet because they were silent so far. */
  async #endpoints(signal: AbortSignal): Promise<readonly Endpoint[]> {
    await this.#guard.genesis(signal);
    return this.#guard.usable();
  }

  /** One exchange with an endpoint of the right chain, measured, with its health kept. */
  async #ask<T>(endpoint: Endpoint, call: Call<T>, signal: AbortSignal): Promise<Answer<T>> {
    const startedAt = this.#clock.monotonic();
    const labels = { endpoint: endpoint.label, route: call.route };
    try {
      await this.#guard.verify(endpoint, signal);
      const answer = await endpoint.ask(call, signal);
      this.#seconds.observe((this.#clock.monotonic() - startedAt) / 1000, labels);
      this.#health.recover(endpoint);
      this.#prepareAgain(endpoint);
      return answer;
    } catch (error) {
      if (error instanceof FaultError) {
        if (error.code === "beacon_unreachable") this.#forgetful.add(endpoint);
        this.#health.demote(endpoint, error.message);
        this.#faults.add(1, { ...labels, reason: error.code });
      }
      throw error;
    }
  }

  /** BN-9: a beacon node that did not answer may have been started anew, and knows nothing then. */
  #prepareAgain(endpoint: Endpoint): void {
    const call = this.#preparation;
    if (call === null || !this.#forgetful.delete(endpoint)) return;
    this.#ask(endpoint, call, AbortSignal.timeout(call.timeoutMs)).catch((error: unknown) => {
      if (!(error instanceof FaultError)) throw error;
      this.#logger.debug("A beacon node was not told again whom blocks pay.", {
        endpoint: endpoint.label,
        reason: error.message,
      });
    });
  }
}

/** Why the beacon node does not follow the chain, of which another one has the head `newest`. */
function problemOf(status: SyncStatus, newest: Slot): string | null {
  if (!isUsable(status)) return "it is syncing or its execution layer is offline";
  const behind = newest - status.headSlot;
  return behind > MAX_SLOTS_BEHIND ? `its head is ${behind} slots behind another's` : null;
}

function isUsable({ isSyncing, isElOffline }: SyncStatus): boolean {
  return !isSyncing && !isElOffline;
}

/** A refused read is a fault of this endpoint's answer; another may know better. */
function accepted<T>(answer: Answer<T>, endpoint: Endpoint): T {
  if (answer.ok) return answer.value;
  const { status, message } = answer.rejected;
  throw new FaultError("beacon_bad_response", `${endpoint.label}: HTTP ${status} ${message}`);
}
