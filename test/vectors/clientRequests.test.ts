/**
 * What validator clients send, as Teku's tests spell it, at the routes that we answer ourselves,
 * and what they follow and start with (SUITES 22).
 */
import "../support/mainnetPreset.ts";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import type { SubmittedAttestation } from "../../src/eth2/types.ts";
import { reply } from "../support/fakeBeaconServer.ts";
import { BeaconApiSchema } from "../support/openApi.ts";
import { until } from "../support/until.ts";
import { openEvents, scriptedNode, startTestApi } from "../support/validatorApiServer.ts";
import { readVector, vectorOptions } from "../support/vectors.ts";
import { send } from "../support/virtualDevchain.ts";

function read(...path: readonly string[]): Buffer {
  return readVector("beacon-api", ...path);
}
function readHandler(file: string): unknown {
  return JSON.parse(read("teku-handlers", ...`${file}.json`.split("/")).toString("utf8"));
}

const PHASE0 = { "eth-consensus-version": "phase0" };
const ROOT = `0x${"cf".repeat(32)}`;

describe("teku's requests: attestations", vectorOptions, () => {
  for (const [file, path] of [
    ["v1/beacon/postAttestationRequestBody", "/eth/v1/beacon/pool/attestations"],
    ["v2/beacon/postAttestationRequestBodyPHASE0", "/eth/v2/beacon/pool/attestations"],
  ] as const) {
    test(`API-4: ${file} is read by its seat, and refused where it names none`, async (t) => {
      const seen: SubmittedAttestation[] = [];
      const node = scriptedNode({
        submitAttestations: async (items) => {
          seen.push(...items);
          return items.map(() => null);
        },
      });
      const { url } = await startTestApi(t, { node });
      const [item] = readHandler(file) as [{ aggregation_bits: string }];
      // Teku's has no bit at all; with the third of eight it is somebody's.
      const named = { ...item, aggregation_bits: "0x0401" };
      const answer = await send(`${url}${path}`, { body: [item, named], headers: PHASE0 });
      assert.equal(answer.status, 400);
      const { failures } = answer.body as { failures: readonly { index: number }[] };
      assert.deepEqual(
        failures.map(({ index }) => index),
        [0],
      );
      assert.equal(seen.length, 1);
      const [{ data, seat, signature } = assert.fail("one was read")] = seen;
      assert.deepEqual(seat, { kind: "position", committeeIndex: 1, position: 2 });
      assert.deepEqual([data.slot, data.source.epoch, data.target.epoch], [1, 1, 1]);
      const written = Reflect.get(item, "signature");
      assert.equal(`0x${Buffer.from(signature).toString("hex")}`, written);
    });
  }
});

/** Denied for good: whoever has one publishes it at a beacon node. */
const SLASHINGS = {
  "v1/beacon/postAttesterSlashingRequestBody": "/eth/v1/beacon/pool/attester_slashings",
  "v2/beacon/postAttesterSlashingRequestBody": "/eth/v2/beacon/pool/attester_slashings",
};
/** Denied until the cluster agrees on aggregates and sync committee messages. */
const LATER_DUTIES = {
  "v1/beacon/postSyncCommittees": "/eth/v1/beacon/pool/sync_committees",
  "v1/validator/postAggregateAndProofs": "/eth/v1/validator/aggregate_and_proofs",
  "v2/validator/postAggregateAndProofsRequestBodyPHASE0": "/eth/v2/validator/aggregate_and_proofs",
  "v2/validator/postAggregateAndProofsRequestBodyELECTRA": "/eth/v2/validator/aggregate_and_proofs",
  "v1/validator/postContributionAndProofsTestRequestBody":
    "/eth/v1/validator/contribution_and_proofs",
};

