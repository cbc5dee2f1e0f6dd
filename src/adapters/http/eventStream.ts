/**
 * `GET /eth/v1/events`: each topic is followed at the best beacon node by itself, so that one which
 * a node does not know costs only that topic, and again at the next node when a stream ends. The
 * client's stream lives on (API-9).
 */
import type { ServerResponse } from "node:http";
import { createParser } from "eventsource-parser";
import { Cancelled, FaultError } from "../../domain/errors.ts";
import { MAX_EVENT_TOPICS, MAX_JSON_DEPTH } from "../../domain/limits.ts";
import type { Millis } from "../../domain/units.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import type { ValidatorApi } from "../../ports/validatorApi.ts";
import { parseQuotedJson } from "../../util/json.ts";
import { HttpProblem, type VcRequest } from "./exchange.ts";
import { discard, type UpstreamClient } from "./upstreamClient.ts";

export type EventStreamParts = {
  readonly upstream: UpstreamClient;
  /** Null until the node runs. */
  readonly api: () => Pick<ValidatorApi, "untilAttestable"> | null;
  readonly clock: Clock;
  readonly logger: Logger;
};

const RECONNECT_MS: Millis = 250;
const MAX_RECONNECT_MS: Millis = 12_000;
/** Shorter than the silence after which clients and proxies give a stream up. */
const KEEP_ALIVE_MS: Millis = 12_000;
/** The largest event is a block's data column: some 100 kB of text. */
const MAX_EVENT_CHARACTERS = 1024 * 1024;
/** What one slow client may make us hold before its stream is ended. */
const MAX_UNSENT_BYTES = 4 * 1024 * 1024;

/** VC-8: topics on which clients hear that it is time to attest. */
const HEAD_TOPICS: ReadonlySet<string> = new Set(["head", "head_v2", "block", "block_gossip"]);

type Topic = { readonly name: string; readonly body: AsyncIterable<Buffer> };

/** Resolves when the client hangs up; throws {@link HttpProblem} before anything was sent. */
export async function streamEvents(
  request: VcRequest,
  response: ServerResponse,
  parts: EventStreamParts,
): Promise<void> {
  const names = parseTopics(request.query);
  const ended = new AbortController();
  const signal = AbortSignal.any([request.signal, ended.signal]);
  const topics = await openTopics(names, parts, { ended, signal });
  if (topics.length === 0) {
    throw new HttpProblem(400, `the beacon node knows none of the topics ${names.join(", ")}`);
  }
  response.writeHead(200, {
    "content-type": "text/event-stream",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",
  });
  const send = (text: string): void => {
    if (response.writableLength > MAX_UNSENT_BYTES) {
      ended.abort(new Cancelled("the client does not read its events"));
      response.destroy();
    } else if (!response.destroyed) response.write(text);
  };
  send(":\n\n");
  await Promise.all([
    ...topics.map((topic) => followTopic(topic, { ...parts, send, signal })),
    keepAlive(parts.clock, send, signal),
  ]);
}

function parseTopics(query: URLSearchParams): readonly string[] {
  const names = new Set(query.getAll("topics").flatMap((text) => text.split(",")));
  const isSound = [...names].every((name) => /^[a-z][a-z0-9_]{0,63}$/.test(name));
  if (isSound && names.size > 0 && names.size <= MAX_EVENT_TOPICS) return [...names];
  throw new HttpProblem(400, `topics must be 1 to ${MAX_EVENT_TOPICS} names of event topics`);
}

/** Those that the beacon node knows; throws when it cannot be asked. */
async function openTopics(
  names: readonly string[],
  parts: EventStreamParts,
  { ended, signal }: { readonly ended: AbortController; readonly signal: AbortSignal },
): Promise<readonly Topic[]> {
  try {
    const opened = await Promise.all(names.map((name) => openTopic(name, parts, signal)));
    return opened.filter((topic) => topic !== null);
  } catch (error) {
    ended.abort(new Cancelled("another topic's stream could not be opened"));
    throw error;
  }
}

