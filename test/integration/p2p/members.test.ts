import assert from "node:assert/strict";
import { createServer } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { multiaddr } from "@multiformats/multiaddr";
import { freePorts } from "../../../scripts/demo/cluster.ts";
import { createHost } from "../../../src/adapters/p2p/host.ts";
import {
  createLibp2pNetwork,
  type Libp2pNetwork,
  type Libp2pNetworkOptions,
} from "../../../src/adapters/p2p/libp2pNetwork.ts";
import { clusterScope } from "../../../src/adapters/p2p/scope.ts";
import { UsageError } from "../../../src/domain/errors.ts";
import { publicKeyOf, secretKeyOf } from "../../support/identities.ts";
import {
  collectingLogger,
  countingMetrics,
  type LogLine,
  nodeOptions,
} from "../../support/libp2pHub.ts";
import { loadMutant } from "../../support/mutant.ts";
import { until } from "../../support/until.ts";
import { filledRoot } from "../../support/wireFrames.ts";

type P2p = typeof import("../../../src/adapters/p2p/libp2pNetwork.ts");

/** A started node that stops with the test. */
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

describe("who gets in", () => {
  it("NET-2: refuses a stranger after the handshake and goes on serving members", async (test) => {
    const ports = await freePorts(3);
    const metrics = countingMetrics();
    const node = await startNode(test, { ...nodeOptions(0, ports), metrics });
    const asStranger = { ...nodeOptions(1, ports), secretKey: secretKeyOf(66) };
    const stranger = await startNode(test, asStranger);
    await until("it was refused", () => metrics.sum("p2p_refused_connections_total") >= 2);
    assert.equal(stranger.network.path(0), "none");
    assert.equal(node.network.path(1), "none");
    const member = await startNode(test, nodeOptions(2, ports));
    await until("a member gets in", () => member.network.path(0) === "direct");
  });

  it("NET-2: a mutant without the door lets the stranger's connection stand", async (test) => {
    const secretKey = secretKeyOf(66);
    const stranger = await createHost({ secretKey, listen: [], topics: [], isWelcome: () => true });
    await stranger.start();
    test.after(() => stranger.stop());
    const open = await loadMutant<P2p>("src/adapters/p2p/libp2pNetwork.ts", [
      {
        file: "src/adapters/p2p/host.ts",
        find: "    denyInboundEncryptedConnection: isUnwelcome,\n",
        replace: "",
      },
    ]);
    const guarded = await startNode(test, nodeOptions(0, [0]));
    const mutant = await startNode(test, nodeOptions(0, [0]), open.createLibp2pNetwork);
    const ask = async (node: Libp2pNetwork) =>
      stranger.services.ping.ping(node.addresses().map((address) => multiaddr(address)));
    await assert.rejects(ask(guarded));
    assert((await ask(mutant)) >= 0, "it is served like a member");
  });

  it("NET-2: does not take who answers at a member's address for the member", async (test) => {
    const ports = await freePorts(2);
    // Whoever runs here has no interest in dialling: it waits for node 0 to come.
    const impostor = { ...nodeOptions(1, [0, ports[1] ?? 0]), secretKey: secretKeyOf(66) };
    await startNode(test, impostor);
    const lines: LogLine[] = [];
    const logger = collectingLogger(lines);
    const node = await startNode(test, { ...nodeOptions(0, ports), logger });
    const failures = () =>
      lines.filter(({ message }) => message.startsWith("A peer cannot be reached"));
    await until("it tried more than once", () => failures().length >= 2);
    assert.equal(node.network.path(1), "none");
    assert.equal(failures().filter(({ level }) => level === "info").length, 1, "said once");
  });

  it("NET-1: nodes of two locks exchange no frames though their keys agree", async (test) => {
    const ports = await freePorts(2);
    const lines: LogLine[] = [];
    const logger = collectingLogger(lines);
    const node = await startNode(test, { ...nodeOptions(0, ports), logger });
    const other = await startNode(test, {
      ...nodeOptions(1, ports),
      scope: clusterScope(filledRoot(8)),
    });
    const failed = () =>
      lines.some(({ message }) => message.startsWith("A peer cannot be reached"));
    await until("no stream came about", failed);
    assert.equal(node.network.path(1), "none");
    assert.equal(other.network.path(0), "none");
    await other.stop();
    const same = await startNode(test, nodeOptions(1, ports));
    await until("with one lock they do", () => same.network.path(0) === "direct");
  });

  it("NET-1: a mutant whose names bind no lock exchanges them", async (test) => {
    const ports = await freePorts(2);
    const { clusterScope: unbound } = await loadMutant<
      typeof import("../../../src/adapters/p2p/scope.ts")
    >("src/adapters/p2p/scope.ts", [
      { find: "`coterie/${lockHash.slice(2)}/${channel}/1`", replace: "`coterie/${channel}/1`" },
    ]);
    const scopes = [7, 8].map((fill) => ({ scope: unbound(filledRoot(fill)) }));
    const node = await startNode(test, { ...nodeOptions(0, ports), ...scopes[0] });
    await startNode(test, { ...nodeOptions(1, ports), ...scopes[1] });
    await until("frames of two locks mix", () => node.network.path(1) === "direct");
  });

  it("NET-3: one side that can be reached is enough", async (test) => {
    const ports = await freePorts(2);
    const hidden = await startNode(test, nodeOptions(0, ports));
    const dialled = await startNode(test, nodeOptions(1, [0, ports[1] ?? 0]));
    await until("both have a path", () =>
      [hidden.network.path(1), dialled.network.path(0)].every((path) => path === "direct"),
    );
  });

  it("NET-10: a busy port is the operator's error and names the flag", async (test) => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    test.after(() => server.close());
    const address = server.address();
    assert(address !== null && typeof address === "object");
    const node = await createLibp2pNetwork(nodeOptions(0, [address.port]));
    await assert.rejects(node.start(), (error) => {
      assert(error instanceof UsageError);
      assert.match(error.message, /another process uses the port/);
      assert.match(error.message, /--p2p-tcp-address/);
      assert.match(error.message, new RegExp(`${address.port}`));
      return true;
    });
  });

  it("NET-9: warns with both addresses when one key connects from two places", async (test) => {
    const [own = 0, there = 0] = await freePorts(2);
    const lines: LogLine[] = [];
    const peer = {
      index: 1,
      publicKey: publicKeyOf(1),
      addresses: [`/ip4/127.0.0.2/tcp/${there}`],
    };
    const node = await startNode(test, {
      ...nodeOptions(0, [own]),
      peers: [peer],
      logger: collectingLogger(lines),
    });
    // The first knows no address and is dialled at 127.0.0.2; its twin comes from 127.0.0.1.
    const listen = [`/ip4/127.0.0.2/tcp/${there}`];
    await startNode(test, { ...nodeOptions(1, [0, there]), listen });
    await until("the first is connected", () => node.network.path(1) === "direct");
    assert(!lines.some(({ message }) => message.includes("key is in use twice")));
    await startNode(test, { ...nodeOptions(1, [own, 0]) });
    const warning = () => lines.find(({ message }) => message.includes("key is in use twice"));
    await until("it is said", () => warning() !== undefined);
    const text = JSON.stringify(warning()?.fields);
    assert.match(text, /127\.0\.0\.1/);
    assert.match(text, /127\.0\.0\.2/);
  });
});
