import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { multiaddr } from "@multiformats/multiaddr";
import { freePorts } from "../../../scripts/demo/cluster.ts";
import { createHost } from "../../../src/adapters/p2p/host.ts";
import { createLibp2pNetwork } from "../../../src/adapters/p2p/libp2pNetwork.ts";
import { clusterScope } from "../../../src/adapters/p2p/scope.ts";
import { MAX_PEER_BURST_FRAMES, PEER_FRAMES_PER_SECOND } from "../../../src/domain/limits.ts";
import { secretKeyOf } from "../../support/identities.ts";
import { countingMetrics, LOCK_HASH, nodeOptions } from "../../support/libp2pHub.ts";
import { loadMutant } from "../../support/mutant.ts";
import { until } from "../../support/until.ts";

const TOPIC = clusterScope(LOCK_HASH).topicOf("consensus");
const PROTOCOL = `/coterie/${LOCK_HASH.slice(2)}/consensus/1`;
/** A second more than the burst that a peer may send. */
const FLOOD = MAX_PEER_BURST_FRAMES + PEER_FRAMES_PER_SECOND;

type P2p = typeof import("../../../src/adapters/p2p/libp2pNetwork.ts");

/** Node 0 under test, and the numbers in the frames that reached it. */
async function startNode(test: TestContext, create = createLibp2pNetwork) {
  const metrics = countingMetrics();
  const node = await create({ ...nodeOptions(0, await freePorts(3)), metrics });
  const heard: number[] = [];
  node.network.onFrame("consensus", ({ bytes }) => {
    heard.push(new DataView(bytes.buffer, bytes.byteOffset).getUint32(0));
  });
  await node.start();
  test.after(() => node.stop());
  const member = async (self: number) => {
    const secretKey = secretKeyOf(self);
    const host = await createHost({ secretKey, listen: [], topics: [], isWelcome: () => true });
    await host.start();
    test.after(() => host.stop());
    const connection = await host.dial(node.addresses().map((address) => multiaddr(address)));
    return connection.newStream(PROTOCOL);
  };
  const gossiper = async (self: number) => {
    const secretKey = secretKeyOf(self);
    const host = await createHost({
      secretKey,
      listen: [],
      topics: [TOPIC],
      isWelcome: () => true,
    });
    await host.start();
    test.after(() => host.stop());
    await host.dial(node.addresses().map((address) => multiaddr(address)));
    const { gossip } = host.services;
    await until("node 0 takes gossip", () => gossip.getSubscribers(TOPIC).length > 0);
    return gossip;
  };
  return { heard, metrics, member, gossiper };
}

/** Member 1 hands on more gossip than anybody is heard with, and then speaks itself. */
async function forwardFlood(test: TestContext, create = createLibp2pNetwork) {
  const { heard, metrics, member, gossiper } = await startNode(test, create);
  const gossip = await gossiper(1);
  const bytes = flood(FLOOD);
  for (let i = 0; i < FLOOD; i++) await gossip.publish(TOPIC, bytes.subarray(8 * i, 8 * i + 8));
  await until("the budget is spent", () => metrics.sum("p2p_dropped_frames_total") > 0);
  const own = PEER_FRAMES_PER_SECOND;
  const before = heard.length;
  (await member(1)).send(flood(own));
  await until("its own frames are heard", () => heard.length >= before + own);
  return { metrics, silenced: metrics.sum("p2p_throttled_total") };
}

/** `count` numbered frames in one piece. */
function flood(count: number): Uint8Array {
  const bytes = Buffer.alloc(8 * count);
  for (let i = 0; i < count; i++) {
    bytes.writeUInt32BE(4, 8 * i);
    bytes.writeUInt32BE(i, 8 * i + 4);
  }
  return bytes;
}

describe("a member that floods", () => {
  it("NET-11: is heard no faster than its budget, in order and whole", async (test) => {
    const { heard, metrics, member } = await startNode(test);
    const startedAt = performance.now();
    (await member(1)).send(flood(FLOOD));
    await until("all of it was heard", () => heard.length === FLOOD);
    const elapsedS = (performance.now() - startedAt) / 1_000;
    const fastest = (FLOOD - MAX_PEER_BURST_FRAMES) / PEER_FRAMES_PER_SECOND;
    assert(elapsedS >= 0.9 * fastest, `heard in ${elapsedS} s`);
    assert.deepEqual(heard, [...Array(FLOOD).keys()]);
    assert(metrics.sum("p2p_throttled_total") > 0);
  });

  it("NET-11: delays no other member", async (test) => {
    const { heard, metrics, member } = await startNode(test);
    const flooder = await member(1);
    const other = await member(2);
    flooder.send(flood(FLOOD));
    await until("the flooder waits", () => metrics.sum("p2p_throttled_total") > 0);
    const before = heard.length;
    other.send(flood(1));
    await until("the other is heard", () => heard.slice(before).includes(0));
    assert(heard.length < FLOOD, "while the flooder still waits");
  });

  it("NET-11: by way of an honest member does not silence that one", async (test) => {
    const { metrics, silenced } = await forwardFlood(test);
    assert(metrics.sum("p2p_dropped_frames_total") > 0, "the danger: more than the gossip budget");
    assert.equal(silenced, 0);
  });

  it("NET-11: mutant: with one budget what it forwards costs it its own frames", async (test) => {
    const shared = await loadMutant<P2p>("src/adapters/p2p/libp2pNetwork.ts", [
      { find: "return budgets[via];", replace: "return budgets.direct;" },
    ]);
    const { silenced } = await forwardFlood(test, shared.createLibp2pNetwork);
    assert(silenced > 0);
  });

  it("NET-11: a mutant without the budget hears everything at once", async (test) => {
    const open = await loadMutant<P2p>("src/adapters/p2p/libp2pNetwork.ts", [
      {
        file: "src/adapters/p2p/frameBudget.ts",
        find: "if (this.#left < 1) return false;",
        replace: "",
      },
    ]);
    const { heard, metrics, member } = await startNode(test, open.createLibp2pNetwork);
    (await member(1)).send(flood(FLOOD));
    await until("all of it was heard", () => heard.length === FLOOD);
    assert.equal(metrics.sum("p2p_throttled_total"), 0);
  });
});
