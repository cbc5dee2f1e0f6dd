// Real libp2p nodes that cannot dial each other: a node that listens nowhere stands for one behind
// a router that lets nobody in.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { describe, it, type TestContext } from "node:test";
import type { Connection } from "@libp2p/interface";
import { multiaddr } from "@multiformats/multiaddr";
import { freePorts } from "../../../scripts/demo/cluster.ts";
import { askRelay, startRelayDirectory } from "../../../src/adapters/http/relayDirectory.ts";
import { Circuits } from "../../../src/adapters/p2p/circuits.ts";
import { createHost, type Host } from "../../../src/adapters/p2p/host.ts";
import { peerIdOf } from "../../../src/adapters/p2p/identity.ts";
import {
  createLibp2pNetwork,
  type Libp2pNetwork,
  type Libp2pNetworkOptions,
} from "../../../src/adapters/p2p/libp2pNetwork.ts";
import { createRelay, type RelayOptions } from "../../../src/adapters/p2p/relayHost.ts";
import { parseRelaySource, type RelaySource } from "../../../src/adapters/p2p/relaySources.ts";
import { systemClock } from "../../../src/adapters/system/clock.ts";
import { encodeEnr } from "../../../src/crypto/enr.ts";
import { MAX_FRAME_BYTES, OPEN_RELAY_CIRCUIT_BYTES } from "../../../src/domain/limits.ts";
import type { Inbound } from "../../../src/ports/network.ts";
import { publicKeyOf, secretKeyOf } from "../../support/identities.ts";
import { collectingLogger, countingMetrics, nodeOptions } from "../../support/libp2pHub.ts";
import { loadMutant } from "../../support/mutant.ts";
import { until } from "../../support/until.ts";

const RELAY = 77;
const STRANGER = 66;
const QUIET_MS = 1_000;

type P2p = typeof import("../../../src/adapters/p2p/libp2pNetwork.ts");
type RelayModule = typeof import("../../../src/adapters/p2p/relayHost.ts");

async function startNode(
  test: TestContext,
  options: Libp2pNetworkOptions,
  create = createLibp2pNetwork,
): Promise<Libp2pNetwork> {
  const node = await create(options);
  await node.start();
  test.after(() => node.stop());
  return node;
}

/** A node that nobody can dial. */
function hidden(self: number, ports: readonly number[]): Libp2pNetworkOptions {
  return { ...nodeOptions(self, ports), listen: [] };
}

/** A relay for the operators 0 to 2, or as the options say. */
async function startRelay(
  test: TestContext,
  options: Partial<RelayOptions> = {},
  create = createRelay,
) {
  const metrics = countingMetrics();
  const relay = await create({
    secretKey: secretKeyOf(RELAY),
    listen: ["/ip4/127.0.0.1/tcp/0"],
    announce: [],
    clusters: [[0, 1, 2].map(publicKeyOf)],
    maxReservations: 16,
    maxConnections: 64,
    metrics,
    ...options,
  });
  await relay.start();
  test.after(() => relay.stop());
  const address = relay.addresses()[0] ?? assert.fail("the relay listens");
  return { relay, metrics, address, source: sourceOf(address) };
}

function sourceOf(text: string): RelaySource {
  return parseRelaySource(text) ?? assert.fail(`${text} names a relay`);
}

function relaysAt(...sources: readonly RelaySource[]) {
  return { sources, ask: askRelay };
}

function arePaths(path: string, ...pairs: readonly (readonly [Libp2pNetwork, number])[]): boolean {
  return pairs.every(([node, peer]) => node.network.path(peer) === path);
}

/** Frames of both channels arrive, in order. */
async function assertTalks(from: Libp2pNetwork, [to, at]: readonly [number, Libp2pNetwork]) {
  const frames: Inbound[] = [];
  for (const channel of ["consensus", "partials"] as const) {
    at.network.onFrame(channel, (frame) => frames.push(frame));
  }
  for (let i = 0; i < 20; i++) {
    assert(from.network.send(to, i % 2 === 0 ? "consensus" : "partials", Uint8Array.of(i)));
  }
  await until("all frames arrived", () => frames.length === 20);
  assert(frames.every(({ via }) => via === "direct"));
  for (const parity of [0, 1]) {
    const numbers = frames.map(({ bytes }) => bytes[0] ?? 0).filter((i) => i % 2 === parity);
    assert.deepEqual(
      numbers,
      [...numbers].sort((a, b) => a - b),
    );
  }
}

