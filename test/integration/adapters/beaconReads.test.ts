import "../../support/mainnetPreset.ts";
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createBeaconClient } from "../../../src/adapters/beacon/client.ts";
import { systemClock } from "../../../src/adapters/system/clock.ts";
import { type FaultCode, FaultError, UsageError } from "../../../src/domain/errors.ts";
import type { PubKey, Root } from "../../../src/domain/keys.ts";
import { MAX_BEACON_RESPONSE_BYTES } from "../../../src/domain/limits.ts";
import { blockHeaderRoot } from "../../../src/eth2/blockHeader.ts";
import { ssz } from "../../../src/eth2/ssz.ts";
import { type Bench, benchOf } from "../../support/beaconClients.ts";
import {
  attestationData,
  attesterDuties,
  busy,
  type Fault,
  GVR,
  hang,
  header,
  headerMessage,
  PUBKEY,
  reply,
  syncing,
} from "../../support/fakeBeaconServer.ts";
import { loadMutant } from "../../support/mutant.ts";
import { countingMetrics, recordingLogger } from "../../support/quiet.ts";

const ROOT = `0x${"cc".repeat(32)}` as Root;
const SLOT = 100;
const BLOCK = blockHeaderRoot(ssz.phase0.BeaconBlockHeader.fromJson(headerMessage(7)));

function isFault(code: FaultCode): (error: unknown) => boolean {
  return (error) => error instanceof FaultError && error.code === code;
}

function first<T>(items: readonly T[]): T {
  const [item] = items;
  assert.ok(item !== undefined);
  return item;
}

test("asks the Beacon API's routes and answers in the project's shapes", async (t) => {
  const { client, servers, signal } = await benchOf(t, 1);
  const server = first(servers);
  const genesis = await client.genesis(signal);
  assert.deepEqual(genesis, { genesisTime: 1_700_000_000, genesisValidatorsRoot: GVR });
  assert.deepEqual(await client.spec(signal), { PRESET_BASE: "mainnet" });
  const status = { headSlot: 40, isSyncing: false, isElOffline: false };
  assert.deepEqual(await client.syncStatus(signal), status);

  const keys = [PUBKEY(5), PUBKEY(6)] as PubKey[];
  assert.deepEqual(await client.validators(keys, signal), [
    { pubKey: keys[0], index: 0, status: "active_ongoing" },
    { pubKey: keys[1], index: 1, status: "active_ongoing" },
  ]);
  assert.deepEqual(first(server.requests("/states/head/validators")).body, { ids: keys });

  assert.deepEqual(await client.attesterDuties(3, [5], signal), {
    dependentRoot: ROOT,
    duties: [
      {
        pubKey: PUBKEY(5),
        validatorIndex: 5,
        committeeIndex: 1,
        committeeLength: 8,
        committeesAtSlot: 2,
        validatorCommitteeIndex: 3,
        slot: 101,
      },
    ],
  });
  assert.deepEqual(first(server.requests("/duties/attester/3")).body, ["5"]);

  const data = await client.attestationData(SLOT, signal);
  assert.equal(data.slot, SLOT);
  assert.deepEqual(data.target, { epoch: 3, root: ROOT });
  assert.equal(
    first(server.requests("attestation_data")).url,
    "/eth/v1/validator/attestation_data?slot=100&committee_index=0",
  );
  assert.equal(await client.blockSlot(BLOCK, signal), 7);
});

