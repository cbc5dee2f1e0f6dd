/** A Beacon API server on the chain, one per operator, that can be told to misbehave. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { type BeaconApiMethods, registerRoutes } from "@lodestar/api/beacon/server";
import { ApiError, addSszContentTypeParser } from "@lodestar/api/server";
import { type FastifyInstance, fastify } from "fastify";
import type { DevChain } from "../chain.ts";
import { FaultInjector, type Faults } from "../faults.ts";
import { BatchError } from "./batch.ts";
import { createBeaconRoutes } from "./beaconRoutes.ts";
import { EventStreams } from "./eventStreams.ts";
import { createConfigRoutes, createDebugRoutes, createNodeRoutes } from "./nodeRoutes.ts";
import { NodeView } from "./nodeView.ts";
import { createValidatorRoutes } from "./validatorRoutes.ts";

const LOOPBACK = "127.0.0.1";
/** Above the largest body a client may send: a mainnet block with blobs. */
const BODY_LIMIT_BYTES = 64 * 1024 * 1024;

export interface DevListener {
  readonly port: number;
  readonly url: string;
  readonly faults: Faults;
  /** Changes the given faults; resolves once the port and the event streams show them. */
  setFaults(change: Partial<Faults>): Promise<void>;
  close(): Promise<void>;
}

export interface ListenerOptions {
  readonly chain: DevChain;
  /** 0 picks a free port. */
  readonly port: number;
  /** {@link LOOPBACK} unless given: in a container the others are elsewhere. */
  readonly host?: string;
  /** Told about every answer of 400 and above. */
  readonly onError?: (line: string) => void;
}

export async function openListener(options: ListenerOptions): Promise<DevListener> {
  const injector = new FaultInjector();
  const view = new NodeView(options.chain, injector);
  const streams = new EventStreams(view);
  const app = createApp(options.onError);
  app.addHook("onRequest", async (request, reply) => {
    const { faults } = injector;
    if (faults.latencyMs > 0) await delay(faults.latencyMs);
    if (faults.offline === "hang") reply.hijack();
    else if (faults.errorStatus !== null) throw injectedError(faults.errorStatus);
    else if (faults.syncing && isDutyPath(request.url)) {
      throw new ApiError(503, "Node is syncing");
    }
  });
  registerRoutes(app, options.chain.config, createMethods(view), [...NAMESPACES]);
  app.get("/eth/v1/events", (request, reply) => streams.serve(request, reply));
  const { host = LOOPBACK } = options;
  await app.listen({ port: options.port, host });
  const { port } = app.server.address() as AddressInfo;
  return {
    port,
    url: `http://${LOOPBACK}:${port}`,
    get faults() {
      return injector.faults;
    },
    setFaults: async (change) => {
      injector.set(change);
      if (injector.faults.events === "drop") streams.cutAll();
      await setReachable(app, { port, host }, injector.faults.offline !== "refuse");
    },
    close: async () => {
      streams.cutAll();
      app.server.closeAllConnections();
      await app.close();
    },
  };
}

const NAMESPACES = [
  "beacon",
  "config",
  "debug",
  "lightclient",
  "node",
  "proof",
  "validator",
] as const;

function createMethods(view: NodeView): BeaconApiMethods {
  return {
    beacon: orNotImplemented("beacon", createBeaconRoutes(view)),
    config: orNotImplemented("config", createConfigRoutes(view)),
    debug: orNotImplemented("debug", createDebugRoutes(view)),
    events: orNotImplemented("events", {}),
    lightclient: orNotImplemented("lightclient", {}),
    lodestar: orNotImplemented("lodestar", {}),
    node: orNotImplemented("node", createNodeRoutes(view)),
    proof: orNotImplemented("proof", {}),
    validator: orNotImplemented("validator", createValidatorRoutes(view)),
  };
}

/** Completes a namespace: what is missing answers 501 by name. */
function orNotImplemented<T extends object>(namespace: string, methods: Partial<T>): T {
  return new Proxy(methods, {
    get: (target, name) =>
      Reflect.get(target, name) ??
      (() => Promise.reject(new ApiError(501, `${namespace}.${String(name)} is not implemented`))),
  }) as T;
}

function createApp(onError: ListenerOptions["onError"]): FastifyInstance {
  const app = fastify({
    bodyLimit: BODY_LIMIT_BYTES,
    forceCloseConnections: true,
    // "array" lets ?id=1 stand for a list of one.
    ajv: { customOptions: { coerceTypes: "array" } },
    routerOptions: { querystringParser: parseQuery },
  });
  addSszContentTypeParser(app);
  app.setNotFoundHandler((request, reply) =>
    reply.status(404).send({ code: 404, message: `no route ${request.method} ${request.url}` }),
  );
  app.setErrorHandler(
    (error: Error & { statusCode?: number; validation?: unknown }, req, reply) => {
      const code = error.statusCode ?? (error.validation ? 400 : 500);
      onError?.(`${code} ${req.method} ${req.url}: ${code === 500 ? error.stack : error.message}`);
      const failures = error instanceof BatchError ? { failures: error.failures } : {};
      void reply.status(code).send({ code, message: error.message, ...failures });
    },
  );
  return app;
}

/** The Beacon API takes lists both as `id=1&id=2` and as `id=1,2`. */
function parseQuery(text: string): Record<string, string | string[]> {
  const query: Record<string, string | string[]> = {};
  for (const [name, value] of new URLSearchParams(text)) {
    const items = value.split(",");
    const earlier = query[name];
    if (earlier !== undefined) query[name] = [earlier, items].flat();
    else query[name] = items.length > 1 ? items : value;
  }
  return query;
}

function isDutyPath(url: string): boolean {
  return /^\/eth\/v\d\/(validator|beacon\/(pool|blocks))\b/.test(url);
}

function injectedError(statusCode: number): Error {
  return Object.assign(new Error("injected fault"), { statusCode });
}

async function setReachable(
  app: FastifyInstance,
  { port, host }: { readonly port: number; readonly host: string },
  reachable: boolean,
): Promise<void> {
  const { server } = app;
  if (reachable === server.listening) return;
  if (reachable) {
    server.listen(port, host);
    await once(server, "listening");
    return;
  }
  server.close();
  server.closeAllConnections();
  await once(server, "close");
}
