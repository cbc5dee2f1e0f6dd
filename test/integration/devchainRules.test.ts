import "../support/minimalPreset.ts";
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import type { Type } from "@chainsafe/ssz";
import { type electra, ssz } from "@lodestar/types";
import { toHex } from "../../src/util/bytes.ts";
import {
  copyBlock,
  firstSeat,
  publishBody,
  resign,
  signedAggregate,
  signedBlock,
  singleAttestation,
} from "../support/devchainMessages.ts";
import {
  type Answer,
  send,
  startVirtualDevchain,
  type VirtualDevchain,
} from "../support/virtualDevchain.ts";

const PLAIN_COUNT = 64;
const BLOCKS = "/eth/v2/beacon/blocks";
const POOL = "/eth/v2/beacon/pool/attestations";
const AGGREGATES = "/eth/v2/validator/aggregate_and_proofs";
const SYNC_POOL = "/eth/v1/beacon/pool/sync_committees";
const CONTRIBUTIONS = "/eth/v1/validator/contribution_and_proofs";

for (const fork of ["electra", "fulu", "gloas"] as const) {
  describe(`dev chain rules on ${fork}`, () => {
    let devchain: VirtualDevchain;
    const version = { "eth-consensus-version": fork };
    const post = (path: string, body: unknown): Promise<Answer> =>
      send(`${devchain.url}${path}`, { body, headers: version });
    const get = (path: string): Promise<Answer> => send(`${devchain.url}${path}`);

    before(async () => {
      devchain = await startVirtualDevchain({ fork });
    });
    after(() => devchain.stop());
    beforeEach(() => devchain.enterSlot(devchain.chain.currentSlot() + 1));

    const refusesBlock = async (json: unknown, reason: RegExp): Promise<void> => {
      const headBefore = devchain.chain.head.slot;
      assertRefused(await post(BLOCKS, json), reason);
      assert.equal(devchain.chain.head.slot, headBefore);
    };

    it("imports a block sent as JSON, and takes the same block again", async () => {
      const block = signedBlock(devchain);
      const { json } = publishBody(devchain, block);
      assert.equal((await post(BLOCKS, json)).status, 200);
      assert.equal((await post(BLOCKS, json)).status, 200);
      assert.equal(devchain.chain.head.slot, block.message.slot);
    });

    it("imports a block sent as SSZ", async () => {
      const block = signedBlock(devchain);
      assert.equal((await post(BLOCKS, publishBody(devchain, block).ssz)).status, 200);
      assert.equal(devchain.chain.head.slot, block.message.slot);
    });

    it("refuses a block signed by another validator", async () => {
      const { message } = signedBlock(devchain);
      const wrong = resign(devchain, message, (message.proposerIndex + 1) % PLAIN_COUNT);
      await refusesBlock(publishBody(devchain, wrong).json, /block signature/);
    });

    it("refuses a block whose body was changed under its state root", async () => {
      const tampered = copyBlock(devchain, signedBlock(devchain));
      tampered.message.body.graffiti = new Uint8Array(32).fill(0x11);
      const { json } = publishBody(devchain, resign(devchain, tampered.message));
      await refusesBlock(json, /state root/);
    });

    it("refuses a block with another validator's randao reveal", async () => {
      const { chain } = devchain;
      const slot = chain.currentSlot();
      const proposer = chain.stateAt(slot).epochCtx.getBeaconProposer(slot);
      const randaoReveal = devchain
        .keyOf((proposer + 1) % PLAIN_COUNT)
        .sign(chain.signatures.roots.randao(slot))
        .toBytes();
      const graffiti = new Uint8Array(32);
      assert.throws(() => chain.produce({ slot, randaoReveal, graffiti }), /randao/);
      const skipRandaoVerification = true;
      const { block } = chain.produce({ slot, randaoReveal, graffiti, skipRandaoVerification });
      await refusesBlock(publishBody(devchain, resign(devchain, block)).json, /randao/i);
    });

    it("refuses a block sent without its fork's name", async () => {
      const body = publishBody(devchain, signedBlock(devchain)).json;
      assert.equal((await send(`${devchain.url}${BLOCKS}`, { body })).status, 400);
    });

    it("refuses a block that does not build on the head", async () => {
      const block = signedBlock(devchain);
      devchain.validators.propose(devchain.chain.currentSlot());
      devchain.enterSlot(devchain.chain.currentSlot() + 1);
      const late = resign(devchain, { ...block.message, slot: block.message.slot + 1 });
      await refusesBlock(publishBody(devchain, late).json, /parent/);
    });

    it("keeps the good item of a batch and names the bad ones by index", async () => {
      const seat = firstSeat(devchain);
      const data = devchain.chain.attestationData(seat.slot);
      const batch = [
        singleAttestation(devchain, { seat, data }),
        singleAttestation(devchain, { seat, data, signer: (seat.validatorIndex + 1) % 64 }),
        singleAttestation(devchain, { seat: { ...seat, committeeIndex: 1 }, data }),
        { ...singleAttestation(devchain, { seat, data }), signature: new Uint8Array(96).fill(7) },
      ];
      const answer = await post(POOL, toJson(ssz.electra.SingleAttestation, batch));
      assert.equal(answer.status, 400);
      assert.deepEqual(failedIndices(answer), [1, 2, 3]);
      const root = ssz.phase0.AttestationData.hashTreeRoot(data);
      const { aggregationBits } = devchain.chain.attestations.aggregate(root, 0);
      assert.equal(aggregationBits.getTrueBitIndexes().length, 1);
    });

    it("refuses votes for a wrong target, an unknown head or a future slot", async () => {
      const seat = firstSeat(devchain);
      const honest = devchain.chain.attestationData(seat.slot);
      const unknown = new Uint8Array(32).fill(7);
      const wrong = [
        { ...honest, target: { ...honest.target, root: unknown } },
        { ...honest, beaconBlockRoot: unknown },
        { ...honest, slot: honest.slot + 1 },
        { ...honest, target: { ...honest.target, epoch: honest.target.epoch + 1 } },
      ];
      const batch = wrong.map((data) => singleAttestation(devchain, { seat, data }));
      const answer = await post(POOL, toJson(ssz.electra.SingleAttestation, batch));
      assert.deepEqual(failedIndices(answer), [0, 1, 2, 3]);
    });

    it("serves an aggregate, refuses wrongly signed ones, packs the right one", async () => {
      const seat = firstSeat(devchain);
      const { chain } = devchain;
      const data = chain.attestationData(seat.slot);
      chain.attestations.add([singleAttestation(devchain, { seat, data })]);
      const root = toHex(ssz.phase0.AttestationData.hashTreeRoot(data));
      const query = (dataRoot: string): string =>
        `/eth/v2/validator/aggregate_attestation?attestation_data_root=${dataRoot}` +
        `&slot=${seat.slot}&committee_index=0`;
      const served = await get(query(root));
      assert.equal(served.status, 200);
      assert.equal(served.headers.get("eth-consensus-version"), fork);
      assert.equal((await get(query(`0x${"00".repeat(32)}`))).status, 404);

      const other = (seat.validatorIndex + 1) % PLAIN_COUNT;
      const { SignedAggregateAndProof } = chain.typesAt(seat.slot);
      const publish = (change: Partial<Parameters<typeof signedAggregate>[1]>): Promise<Answer> =>
        post(AGGREGATES, [
          SignedAggregateAndProof.toJson(signedAggregate(devchain, { seat, data, ...change })),
        ]);
      assertRefused(await publish({ proofSigner: other }), /#0/);
      assertRefused(await publish({ outerSigner: other }), /#0/);
      const addVote = await publish({
        change: ({ aggregationBits }) => aggregationBits.set(1, true),
      });
      assertRefused(addVote, /#0/);
      const outsider = { ...seat, validatorIndex: notInCommittee(devchain) };
      assertRefused(await publish({ seat: outsider }), /#0/);
      assert.equal((await publish({})).status, 200);

      devchain.enterSlot(seat.slot + 1);
      const { message } = signedBlock(devchain);
      const packed = message.body.attestations.filter((a) => a.data.slot === seat.slot);
      assert.deepEqual(
        packed.map((attestation) => attestation.aggregationBits.getTrueBitIndexes()),
        [[0]],
      );
      const forged = copyBlock(devchain, resign(devchain, message));
      for (const attestation of forged.message.body.attestations) {
        attestation.signature = devchain.keyOf(other).sign(new Uint8Array(32)).toBytes();
      }
      const { json } = publishBody(devchain, resign(devchain, forged.message));
      await refusesBlock(json, /signature/i);
    });

    it("judges sync messages and contributions by key and by seat", async () => {
      const { chain } = devchain;
      const slot = chain.currentSlot();
      const { roots } = chain.signatures;
      const committee = chain.stateAt(slot).epochCtx.getIndexedSyncCommittee(slot);
      const [member = 0] = committee.validatorIndices;
      const outsider = [...Array(PLAIN_COUNT).keys()].find(
        (index) => !committee.validatorIndexMap.has(index),
      );
      assert.ok(outsider !== undefined, "32 seats leave somebody out");
      const message = (validatorIndex: number, signer: number) => {
        const root = roots.syncMessage(slot, chain.head.root);
        const signature = devchain.keyOf(signer).sign(root).toBytes();
        return { slot, beaconBlockRoot: chain.head.root, validatorIndex, signature };
      };
      const batch = [
        message(member, member),
        message(member, outsider),
        message(outsider, outsider),
      ];
      const answer = await post(SYNC_POOL, toJson(ssz.altair.SyncCommitteeMessage, batch));
      assert.deepEqual(failedIndices(answer), [1, 2]);

      const contribution = chain.syncCommittee.contribution(slot, 0, chain.head.root);
      const sign = (proofSigner: number, outerSigner: number) => {
        const proof = devchain.keyOf(proofSigner).sign(roots.syncSelectionProof(slot, 0));
        const signed = { aggregatorIndex: member, contribution, selectionProof: proof.toBytes() };
        const root = roots.contributionAndProof(signed);
        return { message: signed, signature: devchain.keyOf(outerSigner).sign(root).toBytes() };
      };
      const contributions = [sign(outsider, member), sign(member, outsider), sign(member, member)];
      const result = await post(
        CONTRIBUTIONS,
        toJson(ssz.altair.SignedContributionAndProof, contributions),
      );
      assert.deepEqual(failedIndices(result), [0, 1]);
    });

    it("refuses an exit of a validator that has not been active long enough", async () => {
      const exit = { message: { epoch: 0, validatorIndex: 3 }, signature: new Uint8Array(96) };
      const answer = await post(
        "/eth/v1/beacon/pool/voluntary_exits",
        ssz.phase0.SignedVoluntaryExit.toJson(exit),
      );
      assertRefused(answer, /exit/);
    });

    it("produces over HTTP the block the proposer then signs", async () => {
      const { chain } = devchain;
      const slot = chain.currentSlot();
      const proposer = chain.stateAt(slot).epochCtx.getBeaconProposer(slot);
      const randao = devchain.keyOf(proposer).sign(chain.signatures.roots.randao(slot)).toHex();
      const route = fork === "gloas" ? "/eth/v4" : "/eth/v3";
      const rest = fork === "gloas" ? "&include_payload=false" : "";
      const answer = await get(`${route}/validator/blocks/${slot}?randao_reveal=${randao}${rest}`);
      assert.equal(answer.status, 200, JSON.stringify(answer.body));
      assert.equal(answer.headers.get("eth-consensus-version"), fork);
      const { data } = answer.body as { data: { block?: unknown } };
      const block = chain.typesAt(slot).BeaconBlock.fromJson(data.block ?? data);
      chain.importBlock(resign(devchain, block as electra.BeaconBlock));
      assert.equal(chain.head.slot, slot);
    });
  });
}

function toJson<T>(type: Type<T>, values: readonly T[]): unknown[] {
  return values.map((value) => type.toJson(value));
}

function assertRefused({ status, body }: Answer, reason: RegExp): void {
  assert.equal(status, 400, JSON.stringify(body));
  assert.match((body as { message: string }).message, reason);
}

function failedIndices({ body }: Answer): number[] {
  const { failures } = body as { failures?: { index: number }[] };
  return (failures ?? []).map(({ index }) => index);
}

function notInCommittee({ chain }: VirtualDevchain): number {
  const slot = chain.currentSlot();
  const members = new Set(chain.stateAt(slot).epochCtx.getBeaconCommittee(slot, 0));
  return [...Array(PLAIN_COUNT).keys()].find((index) => !members.has(index)) ?? assert.fail();
}
