import "../../support/mainnetPreset.ts";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { virtualBlock } from "../../../sim/virtualBlocks.ts";
import { FaultError } from "../../../src/domain/errors.ts";
import { decodeProposal, encodeProposal, type ProducedBlock } from "../../../src/eth2/blocks.ts";
import { FORKS } from "../../../src/eth2/forks.ts";
import { ssz } from "../../../src/eth2/ssz.ts";
import { benchOf } from "../../support/beaconClients.ts";
import {
  busy,
  type Fault,
  proposerDuties,
  reply,
  replySsz,
  SLOTS_PER_EPOCH,
} from "../../support/fakeBeaconServer.ts";
import { until } from "../../support/until.ts";

const SLOT = 100;
const RANDAO = { randaoReveal: new Uint8Array(96).fill(0xaa) };
const BLOCK = virtualBlock({ slot: SLOT, proposerIndex: 3, randaoReveal: RANDAO.randaoReveal });
const BLINDED = virtualBlock({ slot: SLOT, proposerIndex: 3, isBlinded: true });

function headersOf(block: ProducedBlock): Record<string, string> {
  return {
    "eth-consensus-version": block.fork,
    "eth-execution-payload-blinded": String(block.isBlinded),
    "eth-execution-payload-value": String(block.executionPayloadValue),
    "eth-consensus-block-value": String(block.consensusBlockValue),
  };
}

function inSsz(block: ProducedBlock, changes: Record<string, string> = {}): Fault {
  return replySsz(block.ssz, { ...headersOf(block), ...changes });
}

function inJson(block: ProducedBlock): Fault {
  const type = block.isBlinded ? ssz.fulu.BlindedBeaconBlock : ssz.fulu.BlockContents;
  return reply({
    json: {
      version: block.fork,
      execution_payload_blinded: block.isBlinded,
      execution_payload_value: String(block.executionPayloadValue),
      consensus_block_value: String(block.consensusBlockValue),
      data: type.toJson(type.deserialize(block.ssz) as never),
    },
  });
}

const ROUTE = `/eth/v3/validator/blocks/${SLOT}`;

describe("producing a block", () => {
  for (const [name, block] of [
    ["full", BLOCK],
    ["blinded", BLINDED],
  ] as const) {
    for (const [encoding, answer] of [
      ["SSZ", inSsz(block)],
      ["JSON", inJson(block)],
    ] as const) {
      test(`keeps bytes and metadata of a ${name} block in ${encoding}`, async (t) => {
        const { client, servers, signal } = await benchOf(t, 1);
        servers[0]?.faults.set(ROUTE, answer);
        assert.deepEqual(await client.produceBlock(SLOT, RANDAO, signal), block);
        const [request] = servers[0]?.requests(ROUTE) ?? [];
        assert.match(request?.headers.accept ?? "", /^application\/octet-stream;q=1,/);
        const query = new URL(request?.url ?? "", "http://localhost").searchParams;
        assert.deepEqual([...query], [["randao_reveal", `0x${"aa".repeat(96)}`]]);
      });
    }
  }

  test("BN-3: one beacon node builds, the next one only when that fails", async (t) => {
    const { client, servers, signal } = await benchOf(t, 2);
    for (const server of servers) server.faults.set(ROUTE, inSsz(BLOCK));
    await client.produceBlock(SLOT, RANDAO, signal);
    assert.deepEqual(
      servers.map((server) => server.requests(ROUTE).length),
      [1, 0],
    );
    servers[0]?.faults.set(ROUTE, busy);
    await client.produceBlock(SLOT, RANDAO, signal);
    assert.deepEqual(
      servers.map((server) => server.requests(ROUTE).length),
      [2, 1],
    );
  });

  const wrong: readonly (readonly [string, Fault])[] = [
    ["of another slot", inSsz(virtualBlock({ slot: SLOT + 1 }))],
    ["cut short", replySsz(BLOCK.ssz.slice(0, -3), headersOf(BLOCK))],
    ["without its version", replySsz(BLOCK.ssz, {})],
    ["of an unknown version", inSsz(BLOCK, { "eth-consensus-version": "phase9" })],
    ["of another version than it says", inSsz(BLOCK, { "eth-consensus-version": "capella" })],
    [
      "that is blinded and says it is not",
      inSsz(BLINDED, { "eth-execution-payload-blinded": "false" }),
    ],
    ["with a value beyond 2^256", inSsz(BLOCK, { "eth-execution-payload-value": "9".repeat(78) })],
    ["that is no block", reply({ json: { version: "fulu", data: {} } })],
  ];
  for (const [what, fault] of wrong) {
    test(`BN-2: a block ${what} is that endpoint's fault, and the next one is asked`, async (t) => {
      const { client, servers, signal } = await benchOf(t, 2);
      servers[0]?.faults.set(ROUTE, fault);
      servers[1]?.faults.set(ROUTE, inSsz(BLOCK));
      assert.deepEqual(await client.produceBlock(SLOT, RANDAO, signal), BLOCK);
    });
  }
});

