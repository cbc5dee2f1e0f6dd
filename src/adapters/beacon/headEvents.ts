/** Head events of several endpoints as one stream, each block at most once (BN-6). */
import { createParser } from "eventsource-parser";
import { FaultError } from "../../domain/errors.ts";
import type { Root } from "../../domain/keys.ts";
import type { Millis } from "../../domain/units.ts";
import type { HeadEvent } from "../../ports/beaconNode.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";

import { parseRoot } from "./calls.ts";
import type { ChainGuard } from "./chainGuard.ts";
import type { Endpoint } from "./endpoint.ts";
import { decodeHeadEvent, HEAD_EVENTS_PATH } from "./routes.ts";

const RECONNECT_MS: Millis = 250;
const MAX_RECONNECT_MS: Millis = 12_000;
/** A head event has some 500 characters. */
const MAX_EVENT_CHARACTERS = 64 * 1024;
/** Blocks remembered against repetition: endpoints lag each other by slots, not by epochs. */
const MAX_REMEMBERED_BLOCKS = 64;

export type HeadEventParts = {
  readonly guard: ChainGuard;
  readonly clock: Clock;
  readonly logger: Logger;
};

/** Follows each endpoint until the signal aborts; connects again, with growing pauses. */
export function followHeads(
  parts: HeadEventParts,
  endpoints: readonly Endpoint[],
  options: { readonly handler: (event: HeadEvent) => void; readonly signal: AbortSignal },
): void {
  const { handler, signal } = options;
  const remembered = new Set<Root>();
  const emit = (event: HeadEvent): void => {
    if (remembered.has(event.block)) return;
    remembered.add(event.block);
    const [oldest] = remembered;
    if (remembered.size > MAX_REMEMBERED_BLOCKS && oldest !== undefined) remembered.delete(oldest);
    handler(event);
  };
  for (const endpoint of endpoints) {
    follow(parts, endpoint, { handler: emit, signal }).catch((error: unknown) => {
      if (signal.aborted) return;
      // A bug: nobody awaits this work, so it goes to the process's edge.
      queueMicrotask(() => {
        throw error;
      });
    });
  }
}

async function follow(
  { guard, clock, logger }: HeadEventParts,
  endpoint: Endpoint,
  { handler, signal }: { handler: (event: HeadEvent) => void; signal: AbortSignal },
): Promise<void> {
  let delayMs = RECONNECT_MS;
  while (guard.usable().includes(endpoint)) {
    try {
      await guard.verify(endpoint, signal);
      for await (const event of headEventsOf(endpoint, signal)) {
        delayMs = RECONNECT_MS;
        handler(event);
      }
      logger.debug("Head events ended.", { endpoint: endpoint.label });
    } catch (error) {
      if (!(error instanceof FaultError)) throw error;
      logger.debug("Head events failed.", { endpoint: endpoint.label, reason: error.message });
    }
    await clock.sleep(delayMs, signal);
    delayMs = Math.min(2 * delayMs, MAX_RECONNECT_MS);
  }
}

/** Throws `FaultError` on a broken connection and on anything that is no head event. */
async function* headEventsOf(endpoint: Endpoint, signal: AbortSignal): AsyncGenerator<HeadEvent> {
  let received: HeadEvent[] = [];
  const parser = createParser({
    maxBufferSize: MAX_EVENT_CHARACTERS,
    onEvent: ({ event, data }) => {
      if (event === "head") received.push(parseHead(endpoint, data));
    },
    onError: (error) => {
      if (error.type === "max-buffer-size-exceeded") throw badEvent(endpoint, error);
    },
  });
  for await (const chunk of endpoint.stream(HEAD_EVENTS_PATH, signal)) {
    parser.feed(chunk);
    yield* received;
    received = [];
  }
}

function parseHead(endpoint: Endpoint, data: string): HeadEvent {
  try {
    const event = decodeHeadEvent(JSON.parse(data));
    return {
      slot: event.slot,
      block: parseRoot(event.block),
      previousDutyDependentRoot: parseRoot(event.previousDutyDependentRoot),
      currentDutyDependentRoot: parseRoot(event.currentDutyDependentRoot),
    };
  } catch (error) {
    // The codecs report what does not fit by throwing plain errors.
    throw badEvent(endpoint, error);
  }
}

function badEvent(endpoint: Endpoint, cause: unknown): FaultError {
  const detail = `${endpoint.label}: an event is no head event`;
  return new FaultError("beacon_bad_response", detail, { cause });
}
