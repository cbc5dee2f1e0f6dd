/** A validator client or signer that takes keystores over its keymanager API (OUT-5). */
import { Agent, request } from "undici";
import { z } from "zod";
import { FaultError, UsageError } from "../../domain/errors.ts";
import type { Millis } from "../../domain/units.ts";

export type KeystoreToPush = {
  /** Of the file, for messages. */
  readonly name: string;
  readonly keystore: string;
  readonly password: string;
};

export type KeymanagerClient = {
  /** Whether the API answers and takes the token; throws where it does not. */
  check(): Promise<void>;
  /** Sends all; throws FaultError naming those that were not taken. Sending again does no harm. */
  push(keystores: readonly KeystoreToPush[]): Promise<void>;
  close(): Promise<void>;
};

/** Importing costs the client a key derivation for each keystore. */
const TIMEOUT_MS: Millis = 120_000;
const KEYSTORES_PER_REQUEST = 20;
const MAX_ANSWER_BYTES = 1024 * 1024;
const MAX_MESSAGE_CHARACTERS = 200;
const MAX_NAMED = 5;

const brief = z
  .string()
  .transform((text) => text.slice(0, MAX_MESSAGE_CHARACTERS).replace(/[^ -~]/g, "?"));
const importSchema = z.object({
  data: z.array(z.object({ status: brief, message: brief.optional() })),
});

/** Throws UsageError for an address without https, which would show keys and passwords. */
export function createKeymanagerClient(address: string, token: string): KeymanagerClient {
  const url = URL.parse(address);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new UsageError("--keymanager-address is no https URL");
  }
  const isOnThisMachine = ["127.0.0.1", "localhost", "[::1]"].includes(url.hostname);
  if (url.protocol !== "https:" && !isOnThisMachine) {
    throw new UsageError("--keymanager-address: keys and passwords travel by https only", {
      fix: "give an https URL, or tunnel to the client and name 127.0.0.1",
    });
  }
  const agent = new Agent({ headersTimeout: TIMEOUT_MS, maxResponseSize: MAX_ANSWER_BYTES });
  const keystoresUrl = new URL("eth/v1/keystores", url.href.endsWith("/") ? url : `${url.href}/`);
  const ask = async (method: "GET" | "POST", body: string | null) => {
    try {
      const answer = await request(keystoresUrl, {
        method,
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        ...(body === null ? {} : { body }),
        dispatcher: agent,
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      return { status: answer.statusCode, text: await answer.body.text() };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new FaultError("keymanager_failed", `${url.host}: ${reason}`, { cause: error });
    }
  };
  return {
    async check() {
      const { status } = await ask("GET", null);
      if (status !== 200) throw new FaultError("keymanager_failed", `it answered ${status}`);
    },
    async push(keystores) {
      const refused: string[] = [];
      for (let at = 0; at < keystores.length; at += KEYSTORES_PER_REQUEST) {
        const batch = keystores.slice(at, at + KEYSTORES_PER_REQUEST);
        const { status, text } = await ask("POST", importBody(batch));
        if (status !== 200) throw new FaultError("keymanager_failed", `it answered ${status}`);
        refused.push(...refusedOf(text, batch));
      }
      if (refused.length === 0) return;
      const more = refused.length > MAX_NAMED ? ` and ${refused.length - MAX_NAMED} more` : "";
      const named = refused.slice(0, MAX_NAMED).join("; ");
      throw new FaultError("keymanager_failed", `${named}${more}`);
    },
    close: () => agent.destroy(),
  };
}

function importBody(batch: readonly KeystoreToPush[]): string {
  return JSON.stringify({
    keystores: batch.map(({ keystore }) => keystore),
    passwords: batch.map(({ password }) => password),
  });
}

/** Who was not taken, with the API's reason; what it had already is fine. */
function refusedOf(text: string, batch: readonly KeystoreToPush[]): readonly string[] {
  const parsed = importSchema.safeParse(parseOrNull(text));
  if (!parsed.success || parsed.data.data.length !== batch.length) {
    throw new FaultError("keymanager_failed", "its answer does not fit the keymanager API");
  }
  return parsed.data.data.flatMap(({ status, message }, i) => {
    if (status === "imported" || status === "duplicate") return [];
    return [`${batch[i]?.name}: ${message === undefined ? status : `${status}, ${message}`}`];
  });
}

function parseOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
