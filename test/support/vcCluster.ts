/**
 * A cluster of real nodes whose key shares are held by scripted validator clients: `createNode`
 * over a memory network, each with its own Beacon API towards its client and its own beacon node
 * of one dev chain. All HTTP is real; time is virtual and stands still while anybody is at work, so
 * that no machine is too slow for a slot.
 */
import assert from "node:assert/strict";
import { InclusionReader } from "../../sim/devchain/inclusion.ts";
import { interopSecretKey } from "../../sim/devchain/interopKeys.ts";
import { ScriptedVc, type VcHabits } from "../../sim/devchain/vc/scriptedVc.ts";
import { VirtualDisk } from "../../sim/virtualStore.ts";
import { type BeaconClient, createBeaconClient } from "../../src/adapters/beacon/client.ts";
import {
  startValidatorApi,
  type ValidatorApiServer,
} from "../../src/adapters/http/validatorApiServer.ts";
import { systemRandom } from "../../src/adapters/system/random.ts";
import { createBls } from "../../src/crypto/bls.ts";
import { createBuiltinSigner } from "../../src/crypto/builtinSigner.ts";
import { createIdentity } from "../../src/crypto/identity.ts";
import type { PeerIndex } from "../../src/domain/keys.ts";
import { createNode, type Node } from "../../src/node/node.ts";
import type { BeaconNode } from "../../src/ports/beaconNode.ts";
import { type ClusterKeys, createClusterKeys } from "./clusterKeys.ts";
import { MemoryHub } from "./memoryNetwork.ts";
import { type CountingMetrics, countingMetrics, type LogLine, recordingLogger } from "./quiet.ts";
import { HELD } from "./slashing.ts";
import { VirtualClock } from "./virtualClock.ts";
import { startVirtualDevchain, type VirtualDevchain } from "./virtualDevchain.ts";

export type VcMember = {
  readonly node: Node;
  readonly beacon: BeaconClient;
  readonly server: ValidatorApiServer;
  readonly url: string;
  readonly metrics: CountingMetrics;
  readonly log: readonly LogLine[];
};

const NODES = 4;
/** Where the virtual dev chain takes the keys of distributed validators from. */
const FIRST_KEY = 1000;
/** Patience of clients in real time: a deadlock fails the test, a slow machine does not. */
const CLIENT_SLOT_MS = 80_000;
/** Real time without progress after which virtual time moves on by a step. */
const STALL_MS = 1_500;
const STEP_MS = 20;
const TURN_MS = 5;

export class VcCluster {
  readonly keys: ClusterKeys;
  readonly devchain: VirtualDevchain;
  readonly members: readonly VcMember[];
  readonly inclusion: InclusionReader;
  readonly clock: VirtualClock;
  readonly #parts: Parts;
  readonly #clients: ScriptedVc[] = [];

  private constructor(parts: Parts, members: readonly VcMember[]) {
    this.#parts = parts;
    this.members = members;
    this.keys = parts.keys;
    this.devchain = parts.devchain;
    this.clock = parts.clock;
    const { url, distributedIndices } = parts.devchain;
    this.inclusion = new InclusionReader(url, distributedIndices);
  }

  static async start(options: { readonly validators: number }): Promise<VcCluster> {
    const { validators } = options;
    const keys = createClusterKeys({
      nodes: NODES,
      threshold: 3,
      validators,
      wholeKey: (validator) => interopSecretKey(FIRST_KEY + validator).toBytes(),
    });
    const devchain = await startVirtualDevchain({
      fork: "fulu",
      distributedCount: validators,
      ports: Array.from({ length: NODES }, () => 0),
    });
    const clock = new VirtualClock(devchain.chain.slotStartMs(0) - 100);
    const hub = new MemoryHub({ nodes: NODES, turn: "macrotask" });
    const parts: Parts = { keys, devchain, clock, hub, bugs: [], requests: { open: 0 } };
    const members = devchain.urls.map((url, self) => startMember(parts, url, self));
    const cluster = new VcCluster(parts, await Promise.all(members));
    await cluster.#quiet();
    return cluster;
  }

  member(self: PeerIndex): VcMember {
    const member = this.members[self];
    assert(member !== undefined, `there is no node ${self}`);
    return member;
  }

  /** A client with the operator's key shares, connected to the operator's node. */
  async connect(self: PeerIndex, habits: VcHabits): Promise<ScriptedVc> {
    const secrets = this.keys.shares(self).map(({ secret }) => secret);
    const { url } = this.member(self);
    const client = new ScriptedVc({ ...habits, url, secrets, slotMs: CLIENT_SLOT_MS });
    this.#clients.push(client);
    await client.connect();
    return client;
  }

  /** As a power cut of the operator's machine: node and API are gone. */
  async crash(self: PeerIndex): Promise<void> {
    const { node, server } = this.member(self);
    this.#parts.hub.stop(self);
    node.stop();
    await server.close();
  }

