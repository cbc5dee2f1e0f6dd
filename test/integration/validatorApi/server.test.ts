// The server itself: limits, protection, streams, and beacon nodes that go away.
import "../../support/minimalPreset.ts";
import assert from "node:assert/strict";
import { type ClientRequest, get, type IncomingMessage, request } from "node:http";
import { request as tlsRequest } from "node:https";
import { connect } from "node:net";
import { test } from "node:test";
import { createBeaconClient } from "../../../src/adapters/beacon/client.ts";
import { systemClock } from "../../../src/adapters/system/clock.ts";
import { UsageError } from "../../../src/domain/errors.ts";
import { MAX_VC_BODY_BYTES } from "../../../src/domain/limits.ts";
import { makeCertificate } from "../../support/certificate.ts";
import {
  busy,
  FakeBeaconServer,
  GENESIS_FORK_VERSION,
  hang,
  reply,
} from "../../support/fakeBeaconServer.ts";
import { countingMetrics, recordingLogger } from "../../support/quiet.ts";
import { temporaryFolder } from "../../support/temporary.ts";
import { until } from "../../support/until.ts";
import {
  openEvents,
  scriptedNode,
  startTestApi,
  upstreamsOf,
} from "../../support/validatorApiServer.ts";
import { send } from "../../support/virtualDevchain.ts";

const POOL = "/eth/v2/beacon/pool/attestations";
/** More than the sockets on the way hold. */
const MEGABYTES = 64;
const FULU = { "eth-consensus-version": "fulu" };
const SPEC = "/eth/v1/config/spec";

test("API-10: a body that is too large is refused, announced or not", async (t) => {
  const { url } = await startTestApi(t);
  const headers = { ...FULU, "content-type": "application/json" };
  const post = (length: Record<string, string>): Promise<number> =>
    new Promise((resolve, reject) => {
      const call = request(`${url}${POOL}`, { method: "POST", headers: { ...headers, ...length } });
      call.on("response", (response) => {
        resolve(response.statusCode ?? 0);
        call.destroy();
      });
      // What the client still writes may fail once the answer is there.
      call.on("error", reject);
      void writeForever(call);
    });
  assert.equal(await post({ "content-length": String(MAX_VC_BODY_BYTES + 1) }), 413);
  assert.equal(await post({ "transfer-encoding": "chunked" }), 413);
});

test("API-10: JSON that is nested too deep is refused before it is parsed", async (t) => {
  const { url } = await startTestApi(t);
  const body = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
  const headers = { ...FULU, "content-type": "application/json" };
  const answer = await fetch(`${url}${POOL}`, { method: "POST", body, headers });
  assert.equal(answer.status, 400);
  assert.match(await answer.text(), /nested deeper than 32/);
});

test("API-10: an unfinished request does not keep its connection", async (t) => {
  const { url, server } = await startTestApi(t, { timeouts: { headersMs: 200, requestMs: 400 } });
  const socket = connect(server.port, "127.0.0.1");
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.on("error", () => undefined).resume();
  socket.write(`POST ${POOL} HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n[`);
  await closed;
  assert.equal((await send(`${url}${SPEC}`)).status, 200, "others are served");
});

test("a bearer token is asked of everybody, and never passed on", async (t) => {
  const token = "a-token-of-twenty-characters";
  const api = await startTestApi(t, { token });
  const path = `${api.url}/eth/v1/beacon/headers/head`;
  const denied = await send(path);
  assert.equal(denied.status, 401);
  assert.equal(denied.headers.get("www-authenticate"), "Bearer");
  assert.equal((await send(path, { headers: { authorization: "Bearer wrong" } })).status, 401);
  const headers = { authorization: `Bearer ${token}` };
  assert.equal((await send(path, { headers })).status, 200);
  const passed = api.beacon.requests("/headers/head");
  assert.equal(passed.length, 1);
  assert.ok(!JSON.stringify(passed).includes(token));
});

test("with a certificate the API is served over TLS, else the files are named", async (t) => {
  const tls = makeCertificate(temporaryFolder(t));
  if (tls === null) return t.skip("there is no openssl on this machine");
  const { url } = await startTestApi(t, { tls });
  const status = await new Promise((resolve, reject) => {
    const call = tlsRequest(`${url}/eth/v1/node/version`, {
      ca: tls.cert,
      servername: "localhost",
    });
    call.on("response", (response) => resolve(response.statusCode)).on("error", reject);
    call.end();
  });
  assert.equal(status, 200);
  await assert.rejects(startTestApi(t, { tls: { cert: "no", key: "no" } }), UsageError);
});

test("an address that is in use is named with its flag", async (t) => {
  const { server } = await startTestApi(t);
  await assert.rejects(startTestApi(t, { port: server.port }), (error) => {
    assert.ok(error instanceof UsageError);
    assert.match(`${error.message} ${error.fix}`, /in use.*--validator-api-address/);
    return true;
  });
});

