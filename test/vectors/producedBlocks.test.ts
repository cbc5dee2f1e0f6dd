/**
 * Blocks and attestation data as Teku writes them, on their way from the beacon node through the
 * agreed value to the validator client (SUITES 22). Its random numbers go up to 2^64; what a chain
 * can have is below 2^53, so each file is read as it is, and refused, and with such numbers.
 */
import "../support/minimalPreset.ts";
import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { FaultError } from "../../src/domain/errors.ts";
import { decodeProposal, encodeProposal } from "../../src/eth2/blocks.ts";
import { FORKS } from "../../src/eth2/forks.ts";
import { ok } from "../../src/util/result.ts";
import { benchOf } from "../support/beaconClients.ts";
import { reply } from "../support/fakeBeaconServer.ts";
import { scriptedNode, startTestApi } from "../support/validatorApiServer.ts";
import { findVectors, readVector, vectorOptions } from "../support/vectors.ts";
import { send } from "../support/virtualDevchain.ts";

const SLOT = 1;
/** Of the minimal preset. */
const SLOTS_PER_EPOCH = 8;
const ROUTE = `/eth/v3/validator/blocks/${SLOT}`;
const RANDAO = { randaoReveal: new Uint8Array(96).fill(0xaa) };
/** Numbers of 32 bytes. */
const WEI = ["base_fee_per_gas", "execution_payload_value", "consensus_block_value"];
/** A fork that nobody has a table row for, and one whose blocks have none yet. */
const UNSUPPORTED = /(GLOAS|HEZE)\.json$/;

type Json = Readonly<Record<string, unknown>>;
type Produced = Json & { readonly version: string };

function blockFiles(): readonly string[] {
  if (vectorOptions.skip !== false) return [];
  return [
    ...findVectors("beacon-api/teku-produce-block/v3", /\.json$/),
    ...findVectors("beacon-api/teku-remote-responses/produce_block_responses", /\.json$/),
  ];
}

/** Numbers of 8 bytes lose the digits that a chain's cannot have. */
function believable(json: unknown, name = ""): unknown {
  if (Array.isArray(json)) return json.map((item) => believable(item, name));
  if (typeof json === "object" && json !== null) {
    const members = Object.entries(json).map(([key, value]) => [key, believable(value, key)]);
    return Object.fromEntries(members);
  }
  const isTooLarge = typeof json === "string" && /^\d{16,}$/.test(json) && !WEI.includes(name);
  return isTooLarge ? json.slice(-15).replace(/^0+/, "7") : json;
}

/** Hex is written in either case. */
function assertSameJson(actual: unknown, expected: unknown): void {
  const lowerCase = (json: unknown) => JSON.parse(JSON.stringify(json).toLowerCase());
  assert.deepEqual(lowerCase(actual), lowerCase(expected));
}

/** What our client makes of the answer of a beacon node. */
async function produce(t: TestContext, json: Produced) {
  const { client, servers, signal } = await benchOf(t, 1);
  servers[0]?.faults.set(ROUTE, reply({ json }));
  return client.produceBlock(SLOT, RANDAO, signal);
}

function isRefused(error: unknown): boolean {
  return error instanceof FaultError && error.code === "beacon_bad_response";
}

describe("teku's produced blocks", vectorOptions, () => {
  for (const file of blockFiles()) {
    const json = (): Produced => JSON.parse(readVector(file).toString("utf8"));

    if (UNSUPPORTED.test(file)) {
      test(`${file} is refused by its fork's name`, async (t) => {
        await assert.rejects(produce(t, json()), isRefused);
      });
      continue;
    }

    test(`BLOCK-1: ${file} is refused rather than rounded`, async (t) => {
      await assert.rejects(produce(t, json()), isRefused);
    });

    test(`VC-7: ${file} reaches the client as it was produced, in both encodings`, async (t) => {
      const expected = believable(json()) as Produced;
      const block = await produce(t, expected);
      const proposal = decodeProposal(FORKS[block.fork], encodeProposal(block));
      assert.ok(proposal !== null);
      const node = scriptedNode({ proposal: async () => ok(proposal) });
      const { url } = await startTestApi(t, { node });
      const asked = `${url}${ROUTE}?randao_reveal=0x${"aa".repeat(96)}`;
      const { body, headers } = await send(asked);
      assertSameJson(body, expected);
      for (const name of ["execution-payload-value", "consensus-block-value"]) {
        const member = expected[name.replaceAll("-", "_")];
        assert.equal(headers.get(`eth-${name}`), member);
      }
      const accept = { headers: { accept: "application/octet-stream" } };
      const ssz = new Uint8Array(await (await fetch(asked, accept)).arrayBuffer());
      assert.deepEqual(ssz, Uint8Array.from(block.ssz));
    });
  }

  test("the first version of the route is denied by name", async (t) => {
    const { url } = await startTestApi(t);
    const { status, body } = await send(`${url}/eth/v1/validator/blocks/${SLOT}`);
    assert.equal(status, 501);
    assert.match(JSON.stringify(body), /not agreed on by the cluster/);
  });
});

describe("teku's attestation data", vectorOptions, () => {
  const file = ["beacon-api", "teku-handlers", "v1", "validator", "getAttestationData.json"];
  const json = (): Json => JSON.parse(readVector(...file).toString("utf8"));
  const slotOf = (answer: Json): number => Number(Reflect.get(Object(answer["data"]), "slot"));

  async function fetched(t: TestContext, answer: Json) {
    const { client, servers, signal } = await benchOf(t, 1);
    servers[0]?.faults.set("attestation_data", reply({ json: answer }));
    return client.attestationData(slotOf(answer), signal);
  }

  test("ATT-1: numbers from 2^53 on are refused rather than rounded", async (t) => {
    await assert.rejects(fetched(t, json()), isRefused);
  });

  test("API-2: it reaches the client as it was fetched", async (t) => {
    const answer = believable(json()) as { readonly data: Json & { readonly target: Json } };
    const { slot, target } = answer.data;
    // Its epochs are random, too.
    const epoch = String(Math.floor(Number(slot) / SLOTS_PER_EPOCH));
    const expected = { data: { ...answer.data, target: { ...target, epoch } } };
    const data = await fetched(t, expected);
    const { url } = await startTestApi(t, {
      node: scriptedNode({ attestationData: async () => ok(data) }),
    });
    const path = `/eth/v1/validator/attestation_data?slot=${slotOf(expected)}&committee_index=0`;
    assert.deepEqual((await send(`${url}${path}`)).body, expected);
  });
});
