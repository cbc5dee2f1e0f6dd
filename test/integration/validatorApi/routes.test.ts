// What a validator client is answered: keys renamed, formats negotiated, writes denied by default.
import "../../support/minimalPreset.ts";
import assert from "node:assert/strict";
import { request } from "node:http";
import { test } from "node:test";
import { encodeAttestationData } from "../../../src/eth2/attestationData.ts";
import type { AttestationData, SubmittedAttestation } from "../../../src/eth2/types.ts";
import type { Denial } from "../../../src/ports/validatorApi.ts";
import { ok } from "../../../src/util/result.ts";
import { blockRoot } from "../../support/fakeBeacon.ts";
import { reply } from "../../support/fakeBeaconServer.ts";
import { BeaconApiSchema } from "../../support/openApi.ts";
import {
  groupKey,
  scriptedNode,
  shareOf,
  startTestApi,
  type TestApi,
} from "../../support/validatorApiServer.ts";
import { vectorOptions } from "../../support/vectors.ts";
import { send } from "../../support/virtualDevchain.ts";

const DATA: AttestationData = {
  slot: 9,
  index: 0,
  beaconBlockRoot: blockRoot(9),
  source: { epoch: 0, root: blockRoot(0) },
  target: { epoch: 1, root: blockRoot(8) },
};
const POOL = "/eth/v2/beacon/pool/attestations";
const FULU = { "eth-consensus-version": "fulu" };
const VALIDATORS = "/eth/v1/beacon/states/head/validators";

function single(validatorIndex: number): unknown {
  return {
    committee_index: "0",
    attester_index: String(validatorIndex),
    data: {
      slot: "9",
      index: "0",
      beacon_block_root: DATA.beaconBlockRoot,
      source: { epoch: "0", root: DATA.source.root },
      target: { epoch: "1", root: DATA.target.root },
    },
    signature: `0x${"ab".repeat(96)}`,
  };
}

/** The same as SSZ: 8 + 8 + 128 + 96 bytes. */
function singleSsz(validatorIndex: number): Uint8Array {
  const bytes = new Uint8Array(240);
  new DataView(bytes.buffer).setBigUint64(8, BigInt(validatorIndex), true);
  bytes.set(encodeAttestationData(DATA), 16);
  bytes.fill(0xab, 144);
  return bytes;
}

/** Answers as a beacon node with the cluster's validators, by their group keys. */
function serveValidators({ beacon }: TestApi): void {
  beacon.faults.set("/validators", ({ body, url }, response) => {
    const asked = JSON.stringify(body) + url;
    const data = [0, 1, 2]
      .filter((index) => asked.includes(groupKey(index)) || asked.includes(`"${100 + index}"`))
      .map((index) => ({
        index: String(100 + index),
        balance: "18446744073709551615",
        status: "active_ongoing",
        validator: { pubkey: groupKey(index), unknown_member: "kept" },
      }));
    const json = { execution_optimistic: false, finalized: false, data };
    return reply({ json })({ method: "", url, headers: {}, body }, response);
  });
}

type Listed = {
  readonly data: readonly { readonly index: string; validator: { pubkey: string } }[];
};

test("API-1: validators are asked for and answered by public share", async (t) => {
  const api = await startTestApi(t);
  serveValidators(api);
  const ids = [shareOf(0), shareOf(2)];
  const post = await send(`${api.url}${VALIDATORS}`, { body: { ids } });
  const get = await send(`${api.url}${VALIDATORS}?id=${ids.join(",")}`);
  const repeated = await send(`${api.url}${VALIDATORS}?id=${ids[0]}&id=${ids[1]}`);
  assert.deepEqual(get, { ...get, status: 200, body: post.body });
  assert.deepEqual(repeated.body, post.body);
  const { data } = post.body as Listed;
  assert.deepEqual(
    data.map(({ index, validator }) => [index, validator.pubkey]),
    [
      ["100", shareOf(0)],
      ["102", shareOf(2)],
    ],
  );
  // Numbers beyond 2^53 and members that nobody knows survive.
  assert.match(JSON.stringify(data), /"balance":"18446744073709551615".*"unknown_member":"kept"/);
});

test("API-1: one validator by its share, others by index as they are", async (t) => {
  const api = await startTestApi(t);
  const validator = { pubkey: groupKey(1) };
  api.beacon.faults.set(groupKey(1), reply({ json: { data: { index: "101", validator } } }));
  const { body } = await send(`${api.url}${VALIDATORS}/${shareOf(1)}`);
  assert.deepEqual(body, { data: { index: "101", validator: { pubkey: shareOf(1) } } });
});