/** Again and again, since a mesh takes a moment to form. */
async function assertGossips(from: Libp2pNetwork, to: Libp2pNetwork): Promise<void> {
  const frames: Inbound[] = [];
  to.network.onFrame("partials", (frame) => frames.push(frame));
  for (let i = 0; i < 50 && frames.length === 0; i++) {
    from.network.gossip("partials", Uint8Array.of(1, i));
    await systemClock.sleep(100, AbortSignal.timeout(10_000));
  }
  assert.equal(frames[0]?.via, "gossip");
}

/** Somebody who speaks libp2p and its circuits, and has the key of operator `self`. */
async function startSomebody(test: TestContext, self: number): Promise<Host> {
  const circuits = new Circuits({
    clock: systemClock,
    logger: collectingLogger([]),
    mayCarry: () => true,
  });
  const secretKey = secretKeyOf(self);
  const isWelcome = (): boolean => true;
  const host = await createHost({ secretKey, listen: [], topics: [], isWelcome, circuits });
  await host.start();
  test.after(() => host.stop());
  return host;
}

describe("members that carry for their own cluster", () => {
  it("NET-12: two nodes that nobody can dial reach each other through the third", async (test) => {
    const [, port = 0] = await freePorts(2);
    const ports = [0, port, 0];
    const carrier = { ...nodeOptions(1, ports), carriesForMembers: true };
    await startNode(test, carrier);
    const [a, b] = [
      await startNode(test, hidden(0, ports)),
      await startNode(test, hidden(2, ports)),
    ];
    await until("both have a path", () => arePaths("relayed", [a, 2], [b, 0]));
    assert(arePaths("direct", [a, 1], [b, 1]));
    await assertTalks(a, [2, b]);
    await assertTalks(b, [0, a]);
  });

  it("NET-12: a member that was told not to carry does not", async (test) => {
    const [, port = 0] = await freePorts(2);
    const ports = [0, port, 0];
    await startNode(test, nodeOptions(1, ports));
    const [a, b] = [
      await startNode(test, hidden(0, ports)),
      await startNode(test, hidden(2, ports)),
    ];
    await until("both reach the third", () => arePaths("direct", [a, 1], [b, 1]));
    await systemClock.sleep(QUIET_MS, AbortSignal.timeout(10_000));
    assert(arePaths("none", [a, 2], [b, 0]));
  });

  it("NET-12: an address that works takes over from the relay, and frames go on", async (test) => {
    const ports = await freePorts(3);
    const carrier = await startNode(test, { ...nodeOptions(1, ports), carriesForMembers: true });
    // Neither knows the other's address; node 2 listens, and says where once it is asked.
    const a = await startNode(test, hidden(0, [0, ports[1] ?? 0, 0]));
    const paths: string[] = [];
    a.network.onPath((peer, path) => {
      if (peer === 2) paths.push(path);
    });
    const b = await startNode(test, nodeOptions(2, [0, ports[1] ?? 0, ports[2] ?? 0]));
    await until("the path is direct", () => arePaths("direct", [a, 2], [b, 0]));
    assert(paths.includes("relayed"), `it was relayed before: ${paths}`);
    await carrier.stop();
    await until("the third is gone", () => arePaths("none", [a, 1], [b, 1]));
    await assertTalks(a, [2, b]);
    await assertTalks(b, [0, a]);
    await assertGossips(a, b);
  });

  it("NET-12: outsiders get nothing carried, reserved or through", async (test) => {
    const [, port = 0] = await freePorts(2);
    const ports = [0, port, 0];
    const metrics = countingMetrics();
    const member = { ...nodeOptions(1, ports), carriesForMembers: true, metrics };
    const carrier = await startNode(test, member);
    await startNode(test, hidden(0, ports));
    const stranger = await startSomebody(test, STRANGER);
    const via = `/ip4/127.0.0.1/tcp/${port}`;
    const target = multiaddr(`${carrier.addresses()[0]}/p2p-circuit/p2p/${idOf(0)}`);
    await assert.rejects(stranger.dial(target));
    await assert.rejects(stranger.dial(multiaddr(`${via}/p2p/${idOf(1)}`)).then(stillOpen));
    assert(metrics.sum("p2p_refused_connections_total") >= 1);
  });
});

