/**
 * The harness's own door to a dev chain in another process: faults, reorgs, what the slashing
 * watcher saw. It has a port of its own, so no fault can shut it.
 */
import type { AddressInfo } from "node:net";
import { fastify } from "fastify";
import type { DevChain } from "../chain.ts";
import { FAULTS_SCHEMA, type Faults } from "../faults.ts";
import { notFound } from "../rejection.ts";
import type { PlainValidators } from "../validators.ts";
import type { DevListener } from "./listener.ts";

export interface ControlOptions {
  readonly chain: DevChain;
  readonly validators: PlainValidators;
  readonly listeners: readonly DevListener[];
  /** 0 picks a free port. */
  readonly port: number;
}

export interface ControlServer {
  readonly url: string;
  close(): Promise<void>;
}

const FAULTS_BODY = {
  type: "object",
  additionalProperties: false,
  required: ["port", "faults"],
  properties: { port: { type: "integer" }, faults: FAULTS_SCHEMA },
} as const;

const REWIND_BODY = {
  type: "object",
  additionalProperties: false,
  required: ["depth"],
  properties: { depth: { type: "integer", minimum: 1, maximum: 1024 } },
} as const;

/**
 * `GET /dev/status`, `GET /dev/slashings`, `GET /dev/faults`, `POST /dev/faults {port, faults}`,
 * `POST /dev/rewind {depth}`.
 */
export async function openControl(options: ControlOptions): Promise<ControlServer> {
  const { chain, validators, listeners } = options;
  // Strict, so that a misspelt fault is an error and not a run without the fault.
  const strict = { coerceTypes: false, removeAdditional: false } as const;
  const app = fastify({ forceCloseConnections: true, ajv: { customOptions: strict } });
  app.get("/dev/status", async () => ({
    slot: chain.currentSlot(),
    headSlot: chain.head.slot,
    fork: chain.forkAt(chain.head.slot),
    justifiedEpoch: chain.headState.currentJustifiedCheckpoint.epoch,
    finalizedEpoch: chain.headState.finalizedCheckpoint.epoch,
    plainFailures: validators.failures,
  }));
  app.get("/dev/slashings", async () => chain.watcher.offences);
  app.get("/dev/faults", async () => listeners.map(({ port, faults }) => ({ port, faults })));
  app.post<{ Body: { port: number; faults: Partial<Faults> } }>(
    "/dev/faults",
    { schema: { body: FAULTS_BODY } },
    async ({ body }) => {
      const listener = listeners.find(({ port }) => port === body.port);
      if (!listener) notFound(`listener on port ${body.port}`);
      await listener.setFaults(body.faults);
      return listener.faults;
    },
  );
  app.post<{ Body: { depth: number } }>(
    "/dev/rewind",
    { schema: { body: REWIND_BODY } },
    async ({ body }) => {
      chain.rewind(body.depth);
      return { headSlot: chain.head.slot };
    },
  );
  await app.listen({ port: options.port, host: "127.0.0.1" });
  const { port } = app.server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, close: () => app.close() };
}