  /** A whole slot: whoever proposes, then the clients attest, then the other validators do. */
  async runSlot(slot: number, clients: readonly ScriptedVc[]): Promise<void> {
    const { chain, validators } = this.devchain;
    this.devchain.enterSlot(slot);
    await this.#runTo(chain.slotStartMs(slot));
    validators.propose(slot);
    await this.settle(Promise.all(clients.map((client) => client.pollDuties(slot))));
    await this.settle(Promise.all(clients.map((client) => client.propose(slot))));
    await this.#quiet();
    await this.#runTo(chain.slotStartMs(slot) + chain.slotMs / 3 + 1);
    await this.settle(Promise.all(clients.map((client) => client.attest(slot))));
    await this.#quiet();
    validators.runSlot(slot);
    await this.inclusion.update();
  }

  /** Waits for what clients do; when nothing moves, time does, and with it rounds and deadlines. */
  async settle<T>(work: Promise<T>): Promise<T> {
    let isDone = false;
    const done = work.finally(() => {
      isDone = true;
    });
    let stalledAt = performance.now() + STALL_MS;
    while (!isDone) {
      await Promise.race([done, turn()]);
      if (isDone || performance.now() < stalledAt) continue;
      await this.clock.runUntil(this.clock.now() + STEP_MS);
      stalledAt = performance.now() + STALL_MS / 10;
    }
    return done;
  }

  /** Roots of the messages whose group signatures any node handed over, for a type of duty. */
  handedOver(type: string): ReadonlyMap<number, ReadonlySet<string>> {
    const bySlot = new Map<number, Set<string>>();
    for (const { fields, message } of this.members.flatMap(({ log }) => log)) {
      if (message !== "Group signatures were handed over.") continue;
      const { duty, messageRoots } = fields as {
        duty: { slot: number; type: string };
        messageRoots: readonly string[];
      };
      if (duty.type !== type) continue;
      const roots = bySlot.get(duty.slot) ?? new Set();
      for (const root of messageRoots) roots.add(root);
      bySlot.set(duty.slot, roots);
    }
    return bySlot;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.stop()));
    for (const { node } of this.members) node.stop();
    await Promise.all(this.members.map(({ server }) => server.close()));
    await Promise.all(this.members.map(({ beacon }) => beacon.close()));
    await this.devchain.stop();
    assert.deepEqual(this.#parts.bugs, []);
  }

  async #runTo(instant: number): Promise<void> {
    await this.clock.runUntil(instant);
    await this.#quiet();
  }

  /** No node waits for its beacon node, and none has for a moment. */
  async #quiet(): Promise<void> {
    const { requests } = this.#parts;
    for (let turns = 0; turns < 3; turns = requests.open === 0 ? turns + 1 : 0) await turn();
  }
}

type Parts = {
  readonly keys: ClusterKeys;
  readonly devchain: VirtualDevchain;
  readonly clock: VirtualClock;
  readonly hub: MemoryHub;
  readonly bugs: unknown[];
  /** How many requests of any node its beacon node has not answered. */
  readonly requests: { open: number };
};

async function startMember(parts: Parts, url: string, self: PeerIndex): Promise<VcMember> {
  const { keys, hub, clock } = parts;
  const { cluster } = keys;
  const logger = recordingLogger();
  const metrics = countingMetrics();
  const disk = new VirtualDisk();
  const store = disk.open();
  const onBug = (bug: unknown): void => void parts.bugs.push(bug);
  const { forkVersion: genesisForkVersion } = cluster;
  const endpoints = [url];
  const beacon = createBeaconClient({ endpoints, genesisForkVersion, clock, logger, metrics });
  let node: Node | null = null;
  const server = await startValidatorApi({
    host: "127.0.0.1",
    port: 0,
    tls: null,
    token: null,
    cluster,
    self,
    version: "coterie/test",
    upstreams: beacon.upstreams,
    api: () => node?.validatorApi ?? null,
    store,
    clock,
    timeouts: { headersMs: 5_000, requestMs: 30_000 },
    logger,
    metrics,
    onBug,
  });
  hub.start(self);
  const identity = createIdentity({ secretKey: keys.identityKey(self), operators: keys.operators });
  assert(identity !== null, "the key is an operator's");
  node = await createNode(
    { cluster },
    {
      clock,
      random: systemRandom,
      network: hub.network(self),
      identity,
      beacon: counted(beacon, parts.requests),
      store,
      auditFile: disk.openAudit(),
      lock: HELD,
      bls: createBls(),
      signer: createBuiltinSigner([]),
      logger,
      metrics,
    },
    new AbortController().signal,
  );
  void node.failure.then(onBug);
  const address = `http://127.0.0.1:${server.port}`;
  return { node, beacon, server, url: address, metrics, log: logger.lines };
}

/** The same beacon node, with its open requests counted. */
function counted(beacon: BeaconNode, requests: { open: number }): BeaconNode {
  return new Proxy(beacon, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== "function") return member;
      return (...args: unknown[]) => {
        const result: unknown = member.apply(target, args);
        if (!(result instanceof Promise)) return result;
        requests.open++;
        return result.finally(() => {
          requests.open--;
        });
      };
    },
  });
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, TURN_MS));
}
