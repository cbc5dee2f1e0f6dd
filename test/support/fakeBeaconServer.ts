/**
 * A beacon node over HTTP that answers what a test tells it to: honest by default, and as badly as
 * real ones on demand. It speaks plain HTTP and JSON and shares no code with the client.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export type Reply = { readonly status?: number; readonly json?: unknown; readonly text?: string };
export type Seen = {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: unknown;
};
/** Takes the request over; true when it was handled (or is to hang). */
export type Fault = (request: Seen, response: ServerResponse) => boolean;

export const GENESIS_FORK_VERSION = "0x00000f00";
export const GVR = `0x${"47".repeat(32)}`;
export const PUBKEY = (index: number): string => `0x${String(index).padStart(96, "0")}`;
const ROOT = `0x${"cc".repeat(32)}`;
export const SLOTS_PER_EPOCH = 32;

export const hang: Fault = () => true;
export function reply(answer: Reply): Fault {
  return (_request, response) => {
    const { status = 200, json, text } = answer;
    response.writeHead(status, { "content-type": "application/json" });
    response.end(text ?? JSON.stringify(json ?? {}));
    return true;
  };
}
/** Answers with SSZ. */
export function replySsz(bytes: Uint8Array, headers: Readonly<Record<string, string>>): Fault {
  return (_request, response) => {
    response.writeHead(200, { "content-type": "application/octet-stream", ...headers });
    response.end(bytes);
    return true;
  };
}
export const busy = reply({ status: 503, json: { code: 503, message: "node is syncing" } });

export class FakeBeaconServer {
  readonly seen: Seen[] = [];
  readonly url: string;
  /** By a part of the path: what happens instead of the honest answer. */
  readonly faults = new Map<string, Fault>();
  readonly #streams = new Set<ServerResponse>();
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async start(port = 0): Promise<FakeBeaconServer> {
    const server = createServer((request, response) => {
      readBody(request).then(
        (body) => fake.#handle(request, body, response),
        () => response.destroy(),
      );
    });
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    const fake = new FakeBeaconServer(server);
    return fake;
  }