test("API-1: duties name the client's keys; those of strangers stay", async (t) => {
  const api = await startTestApi(t);
  const stranger = `0x${"cd".repeat(48)}`;
  const data = [groupKey(0), stranger].map((pubkey) => ({ pubkey, slot: "9" }));
  const json = { dependent_root: blockRoot(0), execution_optimistic: false, data };
  api.beacon.faults.set("/duties/", reply({ json }));
  const expected = data.map((duty, i) => ({ ...duty, pubkey: i === 0 ? shareOf(0) : stranger }));
  for (const [path, body] of [
    ["/eth/v1/validator/duties/attester/1", ["100"]],
    ["/eth/v1/validator/duties/sync/1", ["100"]],
    ["/eth/v1/validator/duties/proposer/1", undefined],
    ["/eth/v2/validator/duties/proposer/1", undefined],
  ] as const) {
    const answer = await send(`${api.url}${path}`, { body });
    assert.deepEqual(answer.body, { ...json, data: expected }, path);
  }
});

test("API-10: an answer of a beacon node that is nested too deep is its fault", async (t) => {
  const { url, beacon } = await startTestApi(t);
  const deep = `{"data":${"[".repeat(100_000)}${"]".repeat(100_000)}}`;
  for (const path of [`${VALIDATORS}?id=1`, "/eth/v1/validator/duties/proposer/3"]) {
    beacon.faults.set(path, reply({ text: deep }));
    const answer = await send(`${url}${path}`);
    assert.equal(answer.status, 503);
    assert.match(JSON.stringify(answer.body), /nested deeper than 32/);
  }
});