test("API-6: an answer streams through at the client's speed, headers and all", async (t) => {
  const api = await startTestApi(t);
  const chunk = Buffer.alloc(1024 * 1024, "x");
  let sent = 0;
  api.beacon.faults.set("/debug/", (_, response) => {
    response.writeHead(200, {
      "content-type": "application/octet-stream",
      "eth-consensus-version": "fulu",
      connection: "x-secret-hop, keep-alive",
      "x-secret-hop": "1",
    });
    const more = (): void => {
      let hasRoom = true;
      for (; hasRoom && sent < MEGABYTES; sent++) hasRoom = response.write(chunk);
      if (sent < MEGABYTES) response.once("drain", more);
      else response.end();
    };
    more();
    return true;
  });
  const response = await new Promise<IncomingMessage>((resolve) =>
    get(`${api.url}/eth/v2/debug/beacon/states/head`, resolve),
  );
  assert.equal(response.headers["eth-consensus-version"], "fulu");
  assert.equal(response.headers["x-secret-hop"], undefined);
  // Nobody reads: the sockets' buffers fill, and then the beacon node has to wait.
  await until("the beacon node is held back", () => sent > 0);
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.ok(sent < MEGABYTES / 2, `${sent} MB were taken without a reader`);
  let size = 0;
  for await (const part of response) size += part.length;
  assert.equal(size, MEGABYTES * chunk.length);
});

test("API-6: a client that hangs up ends the request at the beacon node", async (t) => {
  const api = await startTestApi(t);
  let isOpen = false;
  api.beacon.faults.set("/debug/", (_, response) => {
    isOpen = true;
    response.on("close", () => {
      isOpen = false;
    });
    response.writeHead(200);
    response.write("begin");
    return true;
  });
  const call = get(`${api.url}/eth/v2/debug/beacon/states/head`, (response) => response.resume());
  call.on("error", () => undefined);
  await until("the request reached the beacon node", () => isOpen);
  call.destroy();
  await until("the beacon node's side is closed", () => !isOpen);
});

test("API-6: a beacon node that is away or busy is passed over for the next", async (t) => {
  const first = await FakeBeaconServer.start();
  const second = await FakeBeaconServer.start();
  t.after(() => Promise.all([first.stop(), second.stop()]));
  first.faults.set("/headers", busy);
  second.faults.set("/headers", reply({ json: { data: "second" } }));
  const upstreams = upstreamsOf("http://127.0.0.1:1", first.url, second.url);
  const { url } = await startTestApi(t, { upstreams });
  assert.deepEqual((await send(`${url}/eth/v1/beacon/headers/head`)).body, { data: "second" });
  second.faults.set("/headers", reply({ status: 404, json: { code: 404, message: "none" } }));
  assert.equal((await send(`${url}/eth/v1/beacon/headers/head`)).status, 404, "an answer stands");
  second.faults.set("/headers", busy);
  assert.equal((await send(`${url}/eth/v1/beacon/headers/head`)).status, 503);
});

test("BN-3: a beacon node that hangs on a client's question is overtaken", async (t) => {
  const first = await FakeBeaconServer.start();
  const second = await FakeBeaconServer.start();
  t.after(() => Promise.all([first.stop(), second.stop()]));
  const client = createBeaconClient({
    endpoints: [first.url, second.url],
    genesisForkVersion: GENESIS_FORK_VERSION,
    clock: systemClock,
    logger: recordingLogger(),
    metrics: countingMetrics(),
  });
  t.after(() => client.close());
  const { url } = await startTestApi(t, { upstreams: client.upstreams });
  first.faults.set("/duties/", hang);
  const signal = AbortSignal.timeout(3_000);
  const answer = await fetch(`${url}/eth/v1/validator/duties/proposer/3`, { signal });
  assert.equal(answer.status, 200, "within a quarter of a slot");
  assert.equal(first.requests("/duties/").length, 1);
  assert.equal(client.endpoints()[0]?.problem, null, "a large question may take long");
});

test("API-7: a client starts while every beacon node is away, also after a restart", async (t) => {
  const api = await startTestApi(t);
  const paths = [
    "/eth/v1/beacon/genesis",
    SPEC,
    "/eth/v1/config/fork_schedule",
    "/eth/v1/config/deposit_contract",
  ];
  for (const path of paths) api.beacon.faults.set(path, reply({ json: { data: path } }));
  await until("the answers are kept", () =>
    paths.every((path) => api.beacon.requests(path).length > 0),
  );
  const before = await Promise.all(paths.map((path) => send(`${api.url}${path}`)));
  assert.deepEqual(
    before.map(({ body }) => body),
    paths.map((data) => ({ data })),
  );
  // Neither a proxy's page nor what would fill the disk is kept.
  for (const text of ["<html>", "1", JSON.stringify({ data: "x".repeat(300_000) })]) {
    api.beacon.faults.set(SPEC, reply({ text }));
    assert.equal((await fetch(`${api.url}${SPEC}`)).status, 200);
  }
  const upstreams = upstreamsOf("http://127.0.0.1:1");
  const restarted = await startTestApi(t, { upstreams, store: api.store });
  for (const [i, path] of paths.entries()) {
    const answer = await send(`${restarted.url}${path}`);
    assert.deepEqual([answer.status, answer.body], [200, before[i]?.body], path);
  }
  const syncing = await send(`${restarted.url}/eth/v1/node/syncing`);
  assert.equal((syncing.body as { data: { is_syncing: boolean } }).data.is_syncing, true);
  assert.equal((await send(`${restarted.url}/eth/v1/node/version`)).status, 200);
  const fresh = await startTestApi(t, { upstreams });
  assert.equal((await send(`${fresh.url}${SPEC}`)).status, 503);
});

