/**
 * A whole cluster of real nodes in one process and in virtual time: `createNode` over a memory
 * network, memory disks and scripted beacon nodes, with real BLS and real identities.
 */
import assert from "node:assert/strict";
import { FEE_RECIPIENT, GAS_LIMIT } from "../../sim/virtualBlocks.ts";
import { VirtualDisk, type VirtualStore } from "../../sim/virtualStore.ts";
import type { Cluster } from "../../src/cluster/cluster.ts";
import { createBls } from "../../src/crypto/bls.ts";
import { createBuiltinSigner } from "../../src/crypto/builtinSigner.ts";
import { createIdentity } from "../../src/crypto/identity.ts";
import { k1PublicKey } from "../../src/crypto/k1.ts";
import { parseSecretKey, type SigningKey } from "../../src/crypto/points.ts";
import { splitSecret } from "../../src/crypto/threshold.ts";
import {
  bytesOf,
  type LockIndex,
  type PeerIndex,
  type PubKey,
  pubKeyOf,
  pubShareOf,
  type Root,
} from "../../src/domain/keys.ts";
import type { Epoch, Slot } from "../../src/domain/units.ts";
import type { Chain } from "../../src/eth2/chain.ts";
import { createNode, type Node } from "../../src/node/node.ts";
import type { Ports } from "../../src/ports/ports.ts";
import { openSlashingStore } from "../../src/safety/openSlashingStore.ts";
import { someKey } from "./clusterKeys.ts";
import { FakeBeacon } from "./fakeBeacon.ts";
import { MemoryHub, type MemoryNode } from "./memoryNetwork.ts";
import { type CountingMetrics, countingMetrics, type LogLine, recordingLogger } from "./quiet.ts";
import { HELD } from "./slashing.ts";
import { GENESIS_TIME, testChain } from "./testChain.ts";
import { VirtualClock } from "./virtualClock.ts";

export type Member = {
  readonly ports: Ports;
  readonly beacon: FakeBeacon;
  readonly disk: VirtualDisk;
  readonly store: VirtualStore;
  readonly metrics: CountingMetrics;
  readonly log: readonly LogLine[];
  node: Node | null;
};

export type HistoryRecord = {
  readonly validator: LockIndex;
  readonly signingRoot: Root;
} & ({ readonly source: Epoch; readonly target: Epoch } | { readonly slot: Slot });

type ClusterOptions = {
  readonly nodes?: number;
  readonly threshold?: number;
  readonly validators?: number;
  /** Changes a node's ports before it starts: faults and adversaries are put in here. */
  readonly adapt?: (ports: Ports, node: PeerIndex, cluster: Cluster) => Ports;
  /** A mutant of the node, where a test shows that a guard matters. */
  readonly createNode?: typeof createNode;
};

const bytesFrom = (seed: number): Uint8Array => new Uint8Array(32).fill(seed);
/** The same bytes in every run: these keys guard nothing. */
const random = { bytes: (length: number) => new Uint8Array(length).fill(0x5a) };
let lives = 0;
/** Each life of a node names its session differently. */
const sessions = {
  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    new DataView(bytes.buffer).setUint32(0, ++lives);
    return bytes;
  },
};

export class NodeCluster {
  readonly clock = new VirtualClock(GENESIS_TIME * 1000 - 1_000);
  readonly chain: Chain = testChain();
  readonly hub: MemoryHub;
  readonly cluster: Cluster;
  readonly members: readonly Member[];
  readonly twins: Member[] = [];
  readonly #secrets: readonly (readonly [identity: Uint8Array, shares: readonly Uint8Array[]])[];
  readonly #stopping = new AbortController();
  readonly #createNode: typeof createNode;
  readonly #adapt: NonNullable<ClusterOptions["adapt"]>;

