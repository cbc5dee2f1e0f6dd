import "../../support/mainnetPreset.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import { FaultError, UsageError } from "../../../src/domain/errors.ts";
import { benchOf } from "../../support/beaconClients.ts";
import {
  busy,
  FakeBeaconServer,
  GENESIS_FORK_VERSION,
  GVR,
  genesis,
  hang,
  reply,
} from "../../support/fakeBeaconServer.ts";
import { loadMutant } from "../../support/mutant.ts";
import { until } from "../../support/until.ts";

const OTHER_VERSION = reply(genesis("0x99999999"));
const OTHER_ROOT = reply(genesis(GENESIS_FORK_VERSION, `0x${"66".repeat(32)}`));
const SLOT = 100;

test("BN-7: an endpoint of another network is excluded loudly and never asked again", async (t) => {
  const { client, servers, signal, logger } = await benchOf(t, 2, {
    prepare: ([wrong]) => wrong?.faults.set("/genesis", OTHER_VERSION),
  });
  const [wrong] = servers;
  assert.equal((await client.genesis(signal)).genesisValidatorsRoot, GVR);
  await client.attestationData(SLOT, signal);
  await client.syncStatus(signal);
  assert.equal(wrong?.seen.length, 1, "only its genesis was asked");
  const errors = logger.lines.filter(({ level }) => level === "error");
  assert.equal(errors.length, 1);
  assert.equal(errors[0]?.fields["genesisForkVersion"], "0x99999999");
});

test("BN-7: of endpoints that disagree on the genesis the fewer are excluded", async (t) => {
  const { client, servers, signal } = await benchOf(t, 3, {
    prepare: ([liar]) => liar?.faults.set("/genesis", OTHER_ROOT),
  });
  assert.equal((await client.genesis(signal)).genesisValidatorsRoot, GVR);
  await client.attestationData(SLOT, signal);
  assert.equal(servers[0]?.requests("attestation_data").length, 0);
});

test("BN-7: with all endpoints on another network the operator is told", async (t) => {
  const { client, servers, signal } = await benchOf(t, 2, {
    prepare: (servers) => {
      for (const { faults } of servers) faults.set("/genesis", OTHER_VERSION);
    },
  });
  await assert.rejects(client.spec(signal), (error) => {
    assert.ok(error instanceof UsageError);
    assert.match(error.message, /0x99999999/);
    assert.match(error.message, /--beacon-node-endpoints/);
    return true;
  });
  assert.equal(servers[0]?.requests("/spec").length, 0);
});

test("BN-7: an endpoint silent at the start is compared before its first use", async (t) => {
  const late = await FakeBeaconServer.start();
  await late.stop();
  const { client, servers, signal, logger } = await benchOf(t, 1, {
    urls: (servers) => [late.url, ...servers.map(({ url }) => url)],
  });
  await client.attestationData(SLOT, signal);
  const reborn = await FakeBeaconServer.start(late.port);
  t.after(() => reborn.stop());
  reborn.faults.set("/genesis", OTHER_ROOT);
  servers[0]?.faults.set("attestation_data", busy);
  await assert.rejects(client.attestationData(SLOT, signal), FaultError);
  assert.equal(reborn.requests("/genesis").length, 1);
  assert.equal(reborn.requests("attestation_data").length, 0);
  assert.equal(logger.lines.filter(({ level }) => level === "error").length, 1);
});

test("BN-7: a silent endpoint delays the start by no more than a moment", async (t) => {
  const { client, signal } = await benchOf(t, 2, {
    prepare: ([silent]) => silent?.faults.set("/genesis", hang),
  });
  const startedAt = performance.now();
  assert.equal((await client.genesis(signal)).genesisValidatorsRoot, GVR);
  assert.ok(performance.now() - startedAt < 5_000, "well below one request's time limit");
});

test("BN-7: a start that is given up leaves the comparison to the next caller", async (t) => {
  const { client, servers, signal } = await benchOf(t, 1, {
    prepare: ([server]) => server?.faults.set("/genesis", hang),
  });
  const [server] = servers;
  assert.ok(server !== undefined);
  const given = new AbortController();
  const reason = new Error("given up");
  const asked = client.genesis(given.signal);
  await until("the comparison is under way", () => server.seen.length === 1);
  given.abort(reason);
  await assert.rejects(asked, reason);
  const shared = client.genesis(signal);
  server.faults.clear();
  server.dropAll();
  await assert.rejects(shared, FaultError);
  assert.equal((await client.genesis(signal)).genesisValidatorsRoot, GVR);
  assert.equal(server.requests("/genesis").length, 2);
});

test("mutant: without the comparison another network's data is used", async (t) => {
  const module = await loadMutant<typeof import("../../../src/adapters/beacon/client.ts")>(
    "src/adapters/beacon/client.ts",
    [
      {
        file: "src/adapters/beacon/chainGuard.ts",
        find: "forkVersion === this.#parts.genesisForkVersion",
        replace: 'forkVersion !== ""',
      },
    ],
  );
  const { client, signal } = await benchOf(t, 1, {
    create: module.createBeaconClient,
    prepare: ([wrong]) => wrong?.faults.set("/genesis", OTHER_VERSION),
  });
  assert.equal((await client.attestationData(SLOT, signal)).slot, SLOT);
});