test("API-9: a topic that the beacon node does not know costs no other", async (t) => {
  const api = await startTestApi(t);
  api.beacon.faults.set("topics=block_gossip", reply({ status: 400, json: {} }));
  const stream = await openEvents(`${api.url}/eth/v1/events?topics=head,block_gossip`);
  t.after(() => stream.close());
  await until("the stream is open", () => api.beacon.listeners === 1);
  api.beacon.emitHead(5, `0x${"aa".repeat(32)}`);
  await until("the event came", () => stream.text().includes('event: head\ndata: {"slot":"5"'));
  assert.ok(api.log.some(({ fields }) => fields["topic"] === "block_gossip"));
  const none = await send(`${api.url}/eth/v1/events?topics=block_gossip`);
  assert.equal(none.status, 400);
  assert.equal((await send(`${api.url}/eth/v1/events?topics=no-topic!`)).status, 400);
  assert.equal((await send(`${api.url}/eth/v1/events`)).status, 400);
});

test("API-9: the client's stream lives on when the beacon node's breaks", async (t) => {
  const api = await startTestApi(t);
  const stream = await openEvents(`${api.url}/eth/v1/events?topics=head`);
  await until("the stream is open", () => api.beacon.listeners === 1);
  api.beacon.dropStreams();
  await until("it was opened again", () => api.beacon.listeners === 1);
  api.beacon.emitHead(6, `0x${"bb".repeat(32)}`);
  await until("the event came", () => stream.text().includes('"slot":"6"'));
  stream.close();
  await until("the beacon node's side is closed", () => api.beacon.listeners === 0);
});

test("VC-8: head and block events wait for the decision, in order; others do not", async (t) => {
  const decided = new Map<number, PromiseWithResolvers<void>>();
  const slots: number[] = [];
  const node = scriptedNode({
    untilAttestable: async (slot) => {
      slots.push(slot);
      await decided.get(slot)?.promise;
    },
  });
  const api = await startTestApi(t, { node });
  for (const topic of ["head", "head_v2", "block", "block_gossip"]) {
    const stream = await openEvents(`${api.url}/eth/v1/events?topics=${topic}`);
    await until("the stream is open", () => api.beacon.listeners === 1);
    decided.set(5, Promise.withResolvers());
    const member = (slot: number) => `"slot":"${slot}"`;
    const event = (slot: number) =>
      topic === "head_v2" ? `{"data":{${member(slot)}}}` : `{${member(slot)}}`;
    for (const slot of [4, 5, 6]) api.beacon.emitRaw(`event: ${topic}\ndata: ${event(slot)}\n\n`);
    await until("the node was asked", () => slots.includes(5));
    await until("the first came", () => stream.text().includes(member(4)));
    assert.ok(!stream.text().includes(member(5)));
    assert.ok(!slots.includes(6), "what comes behind it waits, too");
    decided.get(5)?.resolve();
    await until("all came", () => stream.text().includes(member(6)));
    const order = [4, 5, 6].map((slot) => stream.text().indexOf(event(slot)));
    assert.deepEqual(
      order,
      [...order].sort((a, b) => a - b),
    );
    stream.close();
    await until("the beacon node's side is closed", () => api.beacon.listeners === 0);
    slots.length = 0;
  }
  const stream = await openEvents(`${api.url}/eth/v1/events?topics=finalized_checkpoint,head`);
  await until("the streams are open", () => api.beacon.listeners === 2);
  api.beacon.emitRaw('event: finalized_checkpoint\ndata: {"epoch":"1","slot":"5"}\n\n');
  // The fake sends every topic on both streams; the head's has no slot, or no JSON.
  const odd = '{"slot":{"toString":1,"valueOf":1}}';
  for (const data of [odd, "none"]) api.beacon.emitRaw(`event: head\ndata: ${data}\n\n`);
  await until("they came", () => stream.text().includes("data: none"));
  stream.close();
});

test("the node knows how long no client has asked", async (t) => {
  const { server, url } = await startTestApi(t);
  assert.equal(server.silenceMs(), null);
  await send(`${url}/eth/v1/node/version`);
  assert.ok((server.silenceMs() ?? Infinity) < 5_000);
});

/** Until the other side has had enough. */
async function writeForever(call: ClientRequest): Promise<void> {
  const chunk = Buffer.alloc(256 * 1024, "[");
  while (!call.destroyed) {
    if (!call.write(chunk)) await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
