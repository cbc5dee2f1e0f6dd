// A client that asks for its block once, and waits (VC-2).
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { messageIn } from "../../../sim/byzantine/frames.ts";
import { createBuiltinSigner } from "../../../src/crypto/builtinSigner.ts";
import { computeSigningRoot, epochRoot, randaoDomain } from "../../../src/eth2/signing.ts";
import { signRoot } from "../../support/clientKeys.ts";
import { createClusterKeys } from "../../support/clusterKeys.ts";
import { loadMutant, type Patch } from "../../support/mutant.ts";
import { NodeCluster } from "../../support/nodeCluster.ts";

type CreateNode = typeof import("../../../src/node/node.ts");

const SLOT = 12;
/** Leaders of these rounds are not heard; the next round begins 3540 ms into the slot. */
const SILENT_ROUNDS = 3;

let cluster: NodeCluster;
afterEach(() => cluster.stop());

async function answers(patches: readonly Patch[] = []): Promise<readonly string[]> {
  const { createNode } = await loadMutant<CreateNode>("src/node/node.ts", patches);
  const keys = createClusterKeys({ nodes: 4, threshold: 3, validators: 1 });
  const adapt = (ports: NodeCluster["members"][0]["ports"]) => {
    return { ...ports, signer: createBuiltinSigner([]) };
  };
  cluster = new NodeCluster({ createNode, adapt });
  cluster.proposeIn(SLOT);
  await cluster.start();
  for (let slot = 0; slot < SLOT; slot++) await cluster.runSlot(slot);
  cluster.hub.lose((hop) => {
    const message = messageIn(hop)?.message;
    return message?.type === "PRE-PREPARE" && message.round <= SILENT_ROUNDS;
  });
  const { chain, clock, members } = cluster;
  await clock.runUntil(chain.slotStart(SLOT));
  const epoch = chain.epochOf(SLOT);
  const root = computeSigningRoot(epochRoot(epoch), randaoDomain(chain, epoch));
  const asked = [0, 1, 2].map((self) => {
    const reveal = signRoot(keys.shares(self)[0]?.secret ?? new Uint8Array(), root);
    const api = members[self]?.node?.validatorApi ?? assert.fail("the node runs");
    return api.proposal(SLOT, reveal, new AbortController().signal);
  });
  await clock.runUntil(chain.slotStart(SLOT + 1) - 1);
  return (await Promise.all(asked)).map((each) => (each.ok ? each.value.root : each.error.code));
}

test("VC-2: a block that the fourth round decided reaches who still waits", async () => {
  const roots = await answers();
  assert.match(roots[0] ?? "", /^0x\w{64}$/);
  assert.deepEqual(roots, [roots[0], roots[0], roots[0]]);
});

test("VC-2: with the patience of attestations it would be lost with all clients", async () => {
  const file = "src/core/validatorApi.ts";
  const find = '"proposer" }, VC_BLOCK_WAIT_BPS, signal)';
  const replace = '"proposer" }, VC_WAIT_BPS, signal)';
  const codes = await answers([{ file, find, replace }]);
  assert.deepEqual(codes, ["undecided", "undecided", "undecided"]);
});
