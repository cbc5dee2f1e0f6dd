/**
 * Events of several endpoints as one feed per topic, each thing at most once (BN-6). A topic has a
 * stream of its own: one that a beacon node does not know costs the other topics nothing.
 */
import { createParser } from "eventsource-parser";
import { FaultError } from "../../domain/errors.ts";
import type { Millis, ValidatorIndex } from "../../domain/units.ts";
import { convictedAttesters, convictedProposers } from "../../eth2/slashings.ts";
import type { HeadEvent } from "../../ports/beaconNode.ts";
import type { BlockEvent } from "../../ports/chainSightings.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import { BoundedCache } from "../../util/boundedCache.ts";
import { parseRoot, withNaturals } from "./calls.ts";
import type { ChainGuard } from "./chainGuard.ts";
import type { Endpoint } from "./endpoint.ts";
import { eventsPath, HEAD_AND_BLOCK } from "./routes.ts";

const RECONNECT_MS: Millis = 250;
const MAX_RECONNECT_MS: Millis = 12_000;
/** A head event has some 500 characters. */
const MAX_EVENT_CHARACTERS = 64 * 1024;
/** Two attestations by a slot's 131,072 validators at most, 12 characters each. */
const MAX_SLASHING_CHARACTERS = 4 * 1024 * 1024;
/** No block for so long means a dead connection: five slots of the slowest public chain. */
const BLOCKS_IDLE_MS: Millis = 60_000;
/** Slashings are rare; the connection is only made anew. */
const SLASHINGS_IDLE_MS: Millis = 600_000;
/** Remembered against repetition: endpoints lag each other by slots, not by epochs. */
const MAX_REMEMBERED = 64;

export type FeedParts = {
  readonly guard: ChainGuard;
  readonly clock: Clock;
  readonly logger: Logger;
};
export type Feed<E> = {
  readonly topic: string;
  readonly maxCharacters: number;
  /** Silence after which the stream is opened again. */
  readonly idleMs: Millis;
  /** Throws a plain error on anything else, as the codecs do. */
  readonly read: (json: unknown) => E;
  /** Equal for one thing told twice. */
  readonly nameOf: (event: E) => string;
};
type Listener<E> = { readonly handler: (event: E) => void; readonly signal: AbortSignal };

export const HEADS: Feed<HeadEvent> = {
  topic: "head",
  maxCharacters: MAX_EVENT_CHARACTERS,
  idleMs: BLOCKS_IDLE_MS,
  read(json) {
    const event = HEAD_AND_BLOCK.head.fromJson(json);
    return {
      slot: event.slot,
      block: parseRoot(event.block),
      previousDutyDependentRoot: parseRoot(event.previousDutyDependentRoot),
      currentDutyDependentRoot: parseRoot(event.currentDutyDependentRoot),
    };
  },
  nameOf: ({ block }) => block,
};

export const BLOCKS: Feed<BlockEvent> = {
  topic: "block",
  maxCharacters: MAX_EVENT_CHARACTERS,
  idleMs: BLOCKS_IDLE_MS,
  read(json) {
    const { slot, block } = HEAD_AND_BLOCK.block.fromJson(json);
    return { slot, block: parseRoot(block) };
  },
  nameOf: ({ block }) => block,
};

/** Whom the slashings convict: one feed for each topic. */
export const SLASHINGS: readonly Feed<readonly ValidatorIndex[]>[] = [
  slashings("attester_slashing", convictedAttesters),
  slashings("proposer_slashing", convictedProposers),
];

function slashings(
  topic: string,
  read: (json: unknown) => readonly ValidatorIndex[],
): Feed<readonly ValidatorIndex[]> {
  const maxCharacters = MAX_SLASHING_CHARACTERS;
  const nameOf = (indices: readonly ValidatorIndex[]): string => indices.join();
  return { topic, maxCharacters, idleMs: SLASHINGS_IDLE_MS, read, nameOf };
}

/** Follows each endpoint until the signal aborts; connects again, with growing pauses. */
export function followFeed<E>(
  parts: FeedParts,
  feed: Feed<E>,
  { handler, signal }: Listener<E>,
): void {
  const remembered = new BoundedCache<string, true>(MAX_REMEMBERED);
  const emit = (event: E): void => {
    const name = feed.nameOf(event);
    if (remembered.get(name) !== undefined) return;
    remembered.set(name, true);
    handler(event);
  };
  for (const endpoint of parts.guard.usable()) {
    follow(parts, { endpoint, feed }, { handler: emit, signal }).catch((error: unknown) => {
      if (signal.aborted) return;
      // A bug: nobody awaits this work, so it goes to the process's edge.
      queueMicrotask(() => {
        throw error;
      });
    });
  }
}

type Source<E> = { readonly endpoint: Endpoint; readonly feed: Feed<E> };

async function follow<E>(
  { guard, clock, logger }: FeedParts,
  source: Source<E>,
  { handler, signal }: Listener<E>,
): Promise<void> {
  const { endpoint, feed } = source;
  const where = { endpoint: endpoint.label, topic: feed.topic };
  let delayMs = RECONNECT_MS;
  while (guard.usable().includes(endpoint)) {
    try {
      await guard.verify(endpoint, signal);
      for await (const event of eventsOf(source, signal)) {
        delayMs = RECONNECT_MS;
        handler(event);
      }
      logger.debug("Events ended.", where);
    } catch (error) {
      if (!(error instanceof FaultError)) throw error;
      logger.debug("Events failed.", { ...where, reason: error.message });
    }
    await clock.sleep(delayMs, signal);
    delayMs = Math.min(2 * delayMs, MAX_RECONNECT_MS);
  }
}

/** Throws `FaultError` on a broken connection and on anything that is no event of the topic. */
async function* eventsOf<E>(source: Source<E>, signal: AbortSignal): AsyncGenerator<E> {
  const { endpoint, feed } = source;
  let received: E[] = [];
  const parser = createParser({
    maxBufferSize: feed.maxCharacters,
    onEvent: ({ event, data }) => {
      if (event === feed.topic) received.push(readEvent(source, data));
    },
    onError: (error) => {
      if (error.type === "max-buffer-size-exceeded") throw badEvent(source, error);
    },
  });
  const path = eventsPath(feed.topic);
  for await (const chunk of endpoint.stream(path, feed.idleMs, signal)) {
    parser.feed(chunk);
    yield* received;
    received = [];
  }
}

function readEvent<E>(source: Source<E>, data: string): E {
  try {
    return withNaturals(source.feed.read(JSON.parse(data)));
  } catch (error) {
    // The codecs report what does not fit by throwing plain errors.
    throw badEvent(source, error);
  }
}

function badEvent<E>({ endpoint, feed }: Source<E>, cause: unknown): FaultError {
  const detail = `${endpoint.label}: an event is no ${feed.topic} event`;
  return new FaultError("beacon_bad_response", detail, { cause });
}