describe("a relay of given clusters", () => {
  it("NET-13: its members reach each other; address, list and ENR lead to it", async (t) => {
    const { relay, source, address } = await startRelay(t);
    const directory = await startRelayDirectory({
      host: "127.0.0.1",
      port: 0,
      addresses: () => relay.addresses(),
    });
    t.after(() => directory.close());
    const enr = await serveText(t, enrOf(address));
    const sources = [source, sourceOf(`http://127.0.0.1:${directory.port}/enr`), sourceOf(enr)];
    const nodes = await Promise.all(
      sources.map((each, self) =>
        startNode(t, { ...hidden(self, [0, 0, 0]), relays: relaysAt(each) }),
      ),
    );
    const [a, b, c] = nodes as [Libp2pNetwork, Libp2pNetwork, Libp2pNetwork];
    await until("all have paths", () =>
      arePaths("relayed", [a, 1], [a, 2], [b, 0], [b, 2], [c, 0], [c, 1]),
    );
    await assertTalks(a, [1, b]);
    await assertTalks(c, [0, a]);
  });

  it("NET-13: nodes wait for a relay that is not there, and for one that restarts", async (t) => {
    const [port = 0] = await freePorts(1);
    const listen = [`/ip4/127.0.0.1/tcp/${port}`];
    const relays = relaysAt(sourceOf(`${listen[0]}/p2p/${idOf(RELAY)}`));
    const a = await startNode(t, { ...hidden(0, [0, 0]), relays });
    const b = await startNode(t, { ...hidden(1, [0, 0]), relays });
    const first = await startRelay(t, { listen });
    await until("both have a path", () => arePaths("relayed", [a, 1], [b, 0]), 20_000);
    await first.relay.stop();
    await until("the path is gone", () => arePaths("none", [a, 1], [b, 0]));
    await startRelay(t, { listen });
    await until("both have a path again", () => arePaths("relayed", [a, 1], [b, 0]), 20_000);
  });

  const clusters = [[0, 1].map(publicKeyOf), [5, 6].map(publicKeyOf)];
  /** Strangers and members of another cluster try everything; what came of it. */
  const intrude = async (t: TestContext, create = createRelay) => {
    const { address, metrics, source } = await startRelay(t, { clusters }, create);
    const own = countingMetrics();
    const relays = relaysAt(source);
    const a = await startNode(t, { ...hidden(0, [0, 0]), relays, metrics: own });
    const b = await startNode(t, { ...hidden(1, [0, 0]), relays });
    await until("the members have a path", () => arePaths("relayed", [a, 1], [b, 0]));
    const circuit = multiaddr(`${address}/p2p-circuit/p2p/${idOf(0)}`);
    const [stranger, other] = [await startSomebody(t, STRANGER), await startSomebody(t, 5)];
    const isIn = await succeeds(stranger.dial(multiaddr(address)).then(stillOpen));
    await other.dial(multiaddr(address)).then(stillOpen);
    assert.equal(await succeeds(other.dial(circuit).then(stillOpen)), false);
    return {
      isIn,
      refusals: metrics.sum("relay_refused_total"),
      atTheMember: own.sum("p2p_refused_connections_total"),
    };
  };

  it("NET-13: strangers and members of two clusters get nothing through it", async (t) => {
    const { isIn, refusals, atTheMember } = await intrude(t);
    assert.deepEqual({ isIn, atTheMember }, { isIn: false, atTheMember: 0 });
    assert(refusals >= 2);
  });

  it("NET-13: mutants without its two guards let them through", async (t) => {
    const withoutDoor = await loadMutant<RelayModule>("src/adapters/p2p/relayHost.ts", [
      { find: "denyInboundEncryptedConnection", replace: "denyNothing" },
    ]);
    assert.equal((await intrude(t, withoutDoor.createRelay)).isIn, true);
    const withoutClusters = await loadMutant<RelayModule>("src/adapters/p2p/relayHost.ts", [
      { find: 'refuse(!isServed(from, to), "other_cluster")', replace: "false" },
    ]);
    const { atTheMember } = await intrude(t, withoutClusters.createRelay);
    assert(atTheMember > 0, "only the member's own door was left");
  });
});

