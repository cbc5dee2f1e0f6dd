import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import type { Connection, Stream } from "@libp2p/interface";
import { multiaddr } from "@multiformats/multiaddr";
import { freePorts } from "../../../scripts/demo/cluster.ts";
import { createHost, type Host } from "../../../src/adapters/p2p/host.ts";
import {
  createLibp2pNetwork,
  type Libp2pNetwork,
} from "../../../src/adapters/p2p/libp2pNetwork.ts";
import { systemClock } from "../../../src/adapters/system/clock.ts";
import type { PeerIndex } from "../../../src/domain/keys.ts";
import {
  MAX_FRAME_BYTES,
  MAX_PEER_QUEUE_BYTES,
  MIN_PEER_SCORE,
  PEER_BAN_MS,
  PEER_PENALTY,
} from "../../../src/domain/limits.ts";
import { CHANNELS, type Inbound } from "../../../src/ports/network.ts";
import { secretKeyOf } from "../../support/identities.ts";
import { countingMetrics, Libp2pHub, LOCK_HASH, nodeOptions } from "../../support/libp2pHub.ts";
import { loadMutant } from "../../support/mutant.ts";
import { until } from "../../support/until.ts";

const PROTOCOL = `/coterie/${LOCK_HASH.slice(2)}/consensus/1`;

type P2p = typeof import("../../../src/adapters/p2p/libp2pNetwork.ts");

/** Node 0 under test, with a clock whose monotonic time can be set forward. */
async function startNode(
  test: TestContext,
  ports: readonly number[],
  create = createLibp2pNetwork,
) {
  const skew = { ms: 0 };
  const clock = { ...systemClock, monotonic: () => systemClock.monotonic() + skew.ms };
  const metrics = countingMetrics();
  const node = await create({ ...nodeOptions(0, ports), clock, metrics });
  await node.start();
  test.after(() => node.stop());
  return { node, skew, metrics };
}

/** A member that speaks libp2p as it likes. */
async function startMember(test: TestContext, self: PeerIndex): Promise<Host> {
  const secretKey = secretKeyOf(self);
  const host = await createHost({ secretKey, listen: [], topics: [], isWelcome: () => true });
  await host.start();
  test.after(() => host.stop());
  return host;
}

async function dial(host: Host, node: Libp2pNetwork): Promise<Connection> {
  return host.dial(node.addresses().map((address) => multiaddr(address)));
}

function frame(length: number, body: number = length): Uint8Array {
  const bytes = Buffer.alloc(4 + body, 1);
  bytes.writeUInt32BE(length);
  return bytes;
}

describe("a member that misbehaves", () => {
  for (const [name, length] of [
    ["an oversized", MAX_FRAME_BYTES + 1],
    ["an empty", 0],
  ] as const) {
    it(`NET-4: ${name} frame costs its stream and a penalty; a new one is heard`, async (test) => {
      const { node, metrics } = await startNode(test, await freePorts(2));
      const inbox: Inbound[] = [];
      node.network.onFrame("consensus", (inbound) => inbox.push(inbound));
      const connection = await dial(await startMember(test, 1), node);
      const stream = await connection.newStream(PROTOCOL);
      stream.send(frame(3));
      stream.send(frame(length, 0));
      await until("the stream is reset", () => stream.status === "reset");
      assert.equal(inbox.length, 1, "what came before it was heard");
      assert.equal(metrics.sum("p2p_penalties_total"), 1);
      const next = await connection.newStream(PROTOCOL);
      next.send(frame(5));
      await until("the next is heard", () => inbox.length === 2);
      assert.equal(inbox[1]?.from, 1);
    });
  }

  it("NET-5: holds one inbound stream per channel, the newest", async (test) => {
    const { node } = await startNode(test, await freePorts(2));
    const inbox: Inbound[] = [];
    node.network.onFrame("consensus", (inbound) => inbox.push(inbound));
    const connection = await dial(await startMember(test, 1), node);
    const streams: Stream[] = [];
    for (let i = 0; i < 10; i++) {
      const stream = await connection.newStream(PROTOCOL);
      stream.send(frame(1));
      streams.push(stream);
      await until("it is heard", () => inbox.length === i + 1);
    }
    await until("the older ones are reset", () =>
      streams.slice(0, -1).every((stream) => stream.status === "reset"),
    );
    assert.equal(streams.at(-1)?.status, "open");
  });

  it("NET-8: is disconnected and refused for a while, then heard again", async (test) => {
    const { node, skew, metrics } = await startNode(test, await freePorts(2));
    const inbox: Inbound[] = [];
    node.network.onFrame("consensus", (inbound) => inbox.push(inbound));
    const host = await startMember(test, 1);
    const connection = await dial(host, node);
    for (let i = 0; i < -MIN_PEER_SCORE / PEER_PENALTY - 1; i++) node.network.penalise(1, "x");
    assert.equal(connection.status, "open", "one offence short of it");
    // Two, for the score recovered by a hair meanwhile.
    for (let i = 0; i < 2; i++) node.network.penalise(1, "malformed");
    await until("it is disconnected", () => connection.status !== "open");
    await assert.rejects(async () => {
      const again = await dial(host, node);
      await again.newStream(PROTOCOL);
    });
    assert(metrics.sum("p2p_refused_connections_total") >= 1);
    skew.ms = PEER_BAN_MS;
    const later = await dial(host, node);
    (await later.newStream(PROTOCOL)).send(frame(2));
    await until("it is heard again", () => inbox.length === 1);
  });

  it("NET-4: that does not read fills its own queue and delays nobody else", async (test) => {
    const ports = await freePorts(3);
    const { node, metrics } = await startNode(test, [ports[0] ?? 0, 0, ports[2] ?? 0]);
    const honest = await createLibp2pNetwork(nodeOptions(2, ports));
    await honest.start();
    test.after(() => honest.stop());
    const host = await startMember(test, 1);
    for (const channel of CHANNELS) {
      const protocol = PROTOCOL.replace("consensus", channel);
      await host.handle(protocol, (stream) => stream.pause());
    }
    await dial(host, node);
    await until("both have a path", () =>
      [1, 2].every((peer) => node.network.path(peer) === "direct"),
    );
    const mebibyte = new Uint8Array(1024 * 1024);
    let taken = 0;
    while (node.network.send(1, "consensus", mebibyte)) taken++;
    assert(taken * mebibyte.length <= MAX_PEER_QUEUE_BYTES, "the queue is bounded");
    assert(metrics.sum("p2p_dropped_frames_total") >= 1, "what it could not take is counted");
    let heard = 0;
    honest.network.onFrame("consensus", () => heard++);
    const startedAt = performance.now();
    for (let i = 0; i < 100; i++) assert(node.network.send(2, "consensus", Uint8Array.of(i)));
    await until("the honest peer heard everything", () => heard === 100);
    assert(performance.now() - startedAt < 2_000);
    assert(node.network.send(1, "partials", Uint8Array.of(1)), "its other channel has room");
  });
});