const BAD: Readonly<Record<string, readonly [Fault, FaultCode]>> = {
  "503 while syncing": [busy, "beacon_syncing"],
  "an internal error": [reply({ status: 500, json: { message: "oops" } }), "beacon_bad_response"],
  "a redirect": [reply({ status: 302 }), "beacon_bad_response"],
  "a client error": [reply({ status: 400, json: { message: "no" } }), "beacon_bad_response"],
  "text that is no JSON": [reply({ text: "<html>" }), "beacon_bad_response"],
  "a truncated answer": [reply({ text: '{"data": {"slot": "1' }), "beacon_bad_response"],
  "JSON of another shape": [reply({ json: { data: [] } }), "beacon_bad_response"],
  "JSON that nests too deep": [reply({ text: "[".repeat(200_000) }), "beacon_bad_response"],
  "another slot than asked": [reply(attestationData(SLOT + 1)), "beacon_bad_response"],
  "a number above 2^53": [
    reply(attestationData(SLOT, { source: { epoch: "9007199254740993", root: ROOT } })),
    "beacon_bad_response",
  ],
  "a target of another epoch": [
    reply(attestationData(SLOT, { target: { epoch: "4", root: ROOT } })),
    "beacon_bad_response",
  ],
  // BN-5: the rest of it is not read.
  "a body above the limit": [
    (_request, response) => {
      const chunk = Buffer.alloc(1024 * 1024, 0x20);
      let left = MAX_BEACON_RESPONSE_BYTES / chunk.length + 1;
      response.writeHead(200);
      const send = (): void => {
        while (left-- > 0) if (!response.write(chunk)) return void response.once("drain", send);
        response.end();
      };
      send();
      return true;
    },
    "beacon_bad_response",
  ],
  "a connection that breaks": [
    (_request, response) => {
      response.destroy();
      return true;
    },
    "beacon_unreachable",
  ],
};
for (const [name, [fault, code]] of Object.entries(BAD)) {
  test(`BN-2: ${name} is a retryable fault, and the next endpoint answers`, async (t) => {
    const alone = await benchOf(t, 1);
    first(alone.servers).faults.set("attestation_data", fault);
    await assert.rejects(alone.client.attestationData(SLOT, alone.signal), (error) => {
      assert.ok(error instanceof FaultError);
      assert.equal(error.code, code);
      assert.equal(error.retryable, true);
      return true;
    });
    const pair = await benchOf(t, 2);
    first(pair.servers).faults.set("attestation_data", fault);
    assert.equal((await pair.client.attestationData(SLOT, pair.signal)).slot, SLOT);
  });
}

const WRONG_DUTIES: Readonly<Record<string, Record<string, unknown>>> = {
  "of a validator not asked for": { validator_index: "9" },
  "outside the epoch": { slot: "1" },
  "of a seat outside the committee": { validator_committee_index: "8" },
  "of a committee outside the slot": { committee_index: "2" },
};
for (const [name, changes] of Object.entries(WRONG_DUTIES)) {
  test(`BN-2: duties ${name} are refused`, async (t) => {
    const { client, servers, signal } = await benchOf(t, 1);
    first(servers).faults.set("/duties/", ({ body }, response) =>
      reply(attesterDuties(3, body, changes))({} as never, response),
    );
    await assert.rejects(client.attesterDuties(3, [5], signal), isFault("beacon_bad_response"));
  });
}

test("BN-2: two duties of one validator are refused", async (t) => {
  const { client, servers, signal } = await benchOf(t, 1);
  first(servers).faults.set("/duties/", reply(attesterDuties(3, ["5", "5"])));
  await assert.rejects(client.attesterDuties(3, [5], signal), isFault("beacon_bad_response"));
});

test("BN-2: an unknown block has no slot; another block's header is refused", async (t) => {
  const { client, servers, signal } = await benchOf(t, 1);
  const { faults } = first(servers);
  faults.set("/headers/", reply({ status: 404, json: { message: "not found" } }));
  assert.equal(await client.blockSlot(ROOT, signal), null);
  faults.set("/headers/", reply(header(`0x${"dd".repeat(32)}`, 7)));
  await assert.rejects(client.blockSlot(BLOCK, signal), isFault("beacon_bad_response"));
  faults.set("/headers/", reply(header(ROOT, 7)));
  await assert.rejects(client.blockSlot(ROOT, signal), isFault("beacon_bad_response"));
});

