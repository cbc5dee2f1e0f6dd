/**
 * Somebody else signs with a validator's whole key, in the very slot in which the cluster signs: in
 * whole clusters of real nodes in virtual time, with real signatures.
 */
import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";
import type { PeerIndex } from "../../../src/domain/keys.ts";
import type { Slot } from "../../../src/domain/units.ts";
import { attestationDataRoot } from "../../../src/eth2/attestationData.ts";
import { attesterDomain, computeSigningRoot } from "../../../src/eth2/signing.ts";
import { nativeProfile } from "../../../src/wire/nativeProfile.ts";
import type { Scope } from "../../../src/wire/profile.ts";
import { blockRoot, FakeBeacon } from "../../support/fakeBeacon.ts";
import { loadMutant } from "../../support/mutant.ts";
import { NodeCluster } from "../../support/nodeCluster.ts";

type NodeModule = typeof import("../../../src/node/node.ts");

let cluster: NodeCluster;
afterEach(() => cluster.stop());

const VICTIM = 0;
/** Validator 0 attests in the second slot of epoch 1. */
const SLOT = FakeBeacon.slotOf(1, VICTIM);

/** Every beacon node's pool shows a vote of validator 0 for another head than the cluster's. */
async function showForeignVote(positions: readonly number[]) {
  for (const { beacon } of cluster.members) {
    const honest = await beacon.attestationData(SLOT);
    const data = { ...honest, beaconBlockRoot: blockRoot(SLOT - 1) };
    const domain = attesterDomain(cluster.chain, data.target.epoch);
    const signature = cluster.signAs(VICTIM, computeSigningRoot(attestationDataRoot(data), domain));
    beacon.pool.set(SLOT, [beacon.vote(data, positions, signature)]);
  }
}

async function runSlots(from: Slot, to: Slot): Promise<void> {
  for (let slot = from; slot <= to; slot++) await cluster.runSlot(slot);
}

async function start(options: ConstructorParameters<typeof NodeCluster>[0] = {}): Promise<void> {
  cluster = new NodeCluster({ validators: 2, ...options });
  await cluster.start();
  await runSlots(0, SLOT - 1);
}

const frozenOn = (self: number) =>
  (cluster.member(self).node?.control.freezes() ?? []).map(({ validator, by }) => [validator, by]);
const submittedFor = (self: number, validator: number): readonly Slot[] =>
  cluster
    .member(self)
    .beacon.submitted.filter(({ validatorIndex }) => validatorIndex === 100 + validator)
    .map(({ data }) => data.slot);

describe("a foreign signer with the whole key", () => {
  test("FOREIGN-4: is found in the slot after its vote, and its validator frozen", async () => {
    await start();
    await showForeignVote([VICTIM]);
    await runSlots(SLOT, SLOT + 1);
    const [victim] = cluster.cluster.validators;
    for (const self of [0, 1, 2, 3]) {
      assert.deepEqual(frozenOn(self), [[victim?.pubKey, "the foreign signer watch"]]);
      const { metrics, log } = cluster.member(self);
      assert.equal(metrics.total("slash_precursors_total", { kind: "foreign_signer" }), 1);
      const told = log.filter(({ level, message }) => level === "error" && /frozen/.test(message));
      assert.match(String(told[0]?.fields["remedy"]), /whole key/);
    }
    assert(submittedFor(0, VICTIM).includes(SLOT), "the cluster had signed in the same slot");
    await runSlots(SLOT + 2, 23);
    assert(!submittedFor(0, VICTIM).includes(FakeBeacon.slotOf(2, VICTIM)), "it signs no more");
    assert(submittedFor(0, 1).includes(FakeBeacon.slotOf(2, 1)), "its sibling does");
  });

  test("FOREIGN-5: one that hides in an aggregate is frozen as well", async () => {
    await start();
    await showForeignVote([VICTIM, 6]);
    await runSlots(SLOT, SLOT + 1);
    assert.equal(frozenOn(2).length, 1);
  });

  test("FOREIGN-1: signs on where nobody compares what was seen", async () => {
    const { createNode } = await loadMutant<NodeModule>("src/node/node.ts", [
      {
        file: "src/core/foreignSigners.ts",
        find: 'if (standing === "explained") return;',
        replace: "if (standing !== null) return;",
      },
    ]);
    await start({ createNode });
    await showForeignVote([VICTIM]);
    await runSlots(SLOT, SLOT + 1);
    assert.deepEqual(frozenOn(0), []);
  });
});

