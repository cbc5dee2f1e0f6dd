// A client that hands in the signatures of one duty one by one, while a peer is away (FLOW-8).
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { createBuiltinSigner } from "../../../src/crypto/builtinSigner.ts";
import { nativeProfile as profile } from "../../../src/wire/nativeProfile.ts";
import { attestationBy } from "../../support/clientKeys.ts";
import { createClusterKeys } from "../../support/clusterKeys.ts";
import { FakeBeacon, FIRST_INDEX } from "../../support/fakeBeacon.ts";
import { loadMutant, type Patch } from "../../support/mutant.ts";
import { NodeCluster } from "../../support/nodeCluster.ts";

type CreateNode = typeof import("../../../src/node/node.ts");

/** Validators 0 and 8 attest in it. */
const SLOT = FakeBeacon.slotOf(1, 0);
const ATTESTING = [0, 8];
const AWAY = 3;
const never = new AbortController().signal;

let cluster: NodeCluster;
afterEach(() => cluster.stop());

/** Whose signatures of node 0 the peer is told when it is back. */
async function toldAgain(patches: readonly Patch[] = []): Promise<readonly number[]> {
  const { createNode } = await loadMutant<CreateNode>("src/node/node.ts", patches);
  const keys = createClusterKeys({ nodes: 4, threshold: 3, validators: 9 });
  const adapt = (ports: NodeCluster["members"][0]["ports"]) => {
    return { ...ports, signer: createBuiltinSigner([]) };
  };
  cluster = new NodeCluster({ validators: 9, createNode, adapt });
  await cluster.start();
  for (let slot = 0; slot < SLOT; slot++) await cluster.runSlot(slot);
  const { clock, chain, hub, members } = cluster;
  await clock.runUntil(chain.slotStart(SLOT) + 500);
  for (const { beacon } of members) beacon.emitHead(SLOT);
  await clock.runUntil(chain.slotStart(SLOT) + 6_000);
  const api = members[0]?.node?.validatorApi ?? assert.fail("the node runs");
  const data = await api.attestationData(SLOT, 0, never);
  assert.ok(data.ok);
  hub.cut(0, AWAY);
  for (const validator of ATTESTING) {
    const { secret } = keys.shares(0)[validator] ?? assert.fail("there is a share");
    const item = attestationBy(secret, data.value, FIRST_INDEX + validator);
    assert.deepEqual(await api.submitAttestations([item], never), [null]);
  }
  const told: number[] = [];
  hub.tap(0, (hop) => {
    const set = hop.channel === "partials" ? profile.decodePartials(hop.bytes, 1) : null;
    if (set?.ok && hop.via === "direct" && hop.to === AWAY && set.value.duty.slot === SLOT) {
      told.push(...set.value.signatures.map(({ validator }) => validator));
    }
    return [hop.bytes];
  });
  hub.heal(0, AWAY);
  await clock.runUntil(clock.now() + 1);
  return told.sort((a, b) => a - b);
}

test("FLOW-8: a peer that comes back is told all of them", async () => {
  assert.deepEqual(await toldAgain(), ATTESTING);
});

test("FLOW-8: a node that keeps a duty's last set alone would forget the others", async () => {
  const find = "new Map();\n    this.#sent.set(dutyId(set.duty), sent);";
  const replace = "new Map();\n    sent.clear(); this.#sent.set(dutyId(set.duty), sent);";
  const file = "src/core/partialSignatureExchange.ts";
  assert.deepEqual(await toldAgain([{ file, find, replace }]), [8]);
});