/** Null where the beacon node does not know the topic. */
async function openTopic(
  name: string,
  { upstream, logger }: EventStreamParts,
  signal: AbortSignal,
): Promise<Topic | null> {
  const url = `/eth/v1/events?topics=${name}`;
  const headers = { accept: "text/event-stream" };
  const { statusCode, body } = await upstream.openStream(
    { method: "GET", url, headers, body: null },
    signal,
  );
  if (statusCode === 200) return { name, body };
  discard(body);
  logger.warn("A beacon node does not serve an event topic.", { topic: name, status: statusCode });
  return null;
}

type Follower = EventStreamParts & {
  readonly send: (text: string) => void;
  readonly signal: AbortSignal;
};

async function followTopic(first: Topic, follower: Follower): Promise<void> {
  const { signal, clock } = follower;
  let topic: Topic | null = first;
  let delayMs = RECONNECT_MS;
  while (!signal.aborted) {
    try {
      topic ??= await openTopic(first.name, follower, signal);
      if (topic !== null && (await relay(topic, follower))) delayMs = RECONNECT_MS;
    } catch (error) {
      if (!signal.aborted && !(error instanceof FaultError)) throw error;
    }
    topic = null;
    await pause(clock, delayMs, signal);
    delayMs = Math.min(2 * delayMs, MAX_RECONNECT_MS);
  }
}

/** Passes whole events on, in their order, until the stream ends; false when there was none. */
async function relay({ name, body }: Topic, follower: Follower): Promise<boolean> {
  const { send, signal, logger } = follower;
  let hasEvents = false;
  const arrived: { readonly event: string; readonly data: string }[] = [];
  const parser = createParser({
    maxBufferSize: MAX_EVENT_CHARACTERS,
    onEvent: ({ event = name, data }) => arrived.push({ event, data }),
    onError: (error) => {
      if (error.type !== "max-buffer-size-exceeded") return;
      throw new FaultError("beacon_bad_response", `an event of topic ${name} is too large`);
    },
  });
  const decoder = new TextDecoder();
  try {
    for await (const chunk of body) {
      parser.feed(decoder.decode(chunk, { stream: true }));
      for (const { event, data } of arrived.splice(0)) {
        hasEvents = true;
        if (HEAD_TOPICS.has(name)) await untilAttestable(data, follower);
        const lines = data.split("\n").map((line) => `data: ${line}\n`);
        send(`event: ${event}\n${lines.join("")}\n`);
      }
    }
  } catch (error) {
    if (signal.aborted) return hasEvents;
    if (!(error instanceof Error && "code" in error)) throw error;
    logger.debug("An event stream broke.", { topic: name, reason: String(error.code) });
  }
  return hasEvents;
}

/** VC-8. An event that names no slot is nobody's signal to attest. */
async function untilAttestable(data: string, { api, signal }: Follower): Promise<void> {
  const slot = slotIn(parseEvent(data));
  if (typeof slot !== "string" || !/^\d{1,15}$/.test(slot)) return;
  await api()?.untilAttestable(Number(slot), signal);
}

function parseEvent(data: string): unknown {
  const parsed = parseQuotedJson(data, MAX_JSON_DEPTH);
  return parsed.ok ? parsed.value : null;
}

/** The second version of the topic has its members one level deeper. */
function slotIn(event: unknown): unknown {
  const { slot, data } = Object(event);
  return slot ?? Object(data).slot;
}

async function keepAlive(
  clock: Clock,
  send: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await pause(clock, KEEP_ALIVE_MS, signal);
    send(":\n\n");
  }
}

/** Ends early when the signal aborts. */
async function pause(clock: Clock, delayMs: Millis, signal: AbortSignal): Promise<void> {
  try {
    await clock.sleep(delayMs, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
