/**
 * A beacon node that costs next to nothing: a made-up chain in which every validator of the cluster
 * attests once per epoch. It notes when it gave out a slot's attestation data first and when a node
 * first handed the slot's attestations over; both on this process's clock.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { assert } from "../../src/util/assert.ts";
import type { StubBlocks } from "./stubBlocks.ts";

export type StubChain = {
  readonly preset: "minimal" | "mainnet";
  readonly slotsPerEpoch: number;
  readonly slotMs: number;
  /** Unix seconds. */
  readonly genesisTime: number;
  /** Group public keys of the cluster: validator i of the chain is the lock's i-th. */
  readonly pubKeys: readonly string[];
  /** Genesis fork version, as 0x hex. */
  readonly forkVersion: string;
  /** What the cluster proposes; nothing where absent. */
  readonly blocks?: StubBlocks;
};

/** Attestations of one slot as a node submitted them: Beacon API JSON. */
export type Submission = readonly {
  readonly attester_index: string;
  readonly data: object;
  readonly signature: string;
}[];

export type SlotRecord = {
  readonly slot: number;
  /** `performance.now()` just after the first attestation data of the slot was written. */
  readonly readyAt: number;
  /** `performance.now()` when the first submission with all of the slot's attestations was read. */
  handedOverAt: number | null;
  submission: Submission | null;
};

export const GENESIS_VALIDATORS_ROOT = `0x${"47".repeat(32)}`;
const DEPENDENT_ROOT = `0x${"dd".repeat(32)}`;
const ZERO_ROOT = `0x${"00".repeat(32)}`;
const NEVER = "18446744073709551615";
const COMMITTEES = 4;
const COMMITTEE_LENGTH = 128;
/** In the order of activation; the last one is scheduled for never. */
const FORKS = ["altair", "bellatrix", "capella", "deneb", "electra", "fulu", "gloas"];
const FORK_IN_FORCE = "fulu";

export class StubBeacon {
  readonly #chain: StubChain;
  readonly #server: Server;
  readonly #streams = new Set<ServerResponse>();
  readonly #slots = new Map<number, SlotRecord>();

  constructor(chain: StubChain) {
    this.#chain = chain;
    this.#server = createServer((request, response) => this.#receive(request, response));
    // Nodes ask once per slot: no connection of theirs shall be closed in between.
    this.#server.keepAliveTimeout = 60_000;
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Tells all nodes of the slot's block: from here on they attest it. */
  announceHead(slot: number): void {
    const event = {
      slot: String(slot),
      block: rootOfNumber(slot),
      state: ZERO_ROOT,
      epoch_transition: slot % this.#chain.slotsPerEpoch === 0,
      previous_duty_dependent_root: DEPENDENT_ROOT,
      current_duty_dependent_root: DEPENDENT_ROOT,
      execution_optimistic: false,
    };
    for (const stream of this.#streams) {
      stream.write(`event: head\ndata: ${JSON.stringify(event)}\n\n`);
    }
  }

  /** Validators that attest in `slot`. */
  attesters(slot: number): readonly number[] {
    const { slotsPerEpoch, pubKeys } = this.#chain;
    return [...pubKeys.keys()].filter((index) => index % slotsPerEpoch === slot % slotsPerEpoch);
  }

  record(slot: number): SlotRecord | undefined {
    return this.#slots.get(slot);
  }

  #receive(request: IncomingMessage, response: ServerResponse): void {
    const { pathname, searchParams } = new URL(request.url ?? "", "http://stub");
    if (pathname === "/eth/v1/events") this.#openStream(response);
    else if (pathname === "/eth/v1/validator/attestation_data") {
      this.#giveData(Number(searchParams.get("slot")), response);
    } else if (pathname.startsWith("/eth/v3/validator/blocks/")) {
      const slot = Number(pathname.split("/").at(-1));
      this.#chain.blocks?.give(slot, searchParams.get("randao_reveal") ?? "", response);
    } else if (pathname === "/eth/v2/beacon/blocks") this.#chain.blocks?.take(request, response);
    else {
      readBody(request, (body) => {
        const isPool = pathname === "/eth/v2/beacon/pool/attestations";
        if (!isPool) this.#answer(pathname, body, response);
        else if (request.method === "POST") this.#takeAttestations(body, response);
        // Nobody else attests on this chain.
        else sendJson(response, { version: FORK_IN_FORCE, data: [] });
      });
    }
  }

  #openStream(response: ServerResponse): void {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(":\n\n");
    this.#streams.add(response);
    response.on("close", () => this.#streams.delete(response));
  }

