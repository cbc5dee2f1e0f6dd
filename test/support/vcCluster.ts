/**
 * A cluster of real nodes whose key shares are held by scripted validator clients: `createNode`
 * over a memory network, each with its own Beacon API towards its client and its own beacon node
 * of one dev chain. In real time, because clients and chain talk HTTP.
 */
import assert from "node:assert/strict";
import { type Devchain, startDevchain } from "../../sim/devchain/devchain.ts";
import { InclusionReader } from "../../sim/devchain/inclusion.ts";
import { ScriptedVc, type VcHabits } from "../../sim/devchain/vc/scriptedVc.ts";
import { type BeaconClient, createBeaconClient } from "../../src/adapters/beacon/client.ts";
import {
  startValidatorApi,
  type ValidatorApiServer,
} from "../../src/adapters/http/validatorApiServer.ts";
import { systemClock } from "../../src/adapters/system/clock.ts";
import { systemRandom } from "../../src/adapters/system/random.ts";
import { createBls } from "../../src/crypto/bls.ts";
import { createBuiltinSigner } from "../../src/crypto/builtinSigner.ts";
import { createIdentity } from "../../src/crypto/identity.ts";
import { bytesOf, type LockIndex, type PeerIndex } from "../../src/domain/keys.ts";
import { createNode, type Node } from "../../src/node/node.ts";
import { type ClusterKeys, createClusterKeys } from "./clusterKeys.ts";
import { MemoryHub } from "./memoryNetwork.ts";
import { MemoryStore } from "./memoryStore.ts";
import { type CountingMetrics, countingMetrics, type LogLine, recordingLogger } from "./quiet.ts";

export type VcMember = {
  readonly node: Node;
  readonly beacon: BeaconClient;
  readonly server: ValidatorApiServer;
  readonly url: string;
  readonly metrics: CountingMetrics;
  readonly log: readonly LogLine[];
};

export type VcClusterOptions = {
  readonly validators: number;
  readonly slotMs: number;
  /** Validators that the nodes sign for themselves; none unless given. */
  readonly builtin?: readonly LockIndex[];
};

const GENESIS_DELAY_S = 3;
const PLAIN = 64;

export class VcCluster {
  readonly keys: ClusterKeys;
  readonly devchain: Devchain;
  readonly members: readonly VcMember[];
  readonly inclusion: InclusionReader;
  readonly #slotMs: number;
  readonly #bugs: unknown[];
  readonly #clients: ScriptedVc[] = [];

  private constructor(parts: {
    readonly keys: ClusterKeys;
    readonly devchain: Devchain;
    readonly members: readonly VcMember[];
    readonly slotMs: number;
    readonly bugs: unknown[];
  }) {
    this.keys = parts.keys;
    this.devchain = parts.devchain;
    this.members = parts.members;
    this.#slotMs = parts.slotMs;
    this.#bugs = parts.bugs;
    this.inclusion = new InclusionReader(
      this.devchain.urls[0] ?? "",
      this.devchain.distributedIndices,
    );
  }

  static async start(options: VcClusterOptions): Promise<VcCluster> {
    const { validators, slotMs, builtin = [] } = options;
    const keys = createClusterKeys({ nodes: 4, threshold: 3, validators });
    const devchain = await startDevchain({
      fork: "fulu",
      slotMs,
      genesisTime: Math.ceil(Date.now() / 1000) + GENESIS_DELAY_S,
      plainCount: PLAIN,
      distributedPubkeys: keys.cluster.validators.map(({ pubKey }) => bytesOf(pubKey)),
      ports: [0, 0, 0, 0],
    });
    const hub = new MemoryHub({ nodes: 4, turn: "macrotask" });
    const bugs: unknown[] = [];
    const starting = devchain.urls.map((url, self) =>
      startMember({ keys, hub, url, self, builtin, onBug: (bug) => bugs.push(bug) }),
    );
    return new VcCluster({ keys, devchain, members: await Promise.all(starting), slotMs, bugs });
  }

  member(self: PeerIndex): VcMember {
    const member = this.members[self];
    assert(member !== undefined, `there is no node ${self}`);
    return member;
  }

  /** A client with the operator's key shares; not started. */
  client(self: PeerIndex, habits: VcHabits): ScriptedVc {
    const secrets = this.keys.shares(self).map(({ secret }) => secret);
    const { url } = this.member(self);
    const client = new ScriptedVc({ ...habits, url, secrets, slotMs: this.#slotMs });
    this.#clients.push(client);
    return client;
  }

  /** Resolves near the end of the slot, with the chain's duties of it noted for the verdict. */
  async endOf(slot: number): Promise<void> {
    const at = this.devchain.chain.slotStartMs(slot + 1) - 50;
    while (Date.now() < at) {
      await new Promise((resolve) => setTimeout(resolve, Math.min(this.#slotMs, at - Date.now())));
      await this.inclusion.update();
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.stop()));
    for (const { node } of this.members) node.stop();
    await Promise.all(this.members.map(({ server }) => server.close()));
    await Promise.all(this.members.map(({ beacon }) => beacon.close()));
    await this.devchain.stop();
    assert.deepEqual(this.#bugs, []);
  }
}

type MemberOptions = {
  readonly keys: ClusterKeys;
  readonly hub: MemoryHub;
  readonly url: string;
  readonly self: PeerIndex;
  readonly builtin: readonly LockIndex[];
  readonly onBug: (error: unknown) => void;
};

async function startMember(options: MemberOptions): Promise<VcMember> {
  const { keys, hub, url, self, builtin, onBug } = options;
  const { cluster } = keys;
  const logger = recordingLogger();
  const metrics = countingMetrics();
  const store = new MemoryStore();
  const clock = systemClock;
  const beacon = createBeaconClient({
    endpoints: [url],
    genesisForkVersion: cluster.forkVersion,
    clock,
    logger,
    metrics,
  });
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
    timeouts: { headersMs: 5_000, requestMs: 5_000 },
    logger,
    metrics,
    onBug,
  });
  hub.start(self);
  const identity = createIdentity({ secretKey: keys.identityKey(self), operators: keys.operators });
  assert(identity !== null, "the key is an operator's");
  const shares = keys.shares(self).filter(({ validator }) => builtin.includes(validator));
  node = await createNode(
    { cluster },
    {
      clock,
      random: systemRandom,
      network: hub.network(self),
      identity,
      beacon,
      store,
      lock: { isHeld: () => true },
      bls: createBls(),
      signer: createBuiltinSigner(shares),
      logger,
      metrics,
    },
    new AbortController().signal,
  );
  void node.failure.then(onBug);
  const address = `http://127.0.0.1:${server.port}`;
  return { node, beacon, server, url: address, metrics, log: logger.lines };
}
