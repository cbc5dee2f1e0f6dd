/** A dev chain on a virtual clock: it moves as fast as the processor allows and never waits. */
import type { SecretKey } from "@chainsafe/blst";
import { VirtualClock } from "../../sim/devchain/clock.ts";
import { type Devchain, type DevchainOptions, startDevchain } from "../../sim/devchain/devchain.ts";
import { interopSecretKey } from "../../sim/devchain/interopKeys.ts";

const GENESIS_TIME = 1_800_000_000;
const SLOT_MS = 1000;
const PLAIN_COUNT = 64;
/** Interop indices of the keys that stand for distributed validators. */
const FIRST_DISTRIBUTED_KEY = 1000;

export interface VirtualDevchain extends Devchain {
  readonly url: string;
  /** The key of any validator, also of those a cluster would hold in shares. */
  keyOf(validatorIndex: number): SecretKey;
  /** Moves the clock to the start of `slot` and lets nobody act. */
  enterSlot(slot: number): void;
  /** Moves to each slot up to `lastSlot` and lets the plain validators do their duties in it. */
  runTo(lastSlot: number): void;
}

export interface VirtualOptions
  extends Partial<Pick<DevchainOptions, "forkEpochs" | "packFrom" | "ports">> {
  readonly fork: DevchainOptions["fork"];
  readonly distributedCount?: number;
}

export async function startVirtualDevchain(options: VirtualOptions): Promise<VirtualDevchain> {
  const { distributedCount = 0, ...rest } = options;
  const clock = new VirtualClock(GENESIS_TIME * 1000);
  const distributed = Array.from({ length: distributedCount }, (_, offset) =>
    interopSecretKey(FIRST_DISTRIBUTED_KEY + offset),
  );
  const devchain = await startDevchain({
    ports: [0],
    ...rest,
    slotMs: SLOT_MS,
    genesisTime: GENESIS_TIME,
    plainCount: PLAIN_COUNT,
    distributedPubkeys: distributed.map((key) => key.toPublicKey().toBytes()),
    clock,
  });
  const { chain, validators } = devchain;
  const enterSlot = (slot: number): void => clock.setMs(chain.slotStartMs(slot));
  return {
    ...devchain,
    url: devchain.urls[0] ?? "",
    keyOf: (index) => distributed[index - PLAIN_COUNT] ?? interopSecretKey(index),
    enterSlot,
    runTo: (lastSlot) => {
      for (let slot = chain.currentSlot() + 1; slot <= lastSlot; slot++) {
        enterSlot(slot);
        validators.runSlot(slot);
      }
    },
  };
}

/** The answer to a request, with its body parsed when it is JSON. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

export interface Request {
  readonly method?: "GET" | "POST";
  /** Bytes go as SSZ, anything else as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export async function send(url: string, request: Request = {}): Promise<Answer> {
  const { body } = request;
  const isSsz = body instanceof Uint8Array;
  const response = await fetch(url, {
    method: request.method ?? (body === undefined ? "GET" : "POST"),
    headers: {
      ...(body !== undefined && {
        "content-type": isSsz ? "application/octet-stream" : "application/json",
      }),
      ...request.headers,
    },
    ...(body !== undefined && { body: isSsz ? new Uint8Array(body) : JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.includes("json") ?? false;
  return {
    status: response.status,
    headers: response.headers,
    body: isJson ? JSON.parse(text) : text,
  };
}
