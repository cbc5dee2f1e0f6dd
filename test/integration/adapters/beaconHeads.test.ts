import "../../support/mainnetPreset.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import type { HeadEvent } from "../../../src/ports/beaconNode.ts";
import { benchOf } from "../../support/beaconClients.ts";
import { genesis, reply } from "../../support/fakeBeaconServer.ts";
import { until } from "../../support/until.ts";

const block = (n: number): string => `0x${n.toString(16).padStart(64, "0")}`;

test("BN-6: tells each head once, whichever endpoint says it first", async (t) => {
  const { client, servers, signal } = await benchOf(t, 2);
  const heads: HeadEvent[] = [];
  client.onHead((event) => heads.push(event), signal);
  await until("both are followed", () => servers.every(({ listeners }) => listeners === 1));
  servers[0]?.emitHead(1, block(1));
  await until("the first head", () => heads.length === 1);
  servers[1]?.emitHead(1, block(1));
  servers[1]?.emitHead(2, block(2));
  await until("the second head", () => heads.length === 2);
  assert.deepEqual(
    heads.map(({ slot }) => slot),
    [1, 2],
  );
  assert.deepEqual(heads[0], {
    slot: 1,
    block: block(1),
    previousDutyDependentRoot: `0x${"cc".repeat(32)}`,
    currentDutyDependentRoot: `0x${"cc".repeat(32)}`,
  });
});

test("BN-6: an event may come in pieces, between events of other topics", async (t) => {
  const { client, servers, signal } = await benchOf(t, 1);
  const heads: HeadEvent[] = [];
  client.onHead((event) => heads.push(event), signal);
  const [server] = servers;
  assert.ok(server !== undefined);
  await until("it is followed", () => server.listeners === 1);
  server.emitRaw('event: block\ndata: {"slot":"1"}\n\nevent: head\nda');
  await new Promise((resolve) => setTimeout(resolve, 20));
  server.emitRaw(
    `ta: {"slot":"5","block":"${block(5)}","state":"${block(0)}","epoch_transition":false,` +
      `"previous_duty_dependent_root":"${block(0)}","current_duty_dependent_root":"${block(0)}",` +
      '"execution_optimistic":false}\n\n',
  );
  await until("the head", () => heads.length === 1);
  assert.equal(heads[0]?.slot, 5);
});

const BREAKS: Readonly<Record<string, string | null>> = {
  "a dropped connection": null,
  "an event that is no head": 'event: head\ndata: {"slot":"x"}\n\n',
  "an event that is no JSON": "event: head\ndata: {\n\n",
  "an event of a short root": 'event: head\ndata: {"slot":"1","block":"0x11"}\n\n',
  "an event without end": `event: head\ndata: ${"x".repeat(200_000)}`,
};
for (const [name, text] of Object.entries(BREAKS)) {
  test(`BN-6: follows again after ${name}`, async (t) => {
    const { client, servers, signal } = await benchOf(t, 1);
    const heads: HeadEvent[] = [];
    client.onHead((event) => heads.push(event), signal);
    const [server] = servers;
    assert.ok(server !== undefined);
    await until("it is followed", () => server.listeners === 1);
    if (text === null) server.dropStreams();
    else server.emitRaw(text);
    await until("it is followed again", () => server.requests("/events").length === 2);
    await until("the stream is open", () => server.listeners === 1);
    server.emitHead(9, block(9));
    await until("the head", () => heads.length === 1);
  });
}

/** As the Beacon API writes it: a slashing's data with long lists of who attested. */
function slashingEvents(): string {
  const checkpoint = { epoch: "1", root: block(0) };
  const attestation = (indices: readonly number[], index: string) => ({
    attesting_indices: indices.map(String),
    data: {
      ...{ slot: "40", index, beacon_block_root: block(0), source: checkpoint, target: checkpoint },
    },
    signature: `0x${"ab".repeat(96)}`,
  });
  const many = Array.from({ length: 20_000 }, (_, i) => 1_000_000 + i);
  const header = (body_root: string) => ({
    message: {
      slot: "7",
      proposer_index: "9",
      parent_root: block(0),
      state_root: block(0),
      body_root,
    },
    signature: `0x${"ab".repeat(96)}`,
  });
  const attester = {
    attestation_1: attestation([3, 5, ...many], "0"),
    attestation_2: attestation([5, 8], "1"),
  };
  const proposer = { signed_header_1: header(block(1)), signed_header_2: header(block(2)) };
  return [
    `event: attester_slashing\ndata: ${JSON.stringify(attester)}\n\n`,
    `event: proposer_slashing\ndata: ${JSON.stringify(proposer)}\n\n`,
  ].join("");
}

test("SLASHED-2: slashings tell whom they convict, however many others they name", async (t) => {
  const { client, servers, signal } = await benchOf(t, 1);
  const convicted: (readonly number[])[] = [];
  client.onSlashing((indices) => convicted.push(indices), signal);
  const [server] = servers;
  assert.ok(server !== undefined);
  await until("each topic has a stream", () => server.listeners === 2);
  const topics = server.requests("/events").map(({ url }) => url.split("topics=")[1]);
  assert.deepEqual(topics.sort(), ["attester_slashing", "proposer_slashing"]);
  server.emitRaw(slashingEvents());
  await until("both are told", () => convicted.length === 2);
  assert.deepEqual([...convicted].sort(), [[5], [9]]);
  server.emitRaw("event: proposer_slashing\ndata: {}\n\n");
  await until("it is followed again", () => server.requests("/events").length === 3);
});

test("BN-6: stops with the signal", async (t) => {
  const { client, servers } = await benchOf(t, 1);
  const stopping = new AbortController();
  client.onHead(() => assert.fail("no head is told after the end"), stopping.signal);
  const [server] = servers;
  assert.ok(server !== undefined);
  await until("it is followed", () => server.listeners === 1);
  stopping.abort(new Error("over"));
  await until("the connection is closed", () => server.listeners === 0);
  server.emitHead(1, block(1));
  assert.equal(server.requests("/events").length, 1);
});

test("BN-7: an endpoint of another chain is not followed", async (t) => {
  const { client, servers, signal } = await benchOf(t, 2, {
    prepare: ([wrong]) => wrong?.faults.set("/genesis", reply(genesis("0x99999999"))),
  });
  const heads: HeadEvent[] = [];
  client.onHead((event) => heads.push(event), signal);
  const [wrong, right] = servers;
  await until("the right one is followed", () => right?.listeners === 1);
  right?.emitHead(1, block(1));
  await until("its head", () => heads.length === 1);
  assert.equal(wrong?.requests("/events").length, 0);
});
