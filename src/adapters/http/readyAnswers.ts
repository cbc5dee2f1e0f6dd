/**
 * Answers that a validator client needs to start, kept so that it starts while every beacon node is
 * away: what each beacon node of the chain says alike, and says for good or for long (API-7).
 */
import { FaultError } from "../../domain/errors.ts";
import { MAX_JSON_DEPTH } from "../../domain/limits.ts";
import type { Millis } from "../../domain/units.ts";
import type { Clock } from "../../ports/clock.ts";
import type { KeyValueStore } from "../../ports/keyValueStore.ts";
import { equalBytes } from "../../util/bytes.ts";
import { parseQuotedJson } from "../../util/json.ts";
import { problemReply, type Reply } from "./exchange.ts";
import { MEDIA_TYPES } from "./negotiation.ts";
import type { UpstreamClient } from "./upstreamClient.ts";

export const READY_PATHS: readonly string[] = [
  "/eth/v1/beacon/genesis",
  "/eth/v1/config/spec",
  "/eth/v1/config/fork_schedule",
  "/eth/v1/config/deposit_contract",
];

/** A client waits some seconds for its first answers; what is kept is ready at once. */
const ASK_TIMEOUT_MS: Millis = 2_000;
const RETRY_MS: Millis = 3_000;
/** The specification, which is the longest of them, has some 10 kB. */
const MAX_KEPT_BYTES = 256 * 1024;
const keyOf = (path: string): string => `vcapi${path}`;

type ReadyAnswersParts = {
  readonly upstream: UpstreamClient;
  /** Keeps them over a restart. */
  readonly store: KeyValueStore;
  readonly clock: Clock;
};

export class ReadyAnswers {
  readonly #parts: ReadyAnswersParts;
  readonly #kept = new Map<string, Uint8Array>();

  constructor(parts: ReadyAnswersParts) {
    this.#parts = parts;
  }

  /** Asks until every answer is there once; rejects with `signal.reason`. */
  async prepare(signal: AbortSignal): Promise<void> {
    await Promise.all(READY_PATHS.map((path) => this.#prepare(path, signal)));
  }

  async #prepare(path: string, signal: AbortSignal): Promise<void> {
    const known = await this.#parts.store.get(keyOf(path));
    if (known !== undefined) this.#kept.set(path, known);
    while ((await this.answer(path, signal)).status !== 200) {
      await this.#parts.clock.sleep(RETRY_MS, signal);
    }
  }

  /** What a beacon node says now, or else what one said last. */
  async answer(path: string, signal: AbortSignal): Promise<Reply> {
    try {
      const headers = { accept: MEDIA_TYPES.json };
      const request = { method: "GET", url: path, headers, body: null };
      const { status, bytes } = await this.#parts.upstream.ask(request, signal, ASK_TIMEOUT_MS);
      if (status === 200) return kept(await this.#keep(path, bytes));
      if (!this.#kept.has(path)) return { status, headers: JSON_HEADERS, body: bytes };
    } catch (error) {
      if (!(error instanceof FaultError)) throw error;
    }
    const known = this.#kept.get(path);
    if (known !== undefined) return kept(known);
    return problemReply(503, "no beacon node answers, and none has answered this before");
  }

  async #keep(path: string, bytes: Uint8Array): Promise<Uint8Array> {
    const known = this.#kept.get(path);
    if (known !== undefined && equalBytes(known, bytes)) return known;
    if (!isFit(bytes)) return bytes;
    this.#kept.set(path, bytes);
    await this.#parts.store.batch([{ type: "put", key: keyOf(path), value: bytes }]);
    return bytes;
  }
}

/** What goes to the disk of the slashing records is small, and no page of a proxy. */
function isFit(bytes: Uint8Array): boolean {
  if (bytes.length > MAX_KEPT_BYTES) return false;
  const parsed = parseQuotedJson(Buffer.from(bytes).toString("utf8"), MAX_JSON_DEPTH);
  return parsed.ok && typeof parsed.value === "object" && parsed.value !== null;
}

const JSON_HEADERS = { "content-type": MEDIA_TYPES.json };

function kept(body: Uint8Array): Reply {
  return { status: 200, headers: JSON_HEADERS, body };
}
