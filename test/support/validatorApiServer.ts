/** The Beacon API server between a scripted node and a beacon node that behaves as a test asks. */
import assert from "node:assert/strict";
import { get, type IncomingMessage } from "node:http";
import type { TestContext } from "node:test";
import { VirtualStore } from "../../sim/virtualStore.ts";
import { raceInOrder } from "../../src/adapters/beacon/race.ts";
import {
  startValidatorApi,
  type ValidatorApiOptions,
  type ValidatorApiServer,
} from "../../src/adapters/http/validatorApiServer.ts";
import { systemClock } from "../../src/adapters/system/clock.ts";
import { FaultError } from "../../src/domain/errors.ts";
import type { BeaconUpstreams } from "../../src/ports/beaconUpstream.ts";
import type { Denial, ValidatorApi } from "../../src/ports/validatorApi.ts";
import { err } from "../../src/util/result.ts";
import { createClusterKeys } from "./clusterKeys.ts";
import { FakeBeaconServer } from "./fakeBeaconServer.ts";
import { countingMetrics, recordingLogger } from "./quiet.ts";

export const KEYS = createClusterKeys({ nodes: 4, threshold: 3, validators: 3 });
export const SELF = 1;
/** The names of validator `index` of the cluster. */
export const groupKey = (index: number): string =>
  KEYS.cluster.validators[index]?.pubKey ?? assert.fail("there is such a validator");
export const shareOf = (index: number, peer = SELF): string =>
  KEYS.cluster.validators[index]?.pubShares[peer] ?? assert.fail("there is such a share");

const UNDECIDED: Denial = { code: "undecided", detail: "9/attester: it is fetched" };

/** A node that has decided nothing and takes everything, except where a test says otherwise. */
export function scriptedNode(changes: Partial<ValidatorApi> = {}): ValidatorApi {
  return {
    attestationData: async () => err(UNDECIDED),
    untilAttestable: async () => undefined,
    ownActivity: async () => [],
    submitAttestations: async (items) => items.map(() => null),
    proposal: async () => err(UNDECIDED),
    submitBlock: async () => null,
    ...changes,
  };
}

export type TestApi = {
  readonly server: ValidatorApiServer;
  readonly url: string;
  readonly beacon: FakeBeaconServer;
  readonly log: ReturnType<typeof recordingLogger>["lines"];
  readonly metrics: ReturnType<typeof countingMetrics>;
  readonly store: VirtualStore;
};

type Changes = Partial<ValidatorApiOptions> & { readonly node?: ValidatorApi | null };

export async function startTestApi(t: TestContext, changes: Changes = {}): Promise<TestApi> {
  const { node = scriptedNode(), ...options } = changes;
  const beacon = await FakeBeaconServer.start();
  t.after(() => beacon.stop());
  const logger = recordingLogger();
  const metrics = countingMetrics();
  const store = new VirtualStore();
  const bugs: unknown[] = [];
  const server = await startValidatorApi({
    host: "127.0.0.1",
    port: 0,
    tls: null,
    token: null,
    cluster: KEYS.cluster,
    self: SELF,
    version: "coterie/v0.0.0/x64-test",
    upstreams: upstreamsOf(beacon.url),
    api: () => node,
    store,
    clock: systemClock,
    timeouts: { headersMs: 5_000, requestMs: 5_000 },
    logger,
    metrics,
    onBug: (bug) => bugs.push(bug),
    ...options,
  });
  t.after(async () => {
    await server.close();
    assert.deepEqual(bugs, []);
  });
  const url = `http${options.tls ? "s" : ""}://127.0.0.1:${server.port}`;
  return { server, url, beacon, log: logger.lines, metrics, store };
}

/** Beacon nodes in this order, the next one at a fault. */
export function upstreamsOf(...urls: readonly string[]): BeaconUpstreams {
  const candidates = urls.map((origin) => {
    return { label: new URL(origin).host, origin, basePath: "", headers: {} };
  });
  return {
    race: (ask, options) =>
      raceInOrder({
        ...options,
        ask,
        candidates,
        clock: systemClock,
        onOvertaken: () => undefined,
      }),
    async attempt(attempt) {
      let first: unknown;
      for (const candidate of candidates) {
        try {
          return await attempt(candidate);
        } catch (error) {
          if (!(error instanceof FaultError)) throw error;
          first ??= error;
        }
      }
      throw first;
    },
  };
}

/** A client's event stream; `text` is all that came. */
export async function openEvents(url: string): Promise<{ text: () => string; close: () => void }> {
  let text = "";
  const call = get(url);
  call.on("error", () => undefined);
  const response = await new Promise<IncomingMessage>((resolve) => call.once("response", resolve));
  assert.equal(response.statusCode, 200);
  response.on("error", () => undefined);
  response.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  return { text: () => text, close: () => call.destroy() };
}