async function askTwice({ client, signal }: Bench): Promise<void> {
  for (const slot of [SLOT, SLOT + 1]) {
    assert.equal((await client.attestationData(slot, signal)).slot, slot);
  }
}

test("BN-2: a number that is negative, broken or above 2^53 is the endpoint's fault", async (t) => {
  const { client, servers, signal } = await benchOf(t, 1);
  const [server] = servers;
  const source = (epoch: unknown): Fault =>
    reply(attestationData(SLOT, { source: { epoch, root: ROOT } }));
  for (const epoch of ["-1", "-99999999999999999999999", 0.5, -1, 1e30]) {
    server?.faults.set("/attestation_data", source(epoch));
    const asked = client.attestationData(SLOT, signal);
    await assert.rejects(asked, isFault("beacon_bad_response"), String(epoch));
  }
  server?.faults.set("/attestation_data", source("1"));
  assert.equal((await client.attestationData(SLOT, signal)).source.epoch, 1);
});

test("BN-3: a silent endpoint is overtaken, and asked last the next time", async (t) => {
  const bench = await benchOf(t, 2);
  const [silent, good] = bench.servers;
  assert.ok(silent && good);
  silent.faults.set("attestation_data", hang);
  await askTwice(bench);
  assert.equal(silent.requests("attestation_data").length, 1);
  assert.equal(good.requests("attestation_data").length, 2);
  assert.equal(bench.logger.lines.filter(({ level }) => level === "warn").length, 1);
});

test("BN-3: a failed endpoint is asked last the next time", async (t) => {
  const bench = await benchOf(t, 2);
  const [failing, good] = bench.servers;
  assert.ok(failing && good);
  failing.faults.set("attestation_data", busy);
  await askTwice(bench);
  assert.equal(failing.requests("attestation_data").length, 1);
  assert.equal(good.requests("attestation_data").length, 2);
  const faults = { route: "attestationData", reason: "beacon_syncing" };
  assert.equal(bench.metrics.total("beacon_request_faults_total", faults), 1);
});

test("BN-3: a syncing endpoint comes last until it has caught up", async (t) => {
  const { client, servers, signal, logger } = await benchOf(t, 2);
  const [lagging, good] = servers;
  assert.ok(lagging && good);
  lagging.faults.set("/syncing", reply(syncing(true)));
  assert.equal((await client.syncStatus(signal)).isSyncing, false, "answers for the best");
  await client.attestationData(SLOT, signal);
  await client.syncStatus(signal);
  assert.equal(lagging.requests("attestation_data").length, 0);
  lagging.faults.clear();
  await client.syncStatus(signal);
  await client.attestationData(SLOT, signal);
  assert.equal(lagging.requests("attestation_data").length, 1);
  assert.deepEqual(
    logger.lines.map(({ message }) => message),
    [
      "A beacon node cannot be used and is asked last for a while.",
      "A beacon node is usable again.",
    ],
  );
});

test("BN-3: an endpoint that stands still and says nothing of it is asked last", async (t) => {
  const { client, servers, signal, logger } = await benchOf(t, 3);
  const [stuck, good, away] = servers;
  assert.ok(stuck && good && away);
  away.faults.set("/syncing", busy);
  const headAt = (slot: number): Fault => {
    const { data } = syncing(false).json as { data: Record<string, unknown> };
    return reply({ json: { data: { ...data, head_slot: String(slot) } } });
  };
  stuck.faults.set("/syncing", headAt(31));
  await client.syncStatus(signal);
  await client.attestationData(SLOT, signal);
  assert.deepEqual(
    [stuck, good].map((s) => s.requests("attestation_data").length),
    [0, 1],
  );
  assert.equal(client.endpoints()[0]?.problem, "its head is 9 slots behind another's");
  stuck.faults.set("/syncing", headAt(32));
  await client.syncStatus(signal);
  await client.attestationData(SLOT, signal);
  assert.equal(stuck.requests("attestation_data").length, 1);
  assert.equal(logger.lines.at(-1)?.message, "A beacon node is usable again.");
});