describe("a member that comes again without having left", () => {
  /** What a peer's process hears on the channel. */
  async function hear(host: Host): Promise<{ bytes: number }> {
    const heard = { bytes: 0 };
    for (const channel of CHANNELS) {
      await host.handle(PROTOCOL.replace("consensus", channel), (stream) => {
        stream.addEventListener("message", ({ data }) => {
          heard.bytes += data.byteLength;
        });
      });
    }
    return heard;
  }

  it("NET-3: is spoken to on its newer connection, for the older may be dead", async (test) => {
    // Time is what tells a restart from dials that crossed; here any later connection is one.
    const { createLibp2pNetwork: create } = await loadMutant<P2p>(
      "src/adapters/p2p/libp2pNetwork.ts",
      [
        {
          file: "src/adapters/p2p/peerLink.ts",
          find: "CROSSED_DIALS_MS = 10_000",
          replace: "CROSSED_DIALS_MS = -1",
        },
      ],
    );
    const { node } = await startNode(test, [0, 0], create);
    const [before, after] = [await startMember(test, 1), await startMember(test, 1)];
    const [old, fresh] = [await hear(before), await hear(after)];
    await dial(before, node);
    await until("it has a path", () => node.network.path(1) === "direct");
    assert(node.network.send(1, "consensus", Uint8Array.of(1)));
    await until("it is heard", () => old.bytes > 0);
    await dial(after, node);
    await until("the newer hears", () => {
      node.network.send(1, "consensus", Uint8Array.of(1));
      return fresh.bytes > 0;
    });
  });

  it("NET-3: keeps its path while dials cross, and holds two connections at most", async (test) => {
    const { node } = await startNode(test, [0, 0]);
    const paths: string[] = [];
    node.network.onPath((_, path) => paths.push(path));
    const hosts = [
      await startMember(test, 1),
      await startMember(test, 1),
      await startMember(test, 1),
    ];
    for (const host of hosts) await hear(host);
    const connections: Connection[] = [];
    for (const host of hosts.slice(0, 2)) connections.push(await dial(host, node));
    await until("it has a path", () => node.network.path(1) === "direct");
    assert.deepEqual(paths, ["direct"]);
    for (const host of hosts.slice(2)) connections.push(await dial(host, node));
    await until("the oldest is closed", () => connections[0]?.status !== "open");
    assert.equal(connections[1]?.status, "open");
    assert.equal(connections[2]?.status, "open");
  });
});

describe("what is counted", () => {
  it("NET-7: a value travels once per peer, with four bytes around it", async (test) => {
    const hub = await Libp2pHub.create({ nodes: 4 });
    test.after(() => hub.close());
    await until("node 0 is connected", () =>
      [1, 2, 3].every((peer) => hub.network(0).path(peer) === "direct"),
    );
    const heard = [1, 2, 3].map((peer) => {
      const frames: Inbound[] = [];
      hub.network(peer).onFrame("consensus", (inbound) => frames.push(inbound));
      return frames;
    });
    const value = new Uint8Array(300_000);
    for (const peer of [1, 2, 3]) assert(hub.network(0).send(peer, "consensus", value));
    await until("it arrived", () => heard.every((frames) => frames.length === 1));
    const expected = { frames: 3, bytes: 3 * (value.length + 4) };
    assert.deepEqual(hub.node(0).traffic.total("out"), expected);
    const inbound = { channel: "consensus", via: "direct", direction: "in" } as const;
    for (const peer of [1, 2, 3]) {
      const volume = hub.node(peer).traffic.volume(inbound);
      assert.deepEqual(volume, { frames: 1, bytes: value.length + 4 });
      assert.equal(hub.node(peer).traffic.total("out").frames, 0);
    }
  });
});