  #giveData(slot: number, response: ServerResponse): void {
    const epoch = this.#epochOf(slot);
    const data = {
      slot: String(slot),
      index: "0",
      beacon_block_root: rootOfNumber(slot),
      source: { epoch: String(epoch - 1), root: rootOfNumber(this.#firstSlot(epoch - 1)) },
      target: { epoch: String(epoch), root: rootOfNumber(this.#firstSlot(epoch)) },
    };
    sendJson(response, { data });
    if (this.#slots.has(slot)) return;
    const readyAt = performance.now();
    this.#slots.set(slot, { slot, readyAt, handedOverAt: null, submission: null });
  }

  #takeAttestations(body: string, response: ServerResponse): void {
    const handedOverAt = performance.now();
    sendJson(response, {});
    const submission = JSON.parse(body) as readonly (Submission[number] & {
      readonly data: { readonly slot: string };
    })[];
    const slot = Number(submission[0]?.data.slot);
    const record = this.#slots.get(slot);
    assert(record !== undefined, "what is attested was asked for");
    if (submission.length < this.attesters(slot).length || record.submission !== null) return;
    record.handedOverAt = handedOverAt;
    record.submission = submission;
  }

  #answer(pathname: string, body: string, response: ServerResponse): void {
    const last = pathname.split("/").at(-1) ?? "";
    if (pathname.endsWith("/genesis")) sendJson(response, { data: this.#genesis() });
    else if (pathname.endsWith("/config/spec")) sendJson(response, { data: this.#spec() });
    else if (pathname.endsWith("/node/syncing")) sendJson(response, { data: SYNCED });
    else if (pathname.endsWith("/validators")) sendJson(response, this.#validators(body));
    else if (pathname.includes("/duties/attester/")) {
      sendJson(response, this.#duties(Number(last), new Set(JSON.parse(body))));
    } else if (pathname.includes("/duties/proposer/")) {
      const data = this.#chain.blocks?.duties(Number(last)) ?? [];
      sendJson(response, { dependent_root: DEPENDENT_ROOT, execution_optimistic: false, data });
    } else if (pathname.includes("/beacon/headers/")) sendJson(response, headerOf(last));
    else if (pathname.endsWith("/prepare_beacon_proposer")) response.writeHead(200).end();
    else response.writeHead(404).end();
  }

  #genesis(): object {
    return {
      genesis_time: String(this.#chain.genesisTime),
      genesis_validators_root: GENESIS_VALIDATORS_ROOT,
      genesis_fork_version: this.#chain.forkVersion,
    };
  }

  #spec(): object {
    const { preset, slotsPerEpoch, slotMs, forkVersion } = this.#chain;
    const forks = FORKS.flatMap((name, index) => [
      [`${name.toUpperCase()}_FORK_VERSION`, `0x0${index + 1}000f00`],
      [`${name.toUpperCase()}_FORK_EPOCH`, index > FORKS.indexOf(FORK_IN_FORCE) ? NEVER : "0"],
    ]);
    return {
      CONFIG_NAME: "bench",
      PRESET_BASE: preset,
      SLOT_DURATION_MS: String(slotMs),
      SLOTS_PER_EPOCH: String(slotsPerEpoch),
      GENESIS_FORK_VERSION: forkVersion,
      ...Object.fromEntries(forks),
    };
  }

  #validators(body: string): object {
    const asked = new Set<string>(JSON.parse(body).ids);
    const data = [...this.#chain.pubKeys.entries()]
      .filter(([, pubkey]) => asked.has(pubkey))
      .map(([index, pubkey]) => ({
        index: String(index),
        balance: "32000000000",
        status: "active_ongoing",
        validator: {
          pubkey,
          withdrawal_credentials: ZERO_ROOT,
          effective_balance: "32000000000",
          slashed: false,
          activation_eligibility_epoch: "0",
          activation_epoch: "0",
          exit_epoch: NEVER,
          withdrawable_epoch: NEVER,
        },
      }));
    return { execution_optimistic: false, finalized: false, data };
  }

  #duties(epoch: number, asked: ReadonlySet<string>): object {
    const { slotsPerEpoch, pubKeys } = this.#chain;
    const data = [...pubKeys.entries()]
      .filter(([index]) => asked.has(String(index)))
      .map(([index, pubkey]) => ({
        pubkey,
        validator_index: String(index),
        committee_index: String(index % COMMITTEES),
        committee_length: String(COMMITTEE_LENGTH),
        committees_at_slot: String(COMMITTEES),
        validator_committee_index: String(index % COMMITTEE_LENGTH),
        slot: String(this.#firstSlot(epoch) + (index % slotsPerEpoch)),
      }));
    return { dependent_root: DEPENDENT_ROOT, execution_optimistic: false, data };
  }

  #epochOf(slot: number): number {
    return Math.floor(slot / this.#chain.slotsPerEpoch);
  }

  #firstSlot(epoch: number): number {
    return epoch * this.#chain.slotsPerEpoch;
  }
}

/** Every root is a slot's block: what {@link rootOfNumber} wrote. */
function headerOf(root: string): object {
  const message = {
    slot: String(Number(root)),
    proposer_index: "0",
    parent_root: ZERO_ROOT,
    state_root: ZERO_ROOT,
    body_root: ZERO_ROOT,
  };
  const header = { message, signature: `0x${"00".repeat(96)}` };
  return {
    execution_optimistic: false,
    finalized: false,
    data: { root, canonical: true, header },
  };
}

const SYNCED = {
  head_slot: "1",
  sync_distance: "0",
  is_syncing: false,
  is_optimistic: false,
  el_offline: false,
};

/** A root that tells blocks apart. */
export function rootOfNumber(slot: number): string {
  return `0x${slot.toString(16).padStart(64, "0")}`;
}

function readBody(request: IncomingMessage, use: (body: string) => void): void {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => use(Buffer.concat(chunks).toString("utf8")));
}

function sendJson(response: ServerResponse, body: object): void {
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}