test("a syncing status counts when there is no better; none at all is a fault", async (t) => {
  const { client, servers, signal } = await benchOf(t, 2);
  for (const { faults } of servers) faults.set("/syncing", reply(syncing(false, true)));
  assert.equal((await client.syncStatus(signal)).isElOffline, true);
  for (const { faults } of servers) faults.set("/syncing", busy);
  await assert.rejects(client.syncStatus(signal), isFault("beacon_syncing"));
});

test("a beacon node that is not running is unreachable", async (t) => {
  const { client, servers, signal } = await benchOf(t, 1);
  await client.genesis(signal);
  await first(servers).stop();
  await assert.rejects(client.attestationData(SLOT, signal), isFault("beacon_unreachable"));
});

test("BN-5: stops when the caller's signal aborts, with its reason", async (t) => {
  const { client, servers } = await benchOf(t, 2);
  for (const { faults } of servers) faults.set("attestation_data", hang);
  const deadline = new AbortController();
  const asked = client.attestationData(SLOT, deadline.signal);
  const reason = new Error("the duty is over");
  setTimeout(() => deadline.abort(reason), 50);
  await assert.rejects(asked, reason);
});

test("BN-8: credentials reach the beacon node and no log, metric label or error", async (t) => {
  const { client, servers, signal, logger } = await benchOf(t, 1, {
    urls: ([server]) => [`${server?.url.replace("//", "//alice:s3cr3t%40@")}/key-1234/`],
  });
  const server = first(servers);
  await client.genesis(signal);
  const request = first(server.seen);
  assert.equal(request.url, "/key-1234/eth/v1/beacon/genesis");
  assert.equal(
    Buffer.from(request.headers.authorization?.slice(6) ?? "", "base64").toString(),
    "alice:s3cr3t@",
  );
  server.faults.set("attestation_data", busy);
  const failed = await client.attestationData(SLOT, signal).catch((error: unknown) => error);
  assert.ok(failed instanceof FaultError);
  const told = `${failed.stack} ${JSON.stringify(logger.lines)}`;
  assert.match(told, /127\.0\.0\.1/);
  assert.doesNotMatch(told, /alice|s3cr3t|key-1234/);
});

test("BN-8: an endpoint that is no URL is named by its place, never by its text", () => {
  const encoded = "http://a:s3cr3t%@host";
  for (const text of ["s3cr3t", "ftp://s3cr3t@host", "http://host/?key=s3cr3t", "", encoded]) {
    const create = (): unknown =>
      createBeaconClient({
        endpoints: ["http://127.0.0.1:1", text],
        genesisForkVersion: "0x00000000",
        clock: systemClock,
        logger: recordingLogger(),
        metrics: countingMetrics(),
      });
    assert.throws(create, (error) => {
      assert.ok(error instanceof UsageError);
      const what = text === encoded ? /of entry 2 are not percent-/ : /entry 2 is not an http/;
      assert.match(error.message, what);
      assert.doesNotMatch(error.message, /s3cr3t/);
      return true;
    });
  }
});

async function mutantOf(t: TestContext, find: string, replace: string): Promise<Bench> {
  const module = await loadMutant<typeof import("../../../src/adapters/beacon/client.ts")>(
    "src/adapters/beacon/client.ts",
    [{ file: "src/adapters/beacon/calls.ts", find, replace }],
  );
  return benchOf(t, 1, { create: module.createBeaconClient });
}

test("mutant: without the slot check a lying beacon node's data passes", async (t) => {
  const { client, servers, signal } = await mutantOf(t, "data.slot !== slot", "false");
  first(servers).faults.set("attestation_data", reply(attestationData(SLOT + 1)));
  assert.equal((await client.attestationData(SLOT, signal)).slot, SLOT + 1);
});