describe("a liar who shows what others said before they signed", () => {
  const [AWAY, LIAR]: readonly [PeerIndex, PeerIndex] = [2, 3];

  /**
   * Before anybody has signed, the liar asks by gossip whether the slot's message is known. Node 2
   * misses the slot, sees the cluster's vote in a pool, and reaches the liar alone for a while.
   */
  async function showDenials(options: ConstructorParameters<typeof NodeCluster>[0] = {}) {
    await start(options);
    const { hub, chain } = cluster;
    hub.lose(({ from, to }) => from === AWAY || to === AWAY);
    const { genesisValidatorsRoot } = chain;
    const scope: Scope = { genesisValidatorsRoot, lockHash: cluster.cluster.lockHash };
    const { identity } = cluster.member(LIAR).ports;
    const data = await cluster.member(LIAR).beacon.attestationData(SLOT);
    const messageRoot = attestationDataRoot(data);
    const duty = { slot: SLOT, type: "attester" } as const;
    const sighting = { duty, validator: VICTIM, messageRoot };
    const payload = nativeProfile.encodeStatus({ kind: "query", sighting });
    const denials = new Set<Uint8Array>();
    for (const node of [0, 1]) {
      hub.tap(node, ({ channel, via, bytes }) => {
        if (channel === "status" && via === "gossip") denials.add(bytes);
        return [bytes];
      });
    }
    const frame = { channel: "status", payload } as const;
    hub.network(LIAR).gossip("status", nativeProfile.sealGossip(scope, frame, identity));
    await runSlots(SLOT, SLOT);
    assert.equal(denials.size, 2, "the danger: both said, signed, that they do not know it");
    hub.lose(() => false);
    for (const node of [0, 1]) hub.cut(node, AWAY);
    const domain = attesterDomain(chain, data.target.epoch);
    const signature = cluster.signAs(VICTIM, computeSigningRoot(messageRoot, domain));
    const { beacon } = cluster.member(AWAY);
    beacon.pool.set(SLOT, [beacon.vote(data, [VICTIM], signature)]);
    hub.tap(LIAR, ({ channel, bytes }) => (channel === "status" ? [] : [bytes]));
    await runSlots(SLOT + 1, SLOT + 1);
    for (const bytes of denials) {
      hub.carry({ channel: "status", from: LIAR, to: AWAY, via: "gossip", bytes });
    }
    await runSlots(SLOT + 2, SLOT + 2);
    for (const node of [0, 1]) hub.heal(node, AWAY);
    await runSlots(SLOT + 3, SLOT + 4);
  }

  test("FOREIGN-2: convicts nobody, and what is unexplained is explained later", async () => {
    await showDenials();
    assert.deepEqual(frozenOn(AWAY), []);
    assert.doesNotMatch(cluster.member(AWAY).node?.health().reasons.join() ?? "", /explained/);
  });

  test("FOREIGN-2: mutant: gossiped denials freeze the cluster's own validator", async () => {
    const { createNode } = await loadMutant<NodeModule>("src/node/node.ts", [
      {
        file: "src/core/sightingInquiry.ts",
        find: "const isCounted = isKnown || isDirect;",
        replace: "const isCounted = true;",
      },
    ]);
    await showDenials({ createNode });
    assert.equal(frozenOn(AWAY).length, 1);
  });
});