  constructor(options: ClusterOptions = {}) {
    const { nodes = 4, threshold = 3, validators = 1 } = options;
    this.#createNode = options.createNode ?? createNode;
    this.#adapt = options.adapt ?? ((ports) => ports);
    const identityKeys = Array.from({ length: nodes }, (_, node) => bytesFrom(node + 1));
    const keys = Array.from({ length: validators }, (_, validator) =>
      groupKey(validator, threshold, nodes),
    );
    this.cluster = clusterFrom(identityKeys, keys, threshold);
    this.hub = new MemoryHub({
      nodes,
      turn: "macrotask",
      validateGossip: (channel, bytes, { from, to }) =>
        this.members[to]?.node?.judgeGossip(channel, bytes, from) ?? "ignore",
    });
    this.#secrets = identityKeys.map((secretKey, self) => [
      secretKey,
      keys.map(({ shares }) => shares[self] ?? bytesFrom(0)),
    ]);
    this.members = this.#secrets.map(([secretKey, shares], self) =>
      this.#createMember(secretKey, shares, {
        network: this.hub.network(self),
        disk: new VirtualDisk(),
      }),
    );
  }

  /**
   * A second process with a node's identity and key shares, on a copy of its data directory; it
   * sees the same chain.
   */
  async startTwin(self: PeerIndex, disk: VirtualDisk): Promise<Member> {
    const [secretKey, shares] = this.#secrets[self] ?? assert.fail(`there is no node ${self}`);
    const twin = this.#createMember(secretKey, shares, { network: this.hub.twin(self), disk });
    this.twins.push(twin);
    twin.node = await this.#createNode(
      { cluster: this.cluster },
      twin.ports,
      this.#stopping.signal,
    );
    return twin;
  }

  #createMember(
    secretKey: Uint8Array,
    shares: readonly Uint8Array[],
    { network, disk }: { readonly network: MemoryNode; readonly disk: VirtualDisk },
  ): Member {
    const { operators, validators } = this.cluster;
    const identity = createIdentity({
      secretKey,
      operators: operators.map(({ publicKey }) => publicKey),
    });
    assert(identity !== null, "the key is an operator's");
    const beacon = new FakeBeacon(validators.map(({ pubKey }) => pubKey));
    const store = disk.open();
    const logger = recordingLogger();
    const metrics = countingMetrics();
    const ports: Ports = {
      clock: this.clock,
      random: sessions,
      network,
      identity,
      beacon,
      store,
      lock: HELD,
      bls: createBls(),
      signer: createBuiltinSigner(shares.map((secret, validator) => ({ validator, secret }))),
      logger,
      metrics,
    };
    const adapted = this.#adapt(ports, identity.self, this.cluster);
    return { ports: adapted, beacon, disk, store, metrics, log: logger.lines, node: null };
  }

  async start(nodes: readonly PeerIndex[] = [...this.members.keys()]): Promise<void> {
    for (const self of nodes) {
      const member = this.member(self);
      this.hub.start(self);
      member.node = await this.#createNode(
        { cluster: this.cluster },
        member.ports,
        this.#stopping.signal,
      );
    }
  }

  /** As a power cut: nothing is said any more, and memory is gone. The disk stays. */
  crash(self: PeerIndex): void {
    this.hub.stop(self);
    this.member(self).node?.stop();
    this.member(self).node = null;
  }

  member(self: PeerIndex): Member {
    const member = this.members[self];
    assert(member !== undefined, `there is no node ${self}`);
    return member;
  }

  /** Runs to the end of `slot`; every live node's beacon sees each block 500 ms into its slot. */
  async runSlot(slot: Slot): Promise<void> {
    await this.clock.runUntil(this.chain.slotStart(slot) + 500);
    for (const { beacon } of [...this.members, ...this.twins]) beacon.emitHead(slot);
    await this.clock.runUntil(this.chain.slotStart(slot + 1) - 1);
  }

  /** Has validator `position` of the cluster propose in `slot`, as every beacon node sees it. */
  proposeIn(slot: Slot, position = 0): void {
    for (const { beacon } of this.members) beacon.proposers.set(slot, position);
  }

  /** What the whole key of a validator signs: no node holds it. */
  signAs(validator: LockIndex, signingRoot: Root): Uint8Array {
    return keyOf(someKey(validator)).sign(bytesOf(signingRoot));
  }

  /** The slashing history on a node's disk, for what a test wants it to have signed before. */
  async withHistory(self: PeerIndex, records: readonly HistoryRecord[]): Promise<void> {
    const { store } = this.member(self);
    const slashing = await openSlashingStore(store, this.chain.genesisValidatorsRoot);
    for (const { validator, signingRoot, ...message } of records) {
      const pubKey = this.cluster.validators[validator]?.pubKey;
      assert(pubKey !== undefined, "the validator is in the lock");
      const verdict = await slashing.transact((transaction) =>
        transaction.record({
          pubKey,
          slashing:
            "slot" in message ? { kind: "block", ...message } : { kind: "attestation", ...message },
          signingRoot,
          origin: "own",
          shareIndex: self + 1,
        }),
      );
      assert(verdict.isApproved, "the history itself is not slashable");
    }
  }

  stop(): void {
    for (const { node } of [...this.members, ...this.twins]) node?.stop();
    this.#stopping.abort();
  }
}

type GroupKey = { readonly pubKey: PubKey; readonly shares: readonly Uint8Array[] };

/** The lock's view of operators with these identities and validators with these shares. */
function clusterFrom(
  identityKeys: readonly Uint8Array[],
  keys: readonly GroupKey[],
  threshold: number,
): Cluster {
  const validators = keys.map(({ pubKey, shares }, lockIndex) => ({
    lockIndex,
    pubKey,
    pubShares: shares.map((share) => pubShareOf(publicKeyOf(share))),
    feeRecipient: FEE_RECIPIENT,
    targetGasLimit: GAS_LIMIT,
  }));
  return {
    name: "test",
    lockHash: `0x${"10".repeat(32)}` as Root,
    forkVersion: "0x00000f00",
    nodes: identityKeys.length,
    threshold,
    validators,
    validator: (pubKey) => validators.find((validator) => validator.pubKey === pubKey),
    operators: identityKeys.map((key, peerIndex) => ({
      peerIndex,
      enr: "",
      publicKey: k1PublicKey(key),
    })),
  };
}

function groupKey(validator: number, threshold: number, nodes: number): GroupKey {
  const secret = someKey(validator);
  const shares = splitSecret({ secret, threshold, shares: nodes, random });
  assert(shares !== null, "the secret is a key");
  return {
    pubKey: pubKeyOf(publicKeyOf(secret)),
    shares: shares.map((share) => share.secret),
  };
}

function publicKeyOf(secret: Uint8Array): Uint8Array {
  return keyOf(secret).publicKey;
}

function keyOf(secret: Uint8Array): SigningKey {
  const key = parseSecretKey(secret);
  assert(key !== null, "the secret is a key");
  return key;
}