test("API-5: another operator's share is refused with its owner's name", async (t) => {
  const api = await startTestApi(t);
  serveValidators(api);
  const foreign = shareOf(0, 2);
  const alone = await send(`${api.url}${VALIDATORS}`, { body: { ids: [foreign] } });
  assert.equal(alone.status, 400);
  assert.match(JSON.stringify(alone.body), /operator 2's key share of validator 0.*is operator 1/);
  assert.equal((await send(`${api.url}${VALIDATORS}/${foreign}`)).status, 400);
  const mixed = await send(`${api.url}${VALIDATORS}`, { body: { ids: [foreign, shareOf(1)] } });
  assert.deepEqual(
    (mixed.body as Listed).data.map(({ index }) => index),
    ["101"],
  );
  assert.ok(
    api.log.some(({ level, message }) => level === "error" && /another operator/.test(message)),
  );
});

test("API-2: attestation data as JSON or SSZ, as the client's q-values rank them", async (t) => {
  const api = await startTestApi(t, {
    node: scriptedNode({ attestationData: async () => ok(DATA) }),
  });
  const url = `${api.url}/eth/v1/validator/attestation_data?slot=9&committee_index=0`;
  const typeFor = async (accept: string): Promise<string> => {
    const { status, headers } = await send(url, { headers: { accept } });
    return `${status} ${headers.get("content-type")}`;
  };
  const json = "200 application/json";
  const ssz = "200 application/octet-stream";
  assert.equal(await typeFor("*/*"), json);
  assert.equal(await typeFor("application/octet-stream;q=1.0,application/json;q=0.9"), ssz);
  assert.equal(await typeFor("application/json;q=0.9, application/octet-stream;q=0.8"), json);
  assert.equal(await typeFor("application/json;q=0, */*;q=0.1"), ssz);
  assert.equal(await typeFor("text/html"), "406 application/json");
  assert.equal(await typeFor("application/*;q=0.5, text/html"), json);
  const answer = await fetch(url, { headers: { accept: "application/octet-stream" } });
  assert.deepEqual(new Uint8Array(await answer.arrayBuffer()), encodeAttestationData(DATA));
});

test("VC-2: what is not decided in time is 503 with the reason", async (t) => {
  const { url } = await startTestApi(t);
  const answer = await send(`${url}/eth/v1/validator/attestation_data?slot=9&committee_index=0`);
  assert.equal(answer.status, 503);
  assert.match(JSON.stringify(answer.body), /undecided.*9\/attester: it is fetched/);
  assert.equal((await send(`${url}/eth/v1/validator/attestation_data`)).status, 400);
  assert.equal((await send(`${url}/eth/v1/validator/attestation_data?slot=0x9`)).status, 400);
});

test("API-4: JSON and then SSZ are read alike, and answered by index", async (t) => {
  const seen: (readonly SubmittedAttestation[])[] = [];
  const refused: Denial = { code: "not_decided", detail: "root" };
  const node = scriptedNode({
    submitAttestations: async (items) => {
      seen.push(items);
      return items.map(({ seat }) =>
        seat.kind === "validator" && seat.validatorIndex === 7 ? refused : null,
      );
    },
  });
  const { url } = await startTestApi(t, { node });
  const json = [5, 7, 6].map(single);
  const ssz = Buffer.concat([5, 7, 6].map(singleSsz));
  const answers = [
    await send(`${url}${POOL}`, { body: json, headers: FULU }),
    await send(`${url}${POOL}`, { body: new Uint8Array(ssz), headers: FULU }),
  ];
  assert.deepEqual(seen[0], seen[1]);
  for (const { status, body } of answers) {
    assert.equal(status, 400);
    const { failures } = body as { failures: readonly { index: number; message: string }[] };
    assert.deepEqual(
      failures.map(({ index }) => index),
      [1],
    );
    assert.match(failures[0]?.message ?? "", /^not_decided: /);
  }
  const spoiled = [...json, { nonsense: true }, { ...(single(8) as object), data: null }];
  const { body } = await send(`${url}${POOL}`, { body: spoiled, headers: FULU });
  const { failures } = body as { failures: readonly { index: number }[] };
  assert.deepEqual(
    failures.map(({ index }) => index),
    [1, 3, 4],
  );
  assert.equal(seen[2]?.length, 3, "the good ones went on");
});

test("API-4: failures of one kind alone give the answer its status", async (t) => {
  // Refusals have statuses that the specification leaves out, and its form of errors all the same.
  const schema = vectorOptions.skip === false ? new BeaconApiSchema() : null;
  for (const [code, status] of [
    ["not_decided", 412],
    ["frozen", 412],
    ["whole_key", 403],
    ["foreign_share", 400],
    ["node_signs", 409],
    ["undecided", 503],
  ] as const) {
    const denial: Denial = { code, detail: "…" };
    const node = scriptedNode({
      submitAttestations: async (items) => items.map(() => denial),
      submitBlock: async () => denial,
    });
    const { url } = await startTestApi(t, { node });
    const answer = await send(`${url}${POOL}`, { body: [single(5)], headers: FULU });
    assert.equal(answer.status, status, code);
    assert.match(JSON.stringify(answer.body), new RegExp(`"code":${status},.*"${code}: `));
    schema?.checkError("IndexedErrorMessage", answer.body);
  }
});

test("a submission's version, type and shape are checked before it is looked into", async (t) => {
  const { url } = await startTestApi(t);
  const statusOf = async (body: unknown, headers: Record<string, string>): Promise<number> =>
    (await send(`${url}${POOL}`, { body, headers })).status;
  assert.equal(await statusOf([single(5)], FULU), 200);
  assert.equal(await statusOf([], FULU), 200);
  assert.equal(await statusOf([single(5)], {}), 400, "no version");
  assert.equal(await statusOf([single(5)], { "eth-consensus-version": "future" }), 400);
  assert.equal(await statusOf({}, FULU), 400, "no list");
  assert.equal(await statusOf(new Uint8Array(239), FULU), 400, "no SSZ of the container");
  assert.equal(await statusOf([single(5)], { ...FULU, "content-type": "text/plain" }), 415);
  assert.equal(await statusOf([single(5)], { ...FULU, "content-encoding": "gzip" }), 415);
});

test("API-3: what signs is denied by name, what reads or subscribes passes", async (t) => {
  const api = await startTestApi(t);
  api.beacon.faults.set("/", reply({ json: { data: "from the beacon node" } }));
  const denied = [
    ["POST", "/eth/v1/beacon/pool/sync_committees"],
    ["POST", "/eth/v1/beacon/pool/voluntary_exits"],
    ["POST", "/eth/v2/beacon/pool/attester_slashings"],
    ["POST", "/eth/v1/beacon/pool/proposer_slashings"],
    ["POST", "/eth/v1/beacon/pool/bls_to_execution_changes"],
    ["POST", "/eth/v1/beacon/pool/payload_attestations"],
    ["POST", "/eth/v1/beacon/blocks"],
    ["POST", "/eth/v3/beacon/blocks"],
    ["POST", "/eth/v1/beacon/execution_payload_bids"],
    ["POST", "/eth/v1/beacon/execution_payload_envelopes"],
    ["POST", "/eth/v1/validator/aggregate_and_proofs"],
    ["POST", "/eth/v2/validator/aggregate_and_proofs"],
    ["POST", "/eth/v1/validator/contribution_and_proofs"],
    ["POST", "/eth/v1/validator/beacon_committee_selections"],
    ["POST", "/eth/v1/validator/sync_committee_selections"],
    ["POST", "/eth/v1/validator/proposer_preferences"],
    ["POST", "/eth/v1/validator/something_new"],
    ["POST", "/eth/v1/validator/../beacon/pool/sync_committees"],
    ["POST", "/eth//v1/beacon/states/head/rewards"],
    ["POST", "/eth/v1/keystores"],
    ["POST", "/"],
    ["DELETE", "/eth/v1/keystores"],
    ["PUT", "/eth/v2/beacon/pool/attestations"],
    ["PATCH", "/eth/v2/beacon/blocks"],
    ["GET", "/eth/v2/validator/blocks/9"],
    ["GET", "/eth/v4/validator/blocks/9"],
    ["GET", "/eth/v1/validator/blinded_blocks/9"],
    ["GET", "/eth/v2/validator/aggregate_attestation"],
    ["GET", "/eth/v1/validator/sync_committee_contribution"],
    ["GET", "/eth/v1/validator/payload_attestation_data"],
  ] as const;
  for (const [method, path] of denied) {
    const { status, body } = await sendRaw(api.url, method, path);
    assert.ok([501, 405].includes(status), `${method} ${path}: ${status}`);
    assert.match(body, /"message":".*(served|agreed)/);
  }
  const reached = api.beacon.seen.map(({ method, url }) => `${method} ${url}`);
  const wrong = denied.filter(([method, path]) => reached.includes(`${method} ${path}`));
  assert.deepEqual(wrong, [], "reached the beacon node");
  const passed = [
    ["GET", "/eth/v1/beacon/headers/head"],
    ["GET", "/eth/v2/debug/beacon/heads"],
    ["GET", "/eth/v1/node/health"],
    ["GET", VALIDATORS],
    ["POST", "/eth/v1/validator/beacon_committee_subscriptions"],
    ["POST", "/eth/v1/validator/sync_committee_subscriptions"],
    ["POST", "/eth/v1/beacon/states/head/validator_balances"],
    ["POST", "/eth/v1/beacon/rewards/attestations/3"],
  ] as const;
  for (const [method, path] of passed) {
    const body = method === "POST" ? ["1"] : undefined;
    const answer = await send(`${api.url}${path}`, { method, body });
    assert.deepEqual(answer.body, { data: "from the beacon node" }, path);
    assert.deepEqual(api.beacon.seen.at(-1)?.body ?? null, body ?? null);
  }
});

test("API-8: preparations and registrations are read, answered and not passed on", async (t) => {
  const api = await startTestApi(t);
  const before = api.beacon.seen.length;
  for (const path of ["prepare_beacon_proposer", "register_validator"]) {
    const url = `${api.url}/eth/v1/validator/${path}`;
    assert.equal((await send(url, { body: [{}] })).status, 200);
    assert.equal((await send(url, { body: {} })).status, 400);
  }
  assert.ok(api.beacon.seen.slice(before).every(({ method }) => method === "GET"));
});

test("until the node runs, what needs it is 503 with the reason", async (t) => {
  const { url } = await startTestApi(t, { node: null });
  const answer = await send(`${url}${POOL}`, { body: [], headers: FULU });
  assert.equal(answer.status, 503);
  assert.match(JSON.stringify(answer.body), /the node is starting/);
});

/** The path as it is, which `fetch` would tidy up, and a header that asks to be taken for a GET. */
function sendRaw(
  origin: string,
  method: string,
  path: string,
): Promise<{ readonly status: number; readonly body: string }> {
  const headers = { "content-type": "application/json", "x-http-method-override": "GET" };
  return new Promise((resolve, reject) => {
    const call = request(origin, { method, path, headers }, (response) => {
      let body = "";
      response.on("data", (chunk) => {
        body += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
    });
    call.on("error", reject);
    call.end(method.startsWith("P") ? "[]" : undefined);
  });
}

test("FOREIGN-7: who was active is answered without the cluster's own activity", async (t) => {
  const asked: (readonly number[])[] = [];
  const node = scriptedNode({
    ownActivity: async (indices) => {
      asked.push(indices);
      return [100];
    },
  });
  const { url, beacon } = await startTestApi(t, { node });
  const live = ["100", "101", "7"].map((index) => ({ index, is_live: true, unknown: "kept" }));
  beacon.faults.set("/validator/liveness/3", reply({ json: { data: live } }));
  const path = `${url}/eth/v1/validator/liveness/3`;
  const { status, body } = await send(path, { body: ["100", "101", "7"] });
  assert.equal(status, 200);
  const expected = live.map((each) => ({ ...each, is_live: each.index !== "100" }));
  assert.deepEqual(body, { data: expected });
  assert.deepEqual(asked, [[100, 101, 7]]);
  assert.equal((await send(path, { body: [100] })).status, 400);
  beacon.faults.set("/validator/liveness/3", reply({ json: { data: "no list" } }));
  assert.equal((await send(path, { body: ["7"] })).status, 503);
  beacon.faults.set("/validator/liveness/3", reply({ status: 400, json: { message: "too old" } }));
  assert.equal((await send(path, { body: ["7"] })).status, 400);
});
