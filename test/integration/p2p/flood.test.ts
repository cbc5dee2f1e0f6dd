import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { multiaddr } from "@multiformats/multiaddr";
import { freePorts } from "../../../scripts/demo/cluster.ts";
import { createHost } from "../../../src/adapters/p2p/host.ts";
import { createLibp2pNetwork } from "../../../src/adapters/p2p/libp2pNetwork.ts";
import { MAX_PEER_BURST_FRAMES, PEER_FRAMES_PER_SECOND } from "../../../src/domain/limits.ts";
import { secretKeyOf } from "../../support/identities.ts";
import { countingMetrics, LOCK_HASH, nodeOptions } from "../../support/libp2pHub.ts";
import { loadMutant } from "../../support/mutant.ts";
import { until } from "../../support/until.ts";

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
  return { heard, metrics, member };
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
