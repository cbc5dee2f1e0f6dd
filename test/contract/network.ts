/** What every implementation of the {@link Network} port must do; run against each of them. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { PeerIndex } from "../../src/domain/keys.ts";
import { MAX_FRAME_BYTES, MAX_PEER_QUEUE_BYTES } from "../../src/domain/limits.ts";
import type { Channel, Inbound, Network } from "../../src/ports/network.ts";
import { until } from "../support/until.ts";

export type NetworkHub = {
  /** The node's network; another object after a restart. */
  network(node: PeerIndex): Network;
  stop(node: PeerIndex): Promise<void>;
  start(node: PeerIndex): Promise<void>;
  close(): Promise<void>;
};
export type HubOptions = {
  readonly nodes: number;
  /** Pairs that have no direct path. */
  readonly cut?: readonly (readonly [PeerIndex, PeerIndex])[];
  readonly validateGossip: (channel: Channel, bytes: Uint8Array) => "accept" | "ignore" | "reject";
};

const INVALID = 0xff;

export function networkContract(
  name: string,
  createHub: (options: HubOptions) => Promise<NetworkHub>,
): void {
  const validateGossip: HubOptions["validateGossip"] = (_, bytes) =>
    bytes[0] === INVALID ? "reject" : "accept";

  describe(`${name}: four connected nodes`, () => {
    const hub = sharedHub(() => createHub({ nodes: 4, validateGossip }));
    before(() => until("every pair is connected", () => isFullMesh(hub, 4)));
    testFrames(hub);
    testReplies(hub);
    testLeaving(hub);
    testGossip(hub);
    testRestart(hub);
  });

  describe(`${name}: three nodes of which the first and the last have no direct path`, () => {
    const hub = sharedHub(() => createHub({ nodes: 3, cut: [[0, 2]], validateGossip }));
    before(() =>
      until("both reach the middle", () =>
        [0, 2].every((node) => hub.network(node).path(1) === "direct"),
      ),
    );
    testBrokenLink(hub);
  });
}

/** A hub that lives as long as the suite around the call. */
function sharedHub(create: () => Promise<NetworkHub>): NetworkHub {
  let hub: NetworkHub | null = null;
  const created = (): NetworkHub => {
    assert(hub !== null, "the hub is used by tests only");
    return hub;
  };
  before(async () => {
    hub = await create();
  });
  after(() => created().close());
  return {
    network: (node) => created().network(node),
    stop: (node) => created().stop(node),
    start: (node) => created().start(node),
    close: () => created().close(),
  };
}

function testLeaving(hub: NetworkHub): void {
  it("GATE-9: asks before each frame leaves, and drops what may not", async () => {
    const inbox = inboxOf(hub.network(3));
    const asked: number[] = [];
    hub.network(2).onLeaving("partials", (frame) => {
      asked.push(frame[7] ?? 0);
      return (frame[7] ?? 0) % 2 === 0;
    });
    for (let i = 0; i < 10; i++) {
      assert(hub.network(2).send(3, "partials", frameOf(2, i)), "a withheld frame is no lost path");
      hub.network(2).send(3, "consensus", frameOf(2, i));
    }
    await hub.network(2).settled("partials");
    assert.equal(asked.length, 10);
    await until("the rest arrived", () => inbox.length === 15);
    hub.network(2).onLeaving("partials", () => true);
  });
}

function testFrames(hub: NetworkHub): void {
  it("NET-3: delivers each peer's frames in the order they were sent, per channel", async () => {
    const inboxes = [0, 1, 2, 3].map((node) => inboxOf(hub.network(node)));
    const rounds = 100;
    for (let i = 0; i < rounds; i++) {
      for (const [from, to] of pairs(4)) {
        assert(hub.network(from).send(to, "consensus", frameOf(from, i)));
        assert(hub.network(from).send(to, "partials", frameOf(from, i, 3_000)));
      }
    }
    await until("all arrived", () => inboxes.every((inbox) => inbox.length === 6 * rounds));
    for (const [from, to] of pairs(4)) {
      for (const channel of ["consensus", "partials"] as const) {
        const frames = (inboxes[to] ?? []).filter(
          (frame) => frame.from === from && frame.channel === channel,
        );
        assert(frames.every((frame) => frame.via === "direct"));
        assert.deepEqual(frames.map(numberOf), range(rounds), `${from} to ${to}: ${channel}`);
      }
    }
  });

  it("NET-4: carries the largest frame intact and refuses to write a larger one", async () => {
    const inbox = inboxOf(hub.network(1));
    const bytes = Buffer.alloc(MAX_FRAME_BYTES);
    for (let i = 0; i < bytes.length; i += 1024) bytes.writeUInt32BE(i, i);
    assert(hub.network(0).send(1, "consensus", bytes));
    await until("it arrived", () => inbox.length === 1);
    assert.equal(Buffer.compare(inbox[0]?.bytes ?? Buffer.alloc(0), bytes), 0);
    assert.throws(
      () => hub.network(0).send(1, "consensus", new Uint8Array(MAX_FRAME_BYTES + 1)),
      /within its limit/,
    );
  });

  it("NET-4: drops what a full queue cannot take, says so, and keeps the order", async () => {
    const inbox = inboxOf(hub.network(2));
    const size = 1024 * 1024;
    const offered = range(Math.ceil(2 * (MAX_PEER_QUEUE_BYTES / size)));
    const sent = offered.filter((i) => hub.network(0).send(2, "consensus", frameOf(0, i, size)));
    assert(sent.length < offered.length, "some were refused");
    assert(sent.length * size > MAX_PEER_QUEUE_BYTES / 2, "many were taken");
    await until("those taken arrived", () => inbox.length === sent.length);
    assert.deepEqual(inbox.map(numberOf), sent);
  });
}