  async stop(): Promise<void> {
    this.dropAll();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  dropAll(): void {
    this.#server.closeAllConnections();
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  requests(part: string): readonly Seen[] {
    return this.seen.filter(({ url }) => url.includes(part));
  }

  get listeners(): number {
    return this.#streams.size;
  }

  emitHead(slot: number, block: string): void {
    this.emitRaw(
      `event: head\ndata: ${JSON.stringify({
        slot: String(slot),
        block,
        state: ROOT,
        epoch_transition: false,
        previous_duty_dependent_root: ROOT,
        current_duty_dependent_root: ROOT,
        execution_optimistic: false,
      })}\n\n`,
    );
  }

  emitRaw(text: string): void {
    for (const stream of this.#streams) stream.write(text);
  }

  dropStreams(): void {
    for (const stream of this.#streams) stream.destroy();
    this.#streams.clear();
  }

  #handle(request: IncomingMessage, body: unknown, response: ServerResponse): void {
    const { method = "", url = "", headers } = request;
    const seen: Seen = { method, url, headers, body };
    this.seen.push(seen);
    for (const [part, fault] of this.faults) {
      if (url.includes(part) && fault(seen, response)) return;
    }
    if (url.startsWith("/eth/v1/events")) {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(":\n\n");
      this.#streams.add(response);
      response.on("close", () => this.#streams.delete(response));
      return;
    }
    reply(honestReply(seen))(seen, response);
  }
}

export function honestReply({ url, body }: Seen): Reply {
  const { pathname, searchParams } = new URL(url, "http://localhost");
  const last = pathname.split("/").at(-1) ?? "";
  if (pathname.endsWith("/genesis")) return genesis();
  if (pathname.endsWith("/spec")) return { json: { data: { PRESET_BASE: "mainnet" } } };
  if (pathname.endsWith("/syncing")) return syncing(false);
  if (pathname.endsWith("/validators")) return validators(body);
  if (pathname.includes("/duties/attester/")) return attesterDuties(Number(last), body);
  if (pathname.includes("/duties/proposer/")) return proposerDuties(Number(last));
  if (pathname.endsWith("/attestation_data")) {
    return attestationData(Number(searchParams.get("slot")));
  }
  if (pathname.includes("/headers/")) return header(last, 7);
  if (pathname.endsWith("/pool/attestations")) return {};
  if (/\/(blocks|blinded_blocks|prepare_beacon_proposer)$/.test(pathname)) return {};
  return { status: 404, json: { code: 404, message: "route not found" } };
}

export function genesis(version = GENESIS_FORK_VERSION, gvr = GVR): Reply {
  return {
    json: {
      data: {
        genesis_time: "1700000000",
        genesis_validators_root: gvr,
        genesis_fork_version: version,
      },
    },
  };
}

export function syncing(isSyncing: boolean, elOffline = false): Reply {
  return {
    json: {
      data: {
        head_slot: "40",
        sync_distance: isSyncing ? "100" : "0",
        is_syncing: isSyncing,
        is_optimistic: false,
        el_offline: elOffline,
      },
    },
  };
}

export function attestationData(slot: number, changes: Record<string, unknown> = {}): Reply {
  const epoch = Math.floor(slot / SLOTS_PER_EPOCH);
  const data = {
    slot: String(slot),
    index: "0",
    beacon_block_root: ROOT,
    source: { epoch: String(Math.max(0, epoch - 1)), root: ROOT },
    target: { epoch: String(epoch), root: ROOT },
    ...changes,
  };
  return { json: { data } };
}

export function headerMessage(slot: number) {
  const roots = { parent_root: ROOT, state_root: ROOT, body_root: ROOT };
  return { slot: String(slot), proposer_index: "1", ...roots };
}

export function header(root: string, slot: number): Reply {
  const message = headerMessage(slot);
  const signature = `0x${"00".repeat(96)}`;
  return {
    json: {
      execution_optimistic: false,
      finalized: false,
      data: { root, canonical: true, header: { message, signature } },
    },
  };
}

function validators(body: unknown): Reply {
  const ids = Object(body).ids as readonly string[];
  return {
    json: {
      execution_optimistic: false,
      finalized: false,
      data: ids.map((pubkey, index) => ({
        index: String(index),
        balance: "32000000000",
        status: "active_ongoing",
        validator: {
          pubkey,
          withdrawal_credentials: ROOT,
          effective_balance: "32000000000",
          slashed: false,
          activation_eligibility_epoch: "0",
          activation_epoch: "0",
          exit_epoch: "18446744073709551615",
          withdrawable_epoch: "18446744073709551615",
        },
      })),
    },
  };
}

export function proposerDuties(
  epoch: number,
  changes: (slot: number) => Record<string, unknown> = () => ({}),
): Reply {
  const data = Array.from({ length: SLOTS_PER_EPOCH }, (_, offset) => {
    const slot = epoch * SLOTS_PER_EPOCH + offset;
    const duty = { pubkey: PUBKEY(offset), validator_index: String(offset), slot: String(slot) };
    return { ...duty, ...changes(slot) };
  });
  return { json: { dependent_root: ROOT, execution_optimistic: false, data } };
}

export function attesterDuties(
  epoch: number,
  body: unknown,
  changes: Record<string, unknown> = {},
): Reply {
  const data = (body as readonly string[]).map((index) => ({
    pubkey: PUBKEY(Number(index)),
    validator_index: index,
    committee_index: "1",
    committee_length: "8",
    committees_at_slot: "2",
    validator_committee_index: "3",
    slot: String(epoch * SLOTS_PER_EPOCH + (Number(index) % SLOTS_PER_EPOCH)),
    ...changes,
  }));
  return { json: { dependent_root: ROOT, execution_optimistic: false, data } };
}

/** SSZ stays bytes, JSON is parsed. */
async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const bytes = Buffer.concat(chunks);
  if (request.headers["content-type"] === "application/octet-stream") return bytes;
  const text = bytes.toString();
  return text === "" ? undefined : JSON.parse(text);
}
