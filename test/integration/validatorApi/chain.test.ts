// Four nodes, four validator clients with habits of their own, one live chain: what counts is what
// stands in the blocks.
import "../../support/minimalPreset.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import { CLIENT_HABITS } from "../../../sim/devchain/vc/scriptedVc.ts";
import { VcCluster } from "../../support/vcCluster.ts";

const SLOT_MS = 1_500;
const LAST_SLOT = 20;
/** Validators enough that some propose, and several attest in each slot. */
const VALIDATORS = 16;

test("share keys in four validator clients attest and propose on a live chain", async (t) => {
  const cluster = await VcCluster.start({ validators: VALIDATORS, slotMs: SLOT_MS });
  t.after(() => cluster.stop());
  const { lighthouse, lodestar, nimbus, prysm } = CLIENT_HABITS;
  const clients = [lighthouse, lodestar, nimbus, prysm].map((habits, self) =>
    cluster.client(self, habits),
  );
  for (const client of clients) client.start();
  await cluster.endOf(LAST_SLOT);
  const report = await cluster.inclusion.report({ fromSlot: 1, toSlot: LAST_SLOT - 3 });
  const failures = clients.map(({ events }) => events.filter(({ status }) => status !== 200));
  t.diagnostic(
    JSON.stringify({
      attestations: report.attestations.length,
      included: report.attestations.filter((r) => r.isIncluded).length,
      proposals: report.proposals,
    }),
  );
  t.diagnostic(JSON.stringify(failures.map((f) => f.slice(0, 5))));
  assert.deepEqual(cluster.devchain.slashings(), []);
});
