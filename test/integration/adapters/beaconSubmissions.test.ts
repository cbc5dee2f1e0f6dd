import "../../support/mainnetPreset.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import { FaultError } from "../../../src/domain/errors.ts";
import type { Root } from "../../../src/domain/keys.ts";
import type { SignedAttestation } from "../../../src/eth2/types.ts";
import { benchOf } from "../../support/beaconClients.ts";
import { busy, type Fault, hang, reply } from "../../support/fakeBeaconServer.ts";

const ROOT = `0x${"cc".repeat(32)}` as Root;

function attestation(validatorIndex: number): SignedAttestation {
  return {
    fork: "electra",
    data: {
      slot: 100,
      index: 0,
      beaconBlockRoot: ROOT,
      source: { epoch: 2, root: ROOT },
      target: { epoch: 3, root: ROOT },
    },
    validatorIndex,
    committeeIndex: 4,
    committeeLength: 8,
    validatorCommitteeIndex: 1,
    signature: new Uint8Array(96).fill(7),
  };
}
const BATCH = [attestation(1), attestation(2), attestation(3)];

function failing(...indices: readonly (number | string)[]): Fault {
  const failures = indices.map((index) => ({ index, message: `no ${index}` }));
  return reply({ status: 400, json: { code: 400, message: "some failed", failures } });
}

test("BN-4: submits to every endpoint, in the fork's container", async (t) => {
  const { client, servers, signal } = await benchOf(t, 2);
  assert.deepEqual(await client.submitAttestations(BATCH, signal), []);
  const received = servers.map((server) => server.requests("/pool/attestations")[0]);
  for (const request of received) {
    assert.ok(request !== undefined);
    assert.equal(request.method, "POST");
    assert.equal(request.url, "/eth/v2/beacon/pool/attestations");
    assert.equal(request.headers["eth-consensus-version"], "electra");
    assert.equal(request.headers["content-type"], "application/json");
    const [item] = request.body as readonly Record<string, unknown>[];
    assert.equal(item?.["attester_index"], "1");
    assert.equal(item?.["committee_index"], "4");
    assert.equal(item?.["signature"], `0x${"07".repeat(96)}`);
  }
});

test("an empty batch asks nobody", async (t) => {
  const { client, servers, signal } = await benchOf(t, 1);
  assert.deepEqual(await client.submitAttestations([], signal), []);
  assert.equal(servers[0]?.seen.length, 0);
});

test("BN-4: names the items that the node did not take", async (t) => {
  const { client, servers, signal } = await benchOf(t, 1);
  servers[0]?.faults.set("/pool/", failing(0, "2"));
  assert.deepEqual(await client.submitAttestations(BATCH, signal), [
    { index: 0, message: "no 0" },
    { index: 2, message: "no 2" },
  ]);
});

test("BN-4: an item fails only if no endpoint took it", async (t) => {
  const { client, servers, signal } = await benchOf(t, 3);
  servers[0]?.faults.set("/pool/", failing(0, 1));
  servers[1]?.faults.set("/pool/", failing(1, 2));
  servers[2]?.faults.set("/pool/", busy);
  assert.deepEqual(await client.submitAttestations(BATCH, signal), [{ index: 1, message: "no 1" }]);
  servers[2]?.faults.clear();
  assert.deepEqual(await client.submitAttestations(BATCH, signal), []);
});

test("BN-4: one endpoint that took all is enough while another is silent", async (t) => {
  const { client, servers, signal } = await benchOf(t, 2);
  servers[0]?.faults.set("/pool/", hang);
  assert.deepEqual(await client.submitAttestations(BATCH, signal), []);
});

test("BN-4: a batch refused as a whole is a fault that is not retried", async (t) => {
  const { client, servers, signal } = await benchOf(t, 1);
  const refusals = [
    reply({ status: 400, json: { message: "bad header" } }),
    reply({ status: 404, json: { message: "no such route" } }),
    failing(),
    failing(3),
    failing(-1),
    reply({ status: 400, text: "<html>" }),
  ];
  for (const refusal of refusals) {
    servers[0]?.faults.set("/pool/", refusal);
    await assert.rejects(client.submitAttestations(BATCH, signal), (error) => {
      assert.ok(error instanceof FaultError);
      assert.equal(error.code, "beacon_rejected");
      assert.equal(error.retryable, false);
      return true;
    });
  }
});

test("BN-4: an endpoint that has had too many requests is asked again", async (t) => {
  const { client, servers, signal } = await benchOf(t, 1);
  for (const status of [408, 425, 429]) {
    servers[0]?.faults.set("/pool/", reply({ status, json: { code: status, message: "later" } }));
    await assert.rejects(
      client.submitAttestations(BATCH, signal),
      (error) => error instanceof FaultError && error.retryable,
    );
  }
});

test("BN-4: a batch that one endpoint refuses is not lost while another is away", async (t) => {
  for (const order of [
    [reply({ status: 400, text: "<html>" }), busy],
    [busy, reply({ status: 400, text: "<html>" })],
  ]) {
    const { client, servers, signal } = await benchOf(t, 2);
    for (const [i, fault] of order.entries()) servers[i]?.faults.set("/pool/", fault);
    await assert.rejects(
      client.submitAttestations(BATCH, signal),
      (error) => error instanceof FaultError && error.retryable,
    );
  }
});

test("BN-4: fails with a retryable fault when no endpoint answers", async (t) => {
  const { client, servers, signal } = await benchOf(t, 2);
  for (const { faults } of servers) faults.set("/pool/", busy);
  await assert.rejects(
    client.submitAttestations(BATCH, signal),
    (error) => error instanceof FaultError && error.retryable,
  );
});
