// Answers that a live chain of one fork does not show, against the specification's schemas.
import "../../support/minimalPreset.ts";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { virtualBlock } from "../../../sim/virtualBlocks.ts";
import { decodeProposal, encodeProposal, type SubmittedBlock } from "../../../src/eth2/blocks.ts";
import { FORKS } from "../../../src/eth2/forks.ts";
import { ok } from "../../../src/util/result.ts";
import { reply } from "../../support/fakeBeaconServer.ts";
import { BeaconApiSchema } from "../../support/openApi.ts";
import { groupKey, scriptedNode, shareOf, startTestApi } from "../../support/validatorApiServer.ts";
import { vectorOptions } from "../../support/vectors.ts";
import { send } from "../../support/virtualDevchain.ts";

const SLOT = 9;
const FULU = { "eth-consensus-version": "fulu" };
const ROOT = `0x${"cc".repeat(32)}`;
const schema = vectorOptions.skip === false ? new BeaconApiSchema() : null;

describe("answers as the specification says", vectorOptions, () => {
  test("a blinded block, produced and signed, in both encodings", async (t) => {
    const produced = virtualBlock({ slot: SLOT, proposerIndex: 3, isBlinded: true });
    const proposal = decodeProposal(FORKS.fulu, encodeProposal(produced));
    assert.ok(proposal !== null);
    const taken: SubmittedBlock[] = [];
    const node = scriptedNode({
      proposal: async () => ok(proposal),
      submitBlock: async (block) => {
        taken.push(block);
        return null;
      },
    });
    const { url } = await startTestApi(t, { node });
    const asked = `${url}/eth/v3/validator/blocks/${SLOT}?randao_reveal=0x${"aa".repeat(96)}`;
    const answer = await send(asked);
    schema?.check({ method: "get", path: "/eth/v3/validator/blocks/{slot}" }, answer);
    assert.equal(Reflect.get(Object(answer.body), "execution_payload_blinded"), true);
    const signature = new Uint8Array(96).fill(7);
    const signed = proposal.sign(signature);
    const { slot, proposerIndex, root } = proposal;
    const expected: SubmittedBlock = { slot, proposerIndex, root, signature };
    const path = "/eth/v2/beacon/blinded_blocks";
    for (const body of [signed.json(), signed.ssz()]) {
      const handedIn = await send(`${url}${path}`, { body, headers: FULU });
      assert.equal(handedIn.status, 200);
      schema?.check({ method: "post", path }, handedIn);
      assert.deepEqual(taken.pop(), expected);
    }
  });

  test("a blinded block that is not the decided one, and a full one in its place", async (t) => {
    const node = scriptedNode({
      submitBlock: async () => ({ code: "not_decided", detail: "another root" }),
    });
    const { url } = await startTestApi(t, { node });
    const path = "/eth/v2/beacon/blinded_blocks";
    const signature = new Uint8Array(96).fill(7);
    for (const [isBlinded, status] of [
      [true, 412],
      [false, 400],
    ] as const) {
      const produced = virtualBlock({ slot: SLOT, isBlinded });
      const proposal = decodeProposal(FORKS.fulu, encodeProposal(produced));
      const body = proposal?.sign(signature).ssz();
      const answer = await send(`${url}${path}`, { body, headers: FULU });
      assert.equal(answer.status, status);
      schema?.checkError("ErrorMessage", answer.body);
    }
  });

  test("payload timeliness duties, by the client's keys", async (t) => {
    const api = await startTestApi(t);
    const data = [{ pubkey: groupKey(0), validator_index: "100", slot: "9" }];
    const json = { dependent_root: ROOT, execution_optimistic: false, data };
    api.beacon.faults.set("/duties/ptc/", reply({ json }));
    const path = "/eth/v1/validator/duties/ptc/{epoch}";
    const ask = (epoch: string, body: unknown) =>
      send(`${api.url}${path.replace("{epoch}", epoch)}`, { body });
    const answer = await ask("1", ["100"]);
    assert.equal(answer.status, 200);
    schema?.check({ method: "post", path }, answer);
    assert.deepEqual(answer.body, { ...json, data: [{ ...data[0], pubkey: shareOf(0) }] });
    for (const [epoch, body] of [
      ["none", ["100"]],
      ["1", { not: "a list" }],
    ] as const) {
      const refused = await ask(epoch, body);
      assert.equal(refused.status, 400);
      schema?.check({ method: "post", path }, refused);
    }
  });

  // The specification has dropped this route: its errors have the form of the second version's.
  test("attestations by the first version of the route", async (t) => {
    const { url } = await startTestApi(t);
    const pool = `${url}/eth/v1/beacon/pool/attestations`;
    const checkpoint = { epoch: "1", root: ROOT };
    const data = { slot: "9", index: "1", beacon_block_root: ROOT };
    const attestation = {
      aggregation_bits: "0x0401",
      data: { ...data, source: checkpoint, target: checkpoint },
      signature: `0x${"ab".repeat(96)}`,
    };
    const answer = await send(pool, { body: [attestation] });
    assert.deepEqual([answer.status, answer.body], [200, ""]);
    const mixed = await send(pool, { body: [attestation, { nonsense: true }] });
    assert.equal(mixed.status, 400);
    schema?.checkError("IndexedErrorMessage", mixed.body);
    const wrong = await send(pool, { body: { not: "a list" } });
    assert.equal(wrong.status, 400);
    schema?.checkError("ErrorMessage", wrong.body);
    const text = await send(pool, { body: [], headers: { "content-type": "text/plain" } });
    assert.equal(text.status, 415);
    schema?.checkError("ErrorMessage", text.body);
  });
});
