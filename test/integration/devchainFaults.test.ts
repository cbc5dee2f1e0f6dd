import "../support/minimalPreset.ts";
import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { ssz } from "@lodestar/types";
import type { DevListener } from "../../sim/devchain/api/listener.ts";
import { ATTESTATION_LIES, NO_FAULTS } from "../../sim/devchain/faults.ts";
import { firstSeat, singleAttestation } from "../support/devchainMessages.ts";
import { send, startVirtualDevchain, type VirtualDevchain } from "../support/virtualDevchain.ts";

const VERSION = "/eth/v1/node/version";
const SYNCING = "/eth/v1/node/syncing";
const HEAD = "/eth/v1/beacon/headers/head";

describe("one listener of a dev chain", () => {
  let devchain: VirtualDevchain;
  let faulty: DevListener;
  let healthy: DevListener;

  before(async () => {
    devchain = await startVirtualDevchain({ fork: "fulu", ports: [0, 0] });
    const [first, second] = devchain.listeners;
    assert.ok(first && second);
    faulty = first;
    healthy = second;
    devchain.runTo(10);
  });
  afterEach(() => faulty.setFaults(NO_FAULTS));
  after(() => devchain.stop());

  const statusOf = async (path: string): Promise<number> =>
    (await send(`${faulty.url}${path}`)).status;
  const assertOtherIsWell = async (): Promise<void> =>
    assert.equal((await send(`${healthy.url}${VERSION}`)).status, 200);
  const attestationDataPath = (): string =>
    `/eth/v1/validator/attestation_data?slot=${devchain.chain.currentSlot()}&committee_index=0`;

  it("answers 501 by name for what it lacks, 404 for what no node has", async () => {
    const answer = await send(`${faulty.url}/eth/v1/node/identity`);
    assert.equal(answer.status, 501);
    assert.match(JSON.stringify(answer.body), /getNetworkIdentity/);
    const selections = await send(`${faulty.url}/eth/v1/validator/beacon_committee_selections`, {
      body: [],
    });
    assert.equal(selections.status, 501);
    assert.equal(await statusOf("/eth/v1/nothing"), 404);
  });

  it("answers in SSZ when asked, and lists by comma and by repetition", async () => {
    const headers = { accept: "application/octet-stream;q=1,application/json;q=0.9" };
    const data = await send(`${faulty.url}${attestationDataPath()}`, { headers });
    assert.equal(data.headers.get("content-type"), "application/octet-stream");
    const path = "/eth/v1/beacon/states/head/validators?id=1,2&id=3&id=999&status=active";
    const { body } = await send(`${faulty.url}${path}`);
    assert.equal((body as { data: unknown[] }).data.length, 3);
  });

  it("delays its answers", async () => {
    await faulty.setFaults({ latencyMs: 60 });
    const startedAt = performance.now();
    assert.equal(await statusOf(VERSION), 200);
    assert.ok(performance.now() - startedAt >= 55);
    await assertOtherIsWell();
  });

  it("answers every request with an error", async () => {
    await faulty.setFaults({ errorStatus: 503 });
    assert.equal(await statusOf(VERSION), 503);
    assert.equal(await statusOf(HEAD), 503);
    await assertOtherIsWell();
  });

  it("refuses connections and comes back on the same port", async () => {
    await faulty.setFaults({ offline: "refuse" });
    await assert.rejects(fetch(`${faulty.url}${VERSION}`));
    await assertOtherIsWell();
    await faulty.setFaults({ offline: "no" });
    assert.equal(await statusOf(VERSION), 200);
  });

  it("hangs", async () => {
    await faulty.setFaults({ offline: "hang" });
    const signal = AbortSignal.timeout(100);
    await assert.rejects(fetch(`${faulty.url}${VERSION}`, { signal }), { name: "TimeoutError" });
    await assertOtherIsWell();
  });

  it("says it is syncing, and serves no duty meanwhile", async () => {
    await faulty.setFaults({ syncing: true });
    const { body } = await send(`${faulty.url}${SYNCING}`);
    assert.equal((body as { data: { is_syncing: boolean } }).data.is_syncing, true);
    assert.equal(await statusOf(attestationDataPath()), 503);
    assert.equal(await statusOf("/eth/v1/node/health"), 206);
    assert.equal((await send(`${healthy.url}${attestationDataPath()}`)).status, 200);
  });

  it("lags behind the head and attests what it sees", async () => {
    await faulty.setFaults({ staleHeadBlocks: 2 });
    const { head } = devchain.chain;
    const { body } = await send(`${faulty.url}${HEAD}`);
    const { data } = body as { data: { header: { message: { slot: string } } } };
    assert.equal(data.header.message.slot, String(head.slot - 2));
    const votes = await readVotes();
    assert.deepEqual(votes.lying.beaconBlockRoot, head.parent?.parent?.root);
    assert.deepEqual(votes.honest.beaconBlockRoot, head.root);
  });

  it("tells every lie it knows, and the other listener none", async () => {
    for (const attestationLie of ATTESTATION_LIES) {
      await faulty.setFaults({ attestationLie });
      const { honest, lying } = await readVotes();
      if (attestationLie === "oldSource") assert.equal(lying.source.epoch, 0);
      else assert.notDeepEqual(lying, honest, attestationLie);
      assert.deepEqual(honest, devchain.chain.attestationData(devchain.chain.currentSlot()));
    }
  });

  it("refuses chosen items of a batch and takes the others", async () => {
    await faulty.setFaults({ failItems: [0] });
    const seat = firstSeat(devchain);
    const data = devchain.chain.attestationData(seat.slot);
    const [, second = 0] = devchain.chain.headState.epochCtx.getBeaconCommittee(seat.slot, 0);
    const batch = [seat, { ...seat, validatorIndex: second }].map((each) =>
      ssz.electra.SingleAttestation.toJson(singleAttestation(devchain, { seat: each, data })),
    );
    const path = "/eth/v2/beacon/pool/attestations";
    const headers = { "eth-consensus-version": "fulu" };
    const answer = await send(`${faulty.url}${path}`, { body: batch, headers });
    assert.equal(answer.status, 400);
    const { failures } = answer.body as { failures: { index: number }[] };
    assert.deepEqual(
      failures.map(({ index }) => index),
      [0],
    );
    assert.equal((await send(`${healthy.url}${path}`, { body: batch, headers })).status, 200);
  });

  it("streams events, mutes them, and cuts the stream", async () => {
    const stream = await fetch(`${faulty.url}/eth/v1/events?topics=head,block`);
    assert.equal(stream.status, 200);
    const reader = stream.body?.getReader() ?? assert.fail("no body");
    const decoder = new TextDecoder();
    const nextText = async (): Promise<string> => decoder.decode((await reader.read()).value);
    assert.equal(await nextText(), ":\n\n");
    devchain.runTo(devchain.chain.currentSlot() + 1);
    const events = await nextText();
    assert.match(events, /event: block\n/);
    await faulty.setFaults({ events: "mute" });
    devchain.runTo(devchain.chain.currentSlot() + 1);
    await faulty.setFaults({ events: "drop" });
    await assert.rejects(async () => {
      for (;;) assert.doesNotMatch(await nextText(), new RegExp(`"${devchain.chain.head.slot}"`));
    });
    assert.equal(await statusOf("/eth/v1/events?topics=head"), 503);
    assert.equal(await statusOf(VERSION), 200);
  });

  it("is told its faults over the control port, which refuses unknown ones", async () => {
    const control = `${devchain.controlUrl}/dev/faults`;
    const body = { port: faulty.port, faults: { errorStatus: 500 } };
    assert.equal((await send(control, { body })).status, 200);
    assert.equal(await statusOf(VERSION), 500);
    await assertOtherIsWell();
    const listed = (await send(control)).body as { port: number; faults: unknown }[];
    assert.deepEqual(listed[1]?.faults, NO_FAULTS);
    const unknown = { port: faulty.port, faults: { eclipse: true } };
    assert.equal((await send(control, { body: unknown })).status, 400);
    assert.equal((await send(control, { body: { port: 1, faults: {} } })).status, 404);
  });

  async function readVotes() {
    const read = async (listener: DevListener) => {
      const { body } = await send(`${listener.url}${attestationDataPath()}`);
      return ssz.phase0.AttestationData.fromJson((body as { data: unknown }).data);
    };
    return { lying: await read(faulty), honest: await read(healthy) };
  }
});