function signed(block: ProducedBlock) {
  const proposal = decodeProposal(FORKS.fulu, encodeProposal(block));
  assert.ok(proposal !== null);
  return proposal.sign(new Uint8Array(96).fill(7));
}

describe("BN-4: publishing a block", () => {
  test("goes to every endpoint in SSZ, blinded ones by their own route", async (t) => {
    const { client, servers, signal } = await benchOf(t, 2);
    for (const [block, path] of [
      [BLOCK, "/eth/v2/beacon/blocks"],
      [BLINDED, "/eth/v2/beacon/blinded_blocks"],
    ] as const) {
      await client.publishBlock(signed(block), signal);
      for (const server of servers) {
        const [request] = server.requests(path);
        assert.equal(request?.headers["eth-consensus-version"], "fulu");
        assert.deepEqual(request?.body, Buffer.from(signed(block).ssz()));
      }
    }
  });

  test("is repeated in JSON where an endpoint does not read SSZ", async (t) => {
    const { client, servers, signal } = await benchOf(t, 1);
    const unsupported = reply({ status: 415, json: { code: 415, message: "no SSZ here" } });
    servers[0]?.faults.set("/beacon/blocks", (request, response) =>
      Buffer.isBuffer(request.body) ? unsupported(request, response) : false,
    );
    await client.publishBlock(signed(BLOCK), signal);
    const bodies = servers[0]?.requests("/beacon/blocks").map(({ body }) => body) ?? [];
    assert.equal(bodies.length, 2);
    assert.deepEqual(bodies[1], JSON.parse(JSON.stringify(signed(BLOCK).json())));
  });

  test("succeeds when one endpoint takes it, and fails by name when all refuse", async (t) => {
    const { client, servers, signal } = await benchOf(t, 2);
    const refuse = reply({ status: 400, json: { code: 400, message: "bad block" } });
    servers[0]?.faults.set("/beacon/blocks", refuse);
    await client.publishBlock(signed(BLOCK), signal);
    servers[1]?.faults.set("/beacon/blocks", refuse);
    await assert.rejects(client.publishBlock(signed(BLOCK), signal), (error) => {
      assert.ok(error instanceof FaultError);
      return error.code === "beacon_rejected" && /bad block/.test(error.message);
    });
  });
});

describe("proposer duties", () => {
  test("are those of version 1 of the route, with its dependent root", async (t) => {
    const { client, servers, signal } = await benchOf(t, 1);
    const { duties, dependentRoot } = await client.proposerDuties(3, signal);
    assert.equal(dependentRoot, `0x${"cc".repeat(32)}`);
    assert.equal(duties.length, SLOTS_PER_EPOCH);
    assert.deepEqual(duties[5]?.slot, 3 * SLOTS_PER_EPOCH + 5);
    assert.equal(servers[0]?.requests("/eth/v1/validator/duties/proposer/3").length, 1);
  });

  test("BN-2: of another epoch, or two in one slot, are a fault", async (t) => {
    const { client, servers, signal } = await benchOf(t, 1);
    const answers = [proposerDuties(4), proposerDuties(3, () => ({ slot: "100" }))];
    for (const answer of answers) {
      servers[0]?.faults.set("/duties/proposer/", reply(answer));
      await assert.rejects(client.proposerDuties(3, signal), FaultError);
    }
  });
});

test("BLOCK-4: every endpoint is told whom each validator's blocks pay", async (t) => {
  const { client, servers, signal } = await benchOf(t, 2);
  const feeRecipient = `0x${"fe".repeat(20)}` as const;
  await client.prepareProposers([{ validatorIndex: 7, feeRecipient }], signal);
  for (const server of servers) {
    const [request] = server.requests("/prepare_beacon_proposer");
    assert.deepEqual(request?.body, [{ validator_index: "7", fee_recipient: feeRecipient }]);
  }
});

test("BN-9: a beacon node that was away is told again whom blocks pay", async (t) => {
  const { client, servers, signal } = await benchOf(t, 2);
  const [away, other] = servers;
  assert.ok(away && other);
  const told = () => servers.map((one) => one.requests("/prepare_beacon_proposer").length);
  const feeRecipient = `0x${"fe".repeat(20)}` as const;
  await client.prepareProposers([{ validatorIndex: 7, feeRecipient }], signal);
  await until("both were told", () => told().join() === "1,1");
  away.faults.set("/syncing", busy);
  await client.syncStatus(signal);
  away.faults.set("/syncing", (_request, response) => {
    response.destroy();
    return true;
  });
  await client.syncStatus(signal);
  assert.deepEqual(told(), [1, 1]);
  away.faults.clear();
  await client.syncStatus(signal);
  await until("it was told again", () => told().join() === "2,1");
  assert.deepEqual(away.requests("/prepare")[1]?.body, away.requests("/prepare")[0]?.body);
  await client.syncStatus(signal);
  assert.deepEqual(told(), [2, 1], "once");
});
