/**
 * `/eth/v1/events`. Written here rather than taken from @lodestar/api because that handler sends
 * its headers only with the first event, so a client cannot tell a quiet stream from a dead node,
 * and because faults must be able to cut streams.
 */
import { routes } from "@lodestar/api";
import { ApiError } from "@lodestar/api/server";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { ChainEvent } from "../chainTypes.ts";
import type { NodeView } from "./nodeView.ts";

const { EventType } = routes.events;
const KNOWN_TOPICS: ReadonlySet<string> = new Set(Object.values(EventType));

export class EventStreams {
  readonly #view: NodeView;
  readonly #open = new Set<FastifyReply["raw"]>();
  readonly #toJson: (event: ChainEvent) => unknown;

  constructor(view: NodeView) {
    this.#view = view;
    this.#toJson = routes.events.getEventSerdes(view.chain.config).toJson;
  }

  serve(request: FastifyRequest, reply: FastifyReply): void {
    if (this.#view.injector.faults.events === "drop") throw new ApiError(503, "events are off");
    const topics = parseTopics(request.query);
    reply.hijack();
    const stream = reply.raw;
    stream.writeHead(200, {
      "content-type": "text/event-stream",
      "cache-control": "no-cache,no-transform",
      connection: "keep-alive",
    });
    stream.write(":\n\n");
    const unsubscribe = this.#view.chain.subscribe((event) => {
      if (!topics.has(event.type) || this.#isSilenced(event)) return;
      stream.write(`event: ${event.type}\ndata: ${JSON.stringify(this.#toJson(event))}\n\n`);
    });
    this.#open.add(stream);
    stream.on("close", () => {
      unsubscribe();
      this.#open.delete(stream);
    });
  }

  cutAll(): void {
    for (const stream of this.#open) stream.destroy();
  }

  #isSilenced({ type }: ChainEvent): boolean {
    const { events, staleHeadBlocks } = this.#view.injector.faults;
    if (events === "mute") return true;
    return staleHeadBlocks > 0 && (type === EventType.head || type === EventType.block);
  }
}

function parseTopics(query: unknown): ReadonlySet<string> {
  const given = query instanceof Object && "topics" in query ? query.topics : [];
  const topics = new Set([given].flat().map(String));
  if (topics.size === 0) throw new ApiError(400, "topics are missing");
  for (const topic of topics) {
    if (!KNOWN_TOPICS.has(topic)) throw new ApiError(400, `Invalid topic: ${topic}`);
  }
  return topics;
}