describe("an open relay", () => {
  it("NET-13: cuts a circuit that carries too much, and the nodes open another", async (t) => {
    const { source } = await startRelay(t, { clusters: null });
    const a = await startNode(t, { ...hidden(0, [0, 0]), relays: relaysAt(source) });
    const b = await startNode(t, { ...hidden(1, [0, 0]), relays: relaysAt(source) });
    await until("both have a path", () => arePaths("relayed", [a, 1], [b, 0]));
    const lost: string[] = [];
    a.network.onPath((_, path) => lost.push(path));
    const frame = new Uint8Array(MAX_FRAME_BYTES / 2);
    for (let sent = 0; sent <= OPEN_RELAY_CIRCUIT_BYTES; sent += frame.length) {
      await until("there is room", () => a.network.send(1, "consensus", frame) || lost.length > 0);
    }
    await until("the circuit was cut", () => lost.includes("none"));
    await until("there is another", () => arePaths("relayed", [a, 1], [b, 0]), 20_000);
    await assertTalks(a, [1, b]);
  });
});

describe("a node's own door", () => {
  it("NET-12: a relay that lets strangers through does not let them in", async (t) => {
    const { source, address } = await startRelay(t, { clusters: null });
    const metrics = countingMetrics();
    const [a, b] = [
      await startNode(t, { ...hidden(0, [0, 0]), relays: relaysAt(source), metrics }),
      await startNode(t, { ...hidden(1, [0, 0]), relays: relaysAt(source) }),
    ];
    await until("both can be reached", () => arePaths("relayed", [a, 1], [b, 0]));
    const stranger = await startSomebody(t, STRANGER);
    await stranger.dial(multiaddr(address));
    const circuit = multiaddr(`${address}/p2p-circuit/p2p/${idOf(0)}`);
    await assert.rejects(stranger.dial(circuit).then(stillOpen));
    assert(metrics.sum("p2p_refused_connections_total") > 0);
  });

  it("NET-12: a mutant that takes circuits from anybody lets the stranger in", async (t) => {
    const { source, address } = await startRelay(t, { clusters: null });
    const open = await loadMutant<P2p>("src/adapters/p2p/libp2pNetwork.ts", [
      {
        file: "src/adapters/p2p/host.ts",
        find: "    denyInboundEncryptedConnection: isUnwelcome,\n",
        replace: "",
      },
      {
        file: "src/adapters/p2p/host.ts",
        find: "    denyInboundRelayedConnection: (_, from) => isUnwelcome(from),\n",
        replace: "",
      },
    ]);
    const relays = relaysAt(source);
    const [a, b] = [
      await startNode(t, { ...hidden(0, [0, 0]), relays }, open.createLibp2pNetwork),
      await startNode(t, { ...hidden(1, [0, 0]), relays }),
    ];
    await until("both can be reached", () => arePaths("relayed", [a, 1], [b, 0]));
    const stranger = await startSomebody(t, STRANGER);
    await stranger.dial(multiaddr(address));
    const circuit = multiaddr(`${address}/p2p-circuit/p2p/${idOf(0)}`);
    await stranger.dial(circuit).then(stillOpen);
  });
});

function idOf(operator: number): string {
  return peerIdOf(publicKeyOf(operator)).toString();
}

/** Whoever is refused after the handshake may hear of it a moment later. */
async function stillOpen(connection: Connection): Promise<void> {
  await systemClock.sleep(100, AbortSignal.timeout(10_000));
  assert.equal(connection.status, "open");
}

function succeeds(attempt: Promise<unknown>): Promise<boolean> {
  return attempt.then(
    () => true,
    () => false,
  );
}

/** The relay's record as Charon's relays serve it. */
function enrOf(address: string): string {
  const port = Number(/\/tcp\/(\d+)/.exec(address)?.[1]);
  const extra = new Map([
    ["ip", Uint8Array.of(127, 0, 0, 1)],
    ["tcp", Uint8Array.of(port >> 8, port & 0xff)],
  ]);
  return encodeEnr({ secretKey: secretKeyOf(RELAY), extra });
}

/** URL of a server that answers everything with `text`. */
async function serveText(test: TestContext, text: string): Promise<string> {
  const server = createServer((_, response) => response.end(text));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  test.after(() => server.close());
  const address = server.address();
  assert(address !== null && typeof address === "object");
  return `http://127.0.0.1:${address.port}/`;
}