function testReplies(hub: NetworkHub): void {
  it("NET-14: a status frame can be answered on the stream that it came on", async () => {
    const answers: Inbound[] = [];
    hub.network(0).onFrame("status", (frame) => answers.push(frame));
    hub.network(1).onFrame("status", ({ reply, bytes }) => {
      assert(reply !== undefined, "a direct frame can be answered");
      assert(reply(frameOf(1, 1000 + Buffer.from(bytes).readUInt32BE(4))));
    });
    for (const number of range(20)) assert(hub.network(0).send(1, "status", frameOf(0, number)));
    await until("all are answered", () => answers.length === 20);
    assert.deepEqual(
      answers.map(numberOf),
      range(20).map((number) => 1000 + number),
    );
    assert(answers.every(({ from, via }) => from === 1 && via === "direct"));
  });
}

function testGossip(hub: NetworkHub): void {
  it("NET-6: gossips to all other nodes once and not to itself", async () => {
    const inboxes = [0, 1, 2, 3].map((node) => inboxOf(hub.network(node)));
    await gossipUntil(hub.network(3), () => [0, 1, 2].every((node) => inboxes[node]?.length));
    await quiet();
    assert.equal(inboxes[3]?.length, 0);
    for (const node of [0, 1, 2]) {
      const numbers = (inboxes[node] ?? []).map(numberOf);
      assert.deepEqual(numbers, [...new Set(numbers)]);
      assert(inboxes[node]?.every((frame) => frame.via === "gossip"));
    }
  });
}

function testRestart(hub: NetworkHub): void {
  it("NET-3: reports a peer's going and coming back, and frames flow again", async () => {
    const paths: string[] = [];
    hub.network(0).onPath((peer, path) => paths.push(`${peer} ${path}`));
    await hub.stop(3);
    await until("the path is gone", () => hub.network(0).path(3) === "none");
    assert.equal(hub.network(0).send(3, "consensus", frameOf(0, 1)), false);
    assert(hub.network(0).send(1, "consensus", frameOf(0, 1)), "the others are not affected");
    await hub.start(3);
    const inbox = inboxOf(hub.network(3));
    await until("every pair is connected", () => isFullMesh(hub, 4), 15_000);
    assert.equal(paths[0], "3 none");
    assert.equal(paths.at(-1), "3 direct");
    assert(hub.network(0).send(3, "consensus", frameOf(0, 2)));
    await until("it arrived", () => inbox.length === 1);
  });
}

function testBrokenLink(hub: NetworkHub): void {
  it("NET-6: gossip reaches over the broken link", async () => {
    const inbox = inboxOf(hub.network(2));
    assert.equal(hub.network(0).send(2, "partials", frameOf(0, 0)), false);
    await gossipUntil(hub.network(0), () => inbox.length > 0);
    assert.equal(inbox[0]?.from, 1, "the middle handed it over");
  });

  it("NET-6: an invalid gossiped frame is neither delivered nor forwarded", async () => {
    const inboxes = [1, 2].map((node) => inboxOf(hub.network(node)));
    for (let i = 0; i < 3; i++) {
      hub.network(0).gossip("partials", Uint8Array.of(INVALID, i));
    }
    await gossipUntil(hub.network(0), () => inboxes.every((inbox) => inbox.length > 0));
    assert(inboxes.flat().every((frame) => frame.bytes[0] !== INVALID));
  });
}

/** Sends a new frame again and again, since a gossip mesh takes a moment to form. */
async function gossipUntil(network: Network, holds: () => unknown): Promise<void> {
  for (let i = 0; i < 50 && !holds(); i++) {
    network.gossip("partials", frameOf(0, gossiped++));
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert(holds(), "gossip arrived within five seconds");
}
let gossiped = 0;

/** Long enough for a duplicate on its way to show up. */
function quiet(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 200));
}

function isFullMesh(hub: NetworkHub, nodes: number): boolean {
  return pairs(nodes).every(([from, to]) => hub.network(from).path(to) === "direct");
}

function inboxOf(network: Network): Inbound[] {
  const frames: Inbound[] = [];
  network.onFrame("consensus", (frame) => frames.push(frame));
  network.onFrame("partials", (frame) => frames.push(frame));
  return frames;
}

function frameOf(from: PeerIndex, number: number, length = 8): Uint8Array {
  const frame = Buffer.alloc(length);
  frame.writeUInt16BE(from, 0);
  frame.writeUInt32BE(number, 4);
  return frame;
}

function numberOf(frame: Inbound): number {
  return Buffer.from(frame.bytes).readUInt32BE(4);
}

function pairs(nodes: number): readonly (readonly [PeerIndex, PeerIndex])[] {
  return range(nodes).flatMap((from) =>
    range(nodes).flatMap((to) => (from === to ? [] : [[from, to] as const])),
  );
}

function range(length: number): readonly number[] {
  return Array.from({ length }, (_, i) => i);
}