describe("teku's requests: what is not served", vectorOptions, () => {
  for (const [file, path] of Object.entries({ ...SLASHINGS, ...LATER_DUTIES })) {
    test(`API-3: ${file} is denied by name and reaches no beacon node`, async (t) => {
      const api = await startTestApi(t);
      const { status, body } = await send(`${api.url}${path}`, { body: readHandler(file) });
      assert.equal(status, 501);
      assert.match(JSON.stringify(body), new RegExp(`POST ${path} is not served`));
      new BeaconApiSchema().checkError("ErrorMessage", body);
      assert.deepEqual(api.beacon.requests(path), []);
    });
  }
  const reads = {
    "v1/validator/getSyncCommitteeContribution":
      "/eth/v1/validator/sync_committee_contribution?slot=1&subcommittee_index=0",
    "create_aggregate_attestation_responses/createAggregateAttestationResponse":
      "/eth/v2/validator/aggregate_attestation?slot=1&committee_index=0",
  };
  for (const [answer, path] of Object.entries(reads)) {
    test(`API-3: nobody is given ${answer} to sign`, async (t) => {
      const api = await startTestApi(t);
      assert.equal((await send(`${api.url}${path}`)).status, 501);
      assert.deepEqual(api.beacon.requests(path), []);
    });
  }
});

describe("teku's answers: the chain's facts", vectorOptions, () => {
  for (const path of [
    ["teku-handlers", "v1", "config", "mainnetConfig.json"],
    ["teku-config", "mainnetConfig.json"],
  ]) {
    test(`API-7: ${path.join("/")} is kept and answered as it came`, async (t) => {
      const api = await startTestApi(t);
      const spec = "/eth/v1/config/spec";
      const text = read(...path).toString("utf8");
      api.beacon.faults.set(spec, reply({ text }));
      assert.equal(await (await fetch(`${api.url}${spec}`)).text(), text);
      api.beacon.faults.set(spec, reply({ status: 500 }));
      assert.equal(await (await fetch(`${api.url}${spec}`)).text(), text);
    });
  }

  test("API-6: get_peer_count streams through unchanged", async (t) => {
    const api = await startTestApi(t);
    const path = "/eth/v1/node/peer_count";
    const text = read("teku-remote-responses", "get_peer_count.json").toString("utf8");
    api.beacon.faults.set(path, reply({ text }));
    assert.equal(await (await fetch(`${api.url}${path}`)).text(), text);
  });
});

/** Members of each event, as far as the file's schema tells them without its neighbours. */
const EVENTS = {
  HeadEvent: {
    ...{ slot: "18446744073709551615", block: ROOT, state: ROOT, epoch_transition: false },
    ...{ previous_duty_dependent_root: ROOT, current_duty_dependent_root: ROOT },
    execution_optimistic: false,
  },
  HeadV2Event: { version: "gloas", data: { slot: "1", unknown_member: "kept" } },
  AttestationPhase0: { aggregation_bits: "0x01", data: { slot: "1" }, signature: "0xab" },
  SignedVoluntaryExit: { message: { epoch: "1", validator_index: "2" }, signature: "0xab" },
  SyncStateChangeEvent: { sync_state: "synced" },
} as const;
const TOPICS = {
  HeadEvent: "head",
  HeadV2Event: "head_v2",
  AttestationPhase0: "attestation",
  SignedVoluntaryExit: "voluntary_exit",
  SyncStateChangeEvent: "sync_state",
} as const;

describe("teku's events", vectorOptions, () => {
  for (const [file, event] of Object.entries(EVENTS)) {
    const topic = TOPICS[file as keyof typeof TOPICS];
    test(`API-9: ${file} streams through unchanged`, async (t) => {
      const schema = readHandler(`v1/events/schema/${file}`) as object;
      const ajv = new Ajv2020({ strict: false, validateFormats: false });
      // What the file refers to stands in other files.
      const text = JSON.stringify(schema).replaceAll(/"\$ref":"[^"]*"/g, '"type":"object"');
      const api = await startTestApi(t);
      const stream = await openEvents(`${api.url}/eth/v1/events?topics=${topic}`);
      t.after(() => stream.close());
      await until("the stream is open", () => api.beacon.listeners === 1);
      const sent = `event: ${topic}\ndata: ${JSON.stringify(event)}\n\n`;
      api.beacon.emitRaw(sent);
      await until("the event came", () => stream.text().includes("data:"));
      assert.ok(stream.text().includes(sent), stream.text());
      const data = JSON.parse(/data: (.*)/.exec(stream.text())?.[1] ?? "");
      assert.ok(ajv.validate(JSON.parse(text), data), ajv.errorsText());
    });
  }
});
